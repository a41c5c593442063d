{{ config(epsilon=0.5, tags=['hospital', 'table_one']) }}
-- A query before synthesis: what a paper's first table is made from, one row per fluid measured in intensive care.
-- Joined on the person, the admission and the stay, so that every row is about one person; the items are a public list.
select
  {{ declared_columns() }}
from (
  select
    a.subject_id,
    a.ethnicity,
    a.admittime,
    p.gender,
    i.first_careunit,
    o.value,
    o.valueuom,
    d.label,
    -- whole years; those above 89 have birthdays 300 years before their first admission, as MIMIC-III has it
    least(date_diff('year', try_cast(p.dob as date), try_cast(a.admittime as date)), 91) as age
  from {{ source('mimic', 'admissions') }} as a
  join {{ source('mimic', 'patients') }} as p on p.subject_id = a.subject_id
  join {{ source('mimic', 'icustays') }} as i on i.subject_id = a.subject_id and i.hadm_id = a.hadm_id
  left join {{ source('mimic', 'outputevents') }} as o on o.subject_id = i.subject_id and o.icustay_id = i.icustay_id
  left join {{ source('mimic_items', 'd_items') }} as d on d.itemid = o.itemid
)
