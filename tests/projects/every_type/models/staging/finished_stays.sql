select *
from {{ source('ward', 'stays') }}
where {{ is_finished('state') }}
