-- A stay of more than a year: the declaration allows none, so a row here is an error.
select hadm_id, admittime, dischtime
from {{ ref('admissions') }}
where dischtime > admittime + interval 365 days
