-- How many values lie outside the declaration, of all rows as they are read. The answer stays in the private zone.
with input as (
select "person_id", "sex", "born"
from "source"."town.people"
),
read as (
  select
    nullif(trim(cast("person_id" as varchar)), '') as "#unit",
    "sex" is null as "#null 1",
    nullif(trim(cast("sex" as varchar)), '') as "sex",
    "born" is null as "#null 2",
    cast(case when typeof("born") = 'VARCHAR' then case when regexp_matches(cast("born" as varchar), '[0-9]') then try_strptime(cast("born" as varchar), '%Y-%m-%d') end when try_cast("born" as timestamp) between timestamp '0001-01-01' and timestamp '9999-12-31' then try_cast("born" as timestamp) end as date) as "born"
  from input
)
select
  count(*) as "rows",
  count(distinct "#unit") as "units",
  2000 as "units as declared",
  count(*) filter (where "#unit" is null) as "rows without a unit",
  (
    select coalesce(sum(count - 1), 0)
    from (select count(*) as count from read where "#unit" is not null group by "#unit")
    where count > 1
  ) as "rows beyond 1 of a unit",
  count(*) filter (where "#null 1") as "sex: null",
  count(*) filter (where not "#null 1" and "sex" is null) as "sex: empty",
  count(*) filter (where not list_contains(['F', 'M'], "sex")) as "sex: outside the declaration",
  count(*) filter (where "#null 2") as "born: null",
  count(*) filter (where not "#null 2" and "born" is null) as "born: not in the declared format",
  count(*) filter (where "born" < date '1920-01-01' or "born" > date '2010-01-01') as "born: outside the declaration"
from read
