{{ config(tags=['hospital']) }}
-- Free: it reads synthetic stays only.
select
  admission_type,
  insurance,
  count(*) as stays,
  round(avg(date_diff('minute', admittime, dischtime)) / 1440, 2) as mean_days
from {{ ref('admissions') }}
group by admission_type, insurance
order by admission_type, insurance
