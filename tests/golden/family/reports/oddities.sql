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
"#kept stays" as materialized (
-- The rows of stays that are kept, of a unit at most 3.
with input as (
select "stay_id", "person_id", "insurance", "came", "went"
from "source"."town.stays"
),
read as (
  select
    nullif(trim(cast("person_id" as varchar)), '') as "#unit",
    nullif(trim(cast("stay_id" as varchar)), '') as "#key",
    nullif(trim(cast("person_id" as varchar)), '') as "#to",
    nullif(trim(cast("insurance" as varchar)), '') as "insurance",
    cast(case when typeof("came") = 'VARCHAR' then case when regexp_matches(cast("came" as varchar), '[0-9]') then try_strptime(cast("came" as varchar), '%Y-%m-%d') end when try_cast("came" as timestamp) between timestamp '0001-01-01' and timestamp '9999-12-31' then try_cast("came" as timestamp) end as date) as "came",
    cast(case when typeof("went") = 'VARCHAR' then case when regexp_matches(cast("went" as varchar), '[0-9]') then try_strptime(cast("went" as varchar), '%Y-%m-%d') end when try_cast("went" as timestamp) between timestamp '0001-01-01' and timestamp '9999-12-31' then try_cast("went" as timestamp) end as date) as "went"
  from input
),
linked as (
  select
    read.*,
    parent."#position" as "#parent",
    parent."born" as "people.born"
  from read join "#kept people" as parent on parent."#unit" = read."#unit" and parent."#key" = read."#to"
),
declared as (
  select
    "#unit",
    "#key",
    "#parent",
    "people.born",
    case when list_contains(['none', 'private', 'public'], "insurance") then "insurance" end as "insurance",
    "came",
    "went"
  from linked
  where true
),
kept as (
  select * from declared
  where "#unit" is not null and "insurance" is not null and "came" is not null and "people.born" is not null and "#key" is not null
  qualify row_number() over (partition by "#unit", "#key" order by "#key", "#parent", "insurance", "came", "went") = 1
),
ranked as (
  select
    *,
    row_number() over (
      partition by "#unit"
      order by
        sha256(concat_ws('|', getvariable('cap_key'), 'stays', "#unit", cast("insurance" as varchar), cast("came" as varchar), cast("went" as varchar))),
        "insurance", "came", "went", "#key", "#parent"
    ) as "#position"
  from kept
)
select
  "#unit",
  row_number() over (partition by "#unit" order by "came" nulls last, "#position") as "#position",
  "#key",
  "#parent",
  "insurance",
  "came",
  "went",
  "people.born"
from ranked
where "#position" <= 3
),
input as (
select "person_id", "stay_id", "test_id", "checked_id", "grade"
from "source"."town.reports"
),
read as (
  select
    nullif(trim(cast("person_id" as varchar)), '') as "#unit",
    nullif(trim(cast("stay_id" as varchar)), '') as "#to",
    "grade" is null as "#null 1",
    nullif(try_cast("grade" as double), 'nan') as "grade"
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
    select count(*) from read anti join "#kept stays" as parent on parent."#unit" = read."#unit" and parent."#key" = read."#to"
  ) as "rows without a row of stays that is kept",
  count(*) filter (where "#null 1") as "grade: null",
  count(*) filter (where not "#null 1" and "grade" is null) as "grade: not a number",
  count(*) filter (where "grade" < 1 or "grade" > 5) as "grade: outside the declaration"
from read
