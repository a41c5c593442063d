-- Private rows to codes: read by the declared types and formats, kept inside the declaration, at most 2 rows a unit.
with input as (
select "form_id", "person_id", "fee", "dose", "pain", "code", "came", "shift", "waited", "day", "sent", "visits", "ward", "seen", "rested", "height"
from "source"."ward.forms"
),
read as (
  select
    nullif(trim(cast("person_id" as varchar)), '') as "#unit",
    nullif(try_cast("fee" as double), 'nan') as "fee",
    nullif(try_cast("dose" as double), 'nan') as "dose",
    nullif(trim(cast("pain" as varchar)), '') as "pain",
    nullif(trim(cast("code" as varchar)), '') as "code",
    case when typeof("came") = 'VARCHAR' then cast(case when regexp_matches(cast("came" as varchar), '[0-9]') then try_strptime(cast("came" as varchar), ['%H:%M', '%I:%M %p']) end as time) else try_cast("came" as time) end as "came",
    case when typeof("shift") = 'VARCHAR' then cast(case when regexp_matches(cast("shift" as varchar), '[0-9]') then try_strptime(cast("shift" as varchar), '%H:%M:%S') end as time) else try_cast("shift" as time) end as "shift",
    try(epoch_us(try_cast("waited" as interval))) as "waited",
    cast(case when typeof("day") = 'VARCHAR' then case when regexp_matches(cast("day" as varchar), '[0-9]') then try_strptime(cast("day" as varchar), ['%d/%m/%Y', '%Y-%m-%d']) end when try_cast("day" as timestamp) between timestamp '0001-01-01' and timestamp '9999-12-31' then try_cast("day" as timestamp) end as date) as "day",
    case when typeof("sent") = 'VARCHAR' then case when regexp_matches(cast("sent" as varchar), '[0-9]') then try_strptime(cast("sent" as varchar), '%Y-%m-%dT%H:%M:%S%z') end at time zone 'Europe/London' when typeof("sent") = 'TIMESTAMP WITH TIME ZONE' then try_cast("sent" as timestamptz) at time zone 'Europe/London' when try_cast("sent" as timestamp) between timestamp '0001-01-01' and timestamp '9999-12-31' then try_cast("sent" as timestamp) end as "sent",
    coalesce(nullif(try_cast("visits" as double), 'nan'), cast(0 as double)) as "visits",
    coalesce(nullif(trim(cast("ward" as varchar)), ''), cast('B' as varchar)) as "ward",
    coalesce(cast(case when typeof("seen") = 'VARCHAR' then case when regexp_matches(cast("seen" as varchar), '[0-9]') then try_strptime(cast("seen" as varchar), '%Y-%m-%d') end when try_cast("seen" as timestamp) between timestamp '0001-01-01' and timestamp '9999-12-31' then try_cast("seen" as timestamp) end as date), cast('2010-01-01' as date)) as "seen",
    coalesce(try(epoch_us(try_cast("rested" as interval))), epoch_us(interval '8 hours')) as "rested",
    nullif(try_cast("height" as double), 'nan') as "height"
  from input
),
declared as (
  select
    "#unit",
    case when "fee" is null then null else greatest(cast(-10000 as double) / 100, least(cast(999999 as double) / 100, "fee")) end as "fee",
    case when "dose" is null then null else greatest(0.5, least(10.0, "dose")) end as "dose",
    case when list_contains(['none', 'some', 'much'], "pain") then "pain" end as "pain",
    case when list_contains(['007', '08', '9'], "code") then "code" end as "code",
    case when "came" is null then null else greatest(time '00:00:00', least(time '23:59:59', "came")) end as "came",
    case when "shift" is null then null else greatest(time '06:00:00', least(time '22:00:00', "shift")) end as "shift",
    case when "waited" is null then null else greatest(-3600000000, least(259200000000, "waited")) end as "waited",
    case when "day" is null then null else greatest(date '2000-01-01', least(date '2020-12-31', "day")) end as "day",
    case when "sent" is null then null else greatest(timestamp '2000-01-01 00:00:00', least(timestamp '2020-12-31 00:00:00', "sent")) end as "sent",
    case when "visits" is null then null else greatest(0, least(50, "visits")) end as "visits",
    case when list_contains(['A', 'B'], "ward") then "ward" end as "ward",
    case when "seen" is null then null else greatest(date '2000-01-01', least(date '2020-12-31', "seen")) end as "seen",
    case when "rested" is null then null else greatest(0, least(32400000000, "rested")) end as "rested",
    case when "height" is null then null else greatest(0.0, least(250.0, "height")) end as "height"
  from read
  where not ("ward" is not null and not list_contains(['A', 'B'], "ward"))
),
kept as (
  select * from declared
  where "#unit" is not null and "dose" is not null and "pain" is not null and "code" is not null and "came" is not null and "day" is not null and "sent" is not null and "visits" is not null and "ward" is not null and "seen" is not null and "rested" is not null
),
ranked as (
  select
    *,
    row_number() over (
      partition by "#unit"
      order by
        sha256(concat_ws('|', getvariable('cap_key'), 'forms', "#unit", cast("fee" as varchar), cast("dose" as varchar), cast("pain" as varchar), cast("code" as varchar), cast("came" as varchar), cast("shift" as varchar), cast("waited" as varchar), cast("day" as varchar), cast("sent" as varchar), cast("visits" as varchar), cast("ward" as varchar), cast("seen" as varchar), cast("rested" as varchar), cast("height" as varchar))),
        "fee", "dose", "pain", "code", "came", "shift", "waited", "day", "sent", "visits", "ward", "seen", "rested", "height"
    ) as "#position"
  from kept
)
select
  dense_rank() over (order by "#unit") - 1 as "#unit",
  row_number() over (partition by "#unit" order by "day" nulls last, "#position") as "#position",
  coalesce(cast(round("fee" * 100) as bigint) - (-10000), 1010000) as "#1",
  cast(round(("dose" - 0.5) / 0.1) as bigint) as "#2",
  list_position(['none', 'some', 'much'], "pain") - 1 as "#3",
  list_position(['007', '08', '9'], "code") - 1 as "#4",
  epoch_us("came") // 60000000 as "#5",
  coalesce(epoch_us("shift") // 3600000000 - 6, 17) as "#6",
  coalesce(cast(floor("waited" / 60000000) as bigint) + 60, 4381) as "#7",
  (epoch_us("day") - epoch_us(date '2000-01-01')) // 86400000000 as "#8",
  (epoch_us("sent") - epoch_us(timestamp '2000-01-01 00:00:00')) // 1000000 as "#9",
  cast(round(("visits" - 0) / 1) as bigint) as "#10",
  list_position(['A', 'B'], "ward") - 1 as "#11",
  (epoch_us("seen") - epoch_us(date '2000-01-01')) // 86400000000 as "#12",
  cast(floor("rested" / 3600000000) as bigint) as "#13",
  coalesce(cast(round(("height" - 0.0) / 1.0) as bigint), 251) as "#14"
from ranked
where "#position" <= 2
order by 1, 2
