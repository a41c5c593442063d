{{ config(materialized='synthetic', epsilon=2.0, tags=['clinical']) }}

select {{ declared_columns() }}
from {{ ref('finished_stays') }}
where person_id <> 'nobody'; 
