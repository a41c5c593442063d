-- How many values lie outside the declaration, of all rows as they are read. The answer stays in the private zone.
with "#kept people" as materialized (
-- The rows of people that are kept, of a unit at most 1.
with input as (
select "person_id", "sex", "born"
from "source"."town.people"
),
read as (
  select
    nullif(trim(cast("person_id" as varchar)), '') as "#unit",
    nullif(trim(cast("person_id" as varchar)), '') as "#key",
    nullif(trim(cast("sex" as varchar)), '') as "sex",
    cast(case when typeof("born") = 'VARCHAR' then case when regexp_matches(cast("born" as varchar), '[0-9]') then try_strptime(cast("born" as varchar), '%Y-%m-%d') end when try_cast("born" as timestamp) between timestamp '0001-01-01' and timestamp '9999-12-31' then try_cast("born" as timestamp) end as date) as "born"
  from input
),
declared as (
  select
    "#unit",
    "#key",
    case when list_contains(['F', 'M'], "sex") then "sex" end as "sex",
    case when "born" is null then null else greatest(date '1920-01-01', least(date '2010-01-01', "born")) end as "born"
  from read
  where true
),
kept as (
  select * from declared
  where "#unit" is not null and "sex" is not null and "born" is not null and "#key" is not null
  qualify row_number() over (partition by "#unit", "#key" order by "#key", "sex", "born") = 1
),
ranked as (
  select
    *,
    row_number() over (
      partition by "#unit"
      order by
        sha256(concat_ws('|', getvariable('cap_key'), 'people', "#unit", cast("sex" as varchar), cast("born" as varchar))),
        "sex", "born", "#key"
    ) as "#position"
  from kept
)
select
  "#unit",
  "#position",
  "#key",
  "sex",
  "born"
from ranked
where "#position" <= 1
),
input as (
select "test_id", "person_id", "positive"
from "source"."town.tests_done"
),
read as (
  select
    nullif(trim(cast("person_id" as varchar)), '') as "#unit",
    nullif(trim(cast("person_id" as varchar)), '') as "#to",
    "positive" is null as "#null 1",
    case try_cast("positive" as double) when 0 then false when 1 then true else try_cast(trim(cast("positive" as varchar)) as boolean) end as "positive"
  from input
)
select
  count(*) as "rows",
  count(distinct "#unit") as "units",
  2000 as "units as declared",
  count(*) filter (where "#unit" is null) as "rows without a unit",
  (
    select coalesce(sum(count - 3), 0)
    from (select count(*) as count from read where "#unit" is not null group by "#unit")
    where count > 3
  ) as "rows beyond 3 of a unit",
  (
    select count(*) from read anti join "#kept people" as parent on parent."#unit" = read."#unit" and parent."#key" = read."#to"
  ) as "rows without a row of people that is kept",
  count(*) filter (where "#null 1") as "positive: null",
  count(*) filter (where not "#null 1" and "positive" is null) as "positive: not true or false"
from read
