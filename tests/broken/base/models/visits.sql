{{ config(materialized='synthetic', epsilon=1.0) }}
select {{ declared_columns() }}
from {{ source('clinic', 'visits') }}
where {{ is_adult('age') }}
