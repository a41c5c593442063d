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
select "stay_id", "person_id", "insurance", "came", "went"
from "source"."town.stays"
),
read as (
  select
    nullif(trim(cast("person_id" as varchar)), '') as "#unit",
    nullif(trim(cast("person_id" as varchar)), '') as "#to",
    "insurance" is null as "#null 1",
    nullif(trim(cast("insurance" as varchar)), '') as "insurance",
    "came" is null as "#null 2",
    cast(case when typeof("came") = 'VARCHAR' then case when regexp_matches(cast("came" as varchar), '[0-9]') then try_strptime(cast("came" as varchar), '%Y-%m-%d') end when try_cast("came" as timestamp) between timestamp '0001-01-01' and timestamp '9999-12-31' then try_cast("came" as timestamp) end as date) as "came",
    "went" is null as "#null 3",
    cast(case when typeof("went") = 'VARCHAR' then case when regexp_matches(cast("went" as varchar), '[0-9]') then try_strptime(cast("went" as varchar), '%Y-%m-%d') end when try_cast("went" as timestamp) between timestamp '0001-01-01' and timestamp '9999-12-31' then try_cast("went" as timestamp) end as date) as "went"
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
  count(*) filter (where "#null 1") as "insurance: null",
  count(*) filter (where not "#null 1" and "insurance" is null) as "insurance: empty",
  count(*) filter (where not list_contains(['none', 'private', 'public'], "insurance")) as "insurance: outside the declaration",
  count(*) filter (where "#null 2") as "came: null",
  count(*) filter (where not "#null 2" and "came" is null) as "came: not in the declared format",
  count(*) filter (where "came" < date '2000-01-01' or "came" > date '2012-12-31') as "came: outside the declaration",
  count(*) filter (where "#null 3") as "went: null",
  count(*) filter (where not "#null 3" and "went" is null) as "went: not in the declared format"
from read
