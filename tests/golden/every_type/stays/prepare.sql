-- Private rows to codes: read by the declared types and formats, kept inside the declaration, at most 3 rows a unit.
with input as (
SELECT stay_id,
  person_id,
  age,
  severity,
  weight,
  pressure,
  temperature,
  ward,
  outcome,
  route,
  sex,
  grade,
  score,
  urgent,
  died,
  born,
  last_seen,
  buried,
  came,
  seen,
  booked,
  opened,
  "called",
  went
FROM private.finished_stays
WHERE TRY(CAST((person_id != 'nobody') AS BOOLEAN))
),
read as (
  select
    nullif(trim(cast("person_id" as varchar)), '') as "#unit",
    nullif(try_cast("age" as double), 'nan') as "age",
    nullif(try_cast("severity" as double), 'nan') as "severity",
    nullif(try_cast("weight" as double), 'nan') as "weight",
    nullif(try_cast("pressure" as double), 'nan') as "pressure",
    nullif(try_cast("temperature" as double), 'nan') as "temperature",
    nullif(trim(cast("ward" as varchar)), '') as "ward",
    nullif(trim(cast("outcome" as varchar)), '') as "outcome",
    nullif(trim(cast("route" as varchar)), '') as "route",
    nullif(trim(cast("sex" as varchar)), '') as "sex",
    try_cast("grade" as double) as "grade",
    try_cast("score" as double) as "score",
    case try_cast("urgent" as double) when 0 then false when 1 then true else try_cast(trim(cast("urgent" as varchar)) as boolean) end as "urgent",
    case try_cast("died" as double) when 0 then false when 1 then true else try_cast(trim(cast("died" as varchar)) as boolean) end as "died",
    cast(case when typeof("born") = 'VARCHAR' then case when regexp_matches(cast("born" as varchar), '[0-9]') then try_strptime(cast("born" as varchar), '%Y-%m-%d') end when try_cast("born" as timestamp) between timestamp '0001-01-01' and timestamp '9999-12-31' then try_cast("born" as timestamp) end as date) as "born",
    cast(case when typeof("last_seen") = 'VARCHAR' then case when regexp_matches(cast("last_seen" as varchar), '[0-9]') then try_strptime(cast("last_seen" as varchar), '%d/%m/%Y') end when try_cast("last_seen" as timestamp) between timestamp '0001-01-01' and timestamp '9999-12-31' then try_cast("last_seen" as timestamp) end as date) as "last_seen",
    cast(case when typeof("buried") = 'VARCHAR' then case when regexp_matches(cast("buried" as varchar), '[0-9]') then try_strptime(cast("buried" as varchar), '%Y-%m-%d') end when try_cast("buried" as timestamp) between timestamp '0001-01-01' and timestamp '9999-12-31' then try_cast("buried" as timestamp) end as date) as "buried",
    case when typeof("came") = 'VARCHAR' then case when regexp_matches(cast("came" as varchar), '[0-9]') then try_strptime(cast("came" as varchar), '%Y-%m-%d %H:%M:%S') end when try_cast("came" as timestamp) between timestamp '0001-01-01' and timestamp '9999-12-31' then try_cast("came" as timestamp) end as "came",
    case when typeof("seen") = 'VARCHAR' then case when regexp_matches(cast("seen" as varchar), '[0-9]') then try_strptime(cast("seen" as varchar), '%Y-%m-%d %H:%M:%S') end when try_cast("seen" as timestamp) between timestamp '0001-01-01' and timestamp '9999-12-31' then try_cast("seen" as timestamp) end as "seen",
    case when typeof("booked") = 'VARCHAR' then case when regexp_matches(cast("booked" as varchar), '[0-9]') then try_strptime(cast("booked" as varchar), '%Y-%m-%d %H:%M:%S') end when try_cast("booked" as timestamp) between timestamp '0001-01-01' and timestamp '9999-12-31' then try_cast("booked" as timestamp) end as "booked",
    case when typeof("opened") = 'VARCHAR' then case when regexp_matches(cast("opened" as varchar), '[0-9]') then try_strptime(cast("opened" as varchar), '%Y%m%d') end when try_cast("opened" as timestamp) between timestamp '0001-01-01' and timestamp '9999-12-31' then try_cast("opened" as timestamp) end as "opened",
    case when typeof("called") = 'VARCHAR' then case when regexp_matches(cast("called" as varchar), '[0-9]') then try_strptime(cast("called" as varchar), '%Y-%m-%d %H:%M:%S') end when try_cast("called" as timestamp) between timestamp '0001-01-01' and timestamp '9999-12-31' then try_cast("called" as timestamp) end as "called",
    case when typeof("went") = 'VARCHAR' then case when regexp_matches(cast("went" as varchar), '[0-9]') then try_strptime(cast("went" as varchar), '%Y-%m-%d %H:%M:%S') end when try_cast("went" as timestamp) between timestamp '0001-01-01' and timestamp '9999-12-31' then try_cast("went" as timestamp) end as "went"
  from input
),
declared as (
  select
    "#unit",
    case when "age" is null then null else greatest(0, least(120, "age")) end as "age",
    case when "severity" is null then null else greatest(-5, least(5, "severity")) end as "severity",
    case when "weight" is null then null else greatest(0.0, least(250.0, "weight")) end as "weight",
    case when "pressure" is null then null else greatest(-1.0, least(1.0, "pressure")) end as "pressure",
    case when "temperature" is null then null else greatest(30.123456789, least(45.987654321, "temperature")) end as "temperature",
    case when list_contains(['A', 'B''s', 'C "c"'], "ward") then "ward" when "ward" is not null then '__other__' end as "ward",
    case when list_contains(['well', 'ill'], "outcome") then "outcome" end as "outcome",
    case when list_contains(['foot', 'car'], "route") then "route" end as "route",
    case when list_contains(['F', 'M'], "sex") then "sex" end as "sex",
    case when list_contains([1, 2, 3], "grade") then cast("grade" as bigint) end as "grade",
    case when list_contains([-1, 0, 10], "score") then cast("score" as bigint) end as "score",
    "urgent",
    "died",
    case when "born" is null then null else greatest(date '1900-01-01', least(date '2020-12-31', "born")) end as "born",
    case when "last_seen" is null then null else greatest(date '2000-01-01', least(date '2030-01-01', "last_seen")) end as "last_seen",
    "buried",
    case when "came" is null then null else greatest(timestamp '2000-01-01 00:00:00', least(timestamp '2020-12-31 23:59:59', "came")) end as "came",
    case when "seen" is null then null else greatest(timestamp '2000-01-01 00:00:00', least(timestamp '2020-12-31 23:59:59', "seen")) end as "seen",
    case when "booked" is null then null else greatest(timestamp '2000-01-01 06:00:00', least(timestamp '2020-12-31 00:00:00', "booked")) end as "booked",
    case when "opened" is null then null else greatest(timestamp '2000-01-01 00:00:00', least(timestamp '2020-12-31 00:00:00', "opened")) end as "opened",
    "called",
    "went"
  from read
  where not ("route" is not null and not list_contains(['foot', 'car'], "route"))
),
kept as (
  select * from declared
  where "#unit" is not null and "age" is not null and "weight" is not null and "ward" is not null and "sex" is not null and "grade" is not null and "urgent" is not null and "born" is not null and "came" is not null and "seen" is not null and "called" is not null
),
ranked as (
  select
    *,
    row_number() over (
      partition by "#unit"
      order by
        sha256(concat_ws('|', getvariable('cap_key'), 'stays', "#unit", cast("age" as varchar), cast("severity" as varchar), cast("weight" as varchar), cast("pressure" as varchar), cast("temperature" as varchar), cast("ward" as varchar), cast("outcome" as varchar), cast("route" as varchar), cast("sex" as varchar), cast("grade" as varchar), cast("score" as varchar), cast("urgent" as varchar), cast("died" as varchar), cast("born" as varchar), cast("last_seen" as varchar), cast("buried" as varchar), cast("came" as varchar), cast("seen" as varchar), cast("booked" as varchar), cast("opened" as varchar), cast("called" as varchar), cast("went" as varchar))),
        "age", "severity", "weight", "pressure", "temperature", "ward", "outcome", "route", "sex", "grade", "score", "urgent", "died", "born", "last_seen", "buried", "came", "seen", "booked", "opened", "called", "went"
    ) as "#position"
  from kept
)
select
  dense_rank() over (order by "#unit") - 1 as "#unit",
  row_number() over (partition by "#unit" order by "born" nulls last, "#position") as "#position",
  cast(round(("age" - 0) / 1) as bigint) as "#1",
  coalesce(cast(round(("severity" - -5) / 1) as bigint), 11) as "#2",
  cast(round(("weight" - 0.0) / 0.1) as bigint) as "#3",
  coalesce(cast(round(("pressure" - -1.0) / 0.25) as bigint), 9) as "#4",
  coalesce(cast(floor("temperature" / 0.0001 + 1e-06) as bigint) - (301234), 158643) as "#5",
  list_position(['A', 'B''s', 'C "c"', '__other__'], "ward") - 1 as "#6",
  coalesce(list_position(['well', 'ill'], "outcome") - 1, 2) as "#7",
  coalesce(list_position(['foot', 'car'], "route") - 1, 2) as "#8",
  list_position(['F', 'M'], "sex") - 1 as "#9",
  list_position([1, 2, 3], "grade") - 1 as "#10",
  coalesce(list_position([-1, 0, 10], "score") - 1, 3) as "#11",
  cast("urgent" as bigint) as "#12",
  coalesce(cast("died" as bigint), 2) as "#13",
  (epoch_us("born") - epoch_us(date '1900-01-01')) // 86400000000 as "#14",
  coalesce((epoch_us("last_seen") - epoch_us(date '2000-01-01')) // 86400000000, 10959) as "#15",
  coalesce(case when "buried" is not null and "born" is not null then greatest(0, least(14610, (epoch_us("buried") - epoch_us("born")) // 86400000000)) end, 14611) as "#16",
  (epoch_us("came") - epoch_us(timestamp '2000-01-01 00:00:00')) // 1000000 as "#17",
  (epoch_us("seen") - epoch_us(timestamp '2000-01-01 00:00:00')) // 60000000 as "#18",
  coalesce((epoch_us("booked") - epoch_us(timestamp '2000-01-01 06:00:00')) // 3600000000, 184075) as "#19",
  coalesce((epoch_us("opened") - epoch_us(timestamp '2000-01-01 00:00:00')) // 86400000000, 7671) as "#20",
  case when "called" is not null and "seen" is not null then greatest(-120, least(1440, (epoch_us("called") - epoch_us("seen")) // 60000000)) + 120 end as "#21",
  coalesce(case when "went" is not null and "seen" is not null then greatest(0, least(11570400, (epoch_us("went") - epoch_us("seen")) // 60000000)) end, 11570401) as "#22"
from ranked
where "#position" <= 3
order by 1, 2
