{{ config(materialized='public') }}
-- Free: it reads synthetic rows only.
select region, smoker, count(*) as members, round(avg(systolic), 1) as mean_systolic
from {{ ref('members') }}
group by region, smoker
order by region, smoker
