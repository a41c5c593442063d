select count(*) as people from {{ ref('patients') }}
