-- Private rows to codes: read by the declared types and formats, kept inside the declaration, at most 4 rows a unit.
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
"#kept moves" as materialized (
-- The rows of moves that are kept, of a unit at most 4.
with input as (
select "move_id", "stay_id", "person_id", "at", "room"
from "source"."town.moves"
),
read as (
  select
    nullif(trim(cast("person_id" as varchar)), '') as "#unit",
    nullif(trim(cast("stay_id" as varchar)), '') as "#to",
    case when typeof("at") = 'VARCHAR' then case when regexp_matches(cast("at" as varchar), '[0-9]') then try_strptime(cast("at" as varchar), '%Y-%m-%d %H:%M:%S') end when try_cast("at" as timestamp) between timestamp '0001-01-01' and timestamp '9999-12-31' then try_cast("at" as timestamp) end as "at",
    try_cast("room" as double) as "room"
  from input
),
linked as (
  select
    read.*,
    parent."#position" as "#parent",
    parent."came" as "stays.came"
  from read join "#kept stays" as parent on parent."#unit" = read."#unit" and parent."#key" = read."#to"
),
declared as (
  select
    "#unit",
    "#parent",
    "stays.came",
    "at",
    case when list_contains([101, 102, 201, 202], "room") then cast("room" as bigint) end as "room"
  from linked
  where true
),
kept as (
  select * from declared
  where "#unit" is not null and "at" is not null and "stays.came" is not null and "room" is not null
),
ranked as (
  select
    *,
    row_number() over (
      partition by "#unit"
      order by
        sha256(concat_ws('|', getvariable('cap_key'), 'moves', "#unit", cast("at" as varchar), cast("room" as varchar))),
        "at", "room", "#parent"
    ) as "#position"
  from kept
)
select
  "#unit",
  row_number() over (partition by "#unit" order by "at" nulls last, "#position") as "#position",
  "#parent",
  "at",
  "room",
  "stays.came"
from ranked
where "#position" <= 4
),
"#kept reports" as materialized (
-- The rows of reports that are kept, of a unit at most 3.
with input as (
select "person_id", "stay_id", "test_id", "checked_id", "grade"
from "source"."town.reports"
),
read as (
  select
    nullif(trim(cast("person_id" as varchar)), '') as "#unit",
    nullif(trim(cast("stay_id" as varchar)), '') as "#to",
    nullif(try_cast("grade" as double), 'nan') as "grade"
  from input
),
linked as (
  select
    read.*,
    parent."#position" as "#parent"
  from read join "#kept stays" as parent on parent."#unit" = read."#unit" and parent."#key" = read."#to"
),
declared as (
  select
    "#unit",
    "#parent",
    case when "grade" is null then null else greatest(1, least(5, "grade")) end as "grade"
  from linked
  where true
),
kept as (
  select * from declared
  where "#unit" is not null
),
ranked as (
  select
    *,
    row_number() over (
      partition by "#unit"
      order by
        sha256(concat_ws('|', getvariable('cap_key'), 'reports', "#unit", cast("grade" as varchar))),
        "grade", "#parent"
    ) as "#position"
  from kept
)
select
  "#unit",
  "#position",
  "#parent",
  "grade"
from ranked
where "#position" <= 3
),
"#codes stays" as materialized (
-- The codes of stays, and of how many rows of other tables are below each.
select
  "#unit",
  "#position",
  "#parent",
  list_position(['none', 'private', 'public'], "insurance") - 1 as "#1",
  case when "came" is not null and "people.born" is not null then greatest(0, least(36525, (epoch_us("came") - epoch_us("people.born")) // 86400000000)) end as "#2",
  coalesce(case when "went" is not null and "came" is not null then greatest(0, least(60, (epoch_us("went") - epoch_us("came")) // 86400000000)) end, 61) as "#3",
  (
    select count(*) from "#kept moves" as child
    where child."#unit" = kept."#unit" and child."#parent" = kept."#position"
  ) as "#4",
  (
    select count(*) from "#kept reports" as child
    where child."#unit" = kept."#unit" and child."#parent" = kept."#position"
  ) as "#5"
from "#kept stays" as kept
),
rows as (
-- The codes of moves, and of how many rows of other tables are below each.
select
  "#unit",
  "#position",
  "#parent",
  case when "at" is not null and "stays.came" is not null then greatest(0, least(86400, (epoch_us("at") - epoch_us("stays.came")) // 60000000)) end as "#1",
  list_position([101, 102, 201, 202], "room") - 1 as "#2"
from "#kept moves" as kept
)
select
  dense_rank() over (order by rows."#unit") - 1 as "#unit",
  rows."#parent",
  rows."#position",
  rows."#1",
  rows."#2",
  parent."#1" as "#3",
  parent."#2" as "#4",
  parent."#3" as "#5",
  parent."#5" as "#6"
from rows
join "#codes stays" as parent on parent."#unit" = rows."#unit" and parent."#position" = rows."#parent"
order by 1, 2, 3
