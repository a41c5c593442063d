-- Private rows to codes: read by the declared types and formats, kept inside the declaration, at most 1 rows a unit.
with input as (
select "person_id", "we""ird, 'name'", "select", "ünï cödé", "$x {{y}}", "semi; -- colon", "line
break", "semi; at", "back\slash %s", "type", "rows", "input", "read", "codes"
from "source"."ward.people"
),
read as (
  select
    nullif(trim(cast("person_id" as varchar)), '') as "#unit",
    nullif(try_cast("we""ird, 'name'" as double), 'nan') as "we""ird, 'name'",
    nullif(trim(cast("select" as varchar)), '') as "select",
    nullif(try_cast("ünï cödé" as double), 'nan') as "ünï cödé",
    case try_cast("$x {{y}}" as double) when 0 then false when 1 then true else try_cast(trim(cast("$x {{y}}" as varchar)) as boolean) end as "$x {{y}}",
    cast(case when typeof("semi; -- colon") = 'VARCHAR' then case when regexp_matches(cast("semi; -- colon" as varchar), '[0-9]') then try_strptime(cast("semi; -- colon" as varchar), '%Y-%m-%d') end when try_cast("semi; -- colon" as timestamp) between timestamp '0001-01-01' and timestamp '9999-12-31' then try_cast("semi; -- colon" as timestamp) end as date) as "semi; -- colon",
    case when typeof("line
break") = 'VARCHAR' then case when regexp_matches(cast("line
break" as varchar), '[0-9]') then try_strptime(cast("line
break" as varchar), '%Y-%m-%d %H:%M:%S') end when try_cast("line
break" as timestamp) between timestamp '0001-01-01' and timestamp '9999-12-31' then try_cast("line
break" as timestamp) end as "line
break",
    case when typeof("semi; at") = 'VARCHAR' then case when regexp_matches(cast("semi; at" as varchar), '[0-9]') then try_strptime(cast("semi; at" as varchar), '%Y-%m-%d %H:%M:%S') end when try_cast("semi; at" as timestamp) between timestamp '0001-01-01' and timestamp '9999-12-31' then try_cast("semi; at" as timestamp) end as "semi; at",
    nullif(trim(cast("back\slash %s" as varchar)), '') as "back\slash %s",
    nullif(try_cast("type" as double), 'nan') as "type",
    nullif(try_cast("rows" as double), 'nan') as "rows",
    nullif(try_cast("input" as double), 'nan') as "input",
    nullif(try_cast("read" as double), 'nan') as "read",
    nullif(try_cast("codes" as double), 'nan') as "codes"
  from input
),
declared as (
  select
    "#unit",
    case when "we""ird, 'name'" is null then null else greatest(0, least(9, "we""ird, 'name'")) end as "we""ird, 'name'",
    case when list_contains(['a', 'b'], "select") then "select" end as "select",
    case when "ünï cödé" is null then null else greatest(0.0, least(1.0, "ünï cödé")) end as "ünï cödé",
    "$x {{y}}",
    case when "semi; -- colon" is null then null else greatest(date '2000-01-01', least(date '2001-01-01', "semi; -- colon")) end as "semi; -- colon",
    "line
break",
    case when "semi; at" is null then null else greatest(timestamp '2000-01-01 00:00:00', least(timestamp '2001-01-01 00:00:00', "semi; at")) end as "semi; at",
    case when list_contains(['\', '%'], "back\slash %s") then "back\slash %s" when "back\slash %s" is not null then '__other__' end as "back\slash %s",
    case when "type" is null then null else greatest(0, least(9, "type")) end as "type",
    case when "rows" is null then null else greatest(0, least(9, "rows")) end as "rows",
    case when "input" is null then null else greatest(0, least(9, "input")) end as "input",
    case when "read" is null then null else greatest(0, least(9, "read")) end as "read",
    case when "codes" is null then null else greatest(0, least(9, "codes")) end as "codes"
  from read
  where true
),
kept as (
  select * from declared
  where "#unit" is not null and "we""ird, 'name'" is not null and "select" is not null and "ünï cödé" is not null and "semi; -- colon" is not null and "line
break" is not null and "semi; at" is not null and "back\slash %s" is not null and "type" is not null and "rows" is not null and "read" is not null and "codes" is not null
),
ranked as (
  select
    *,
    row_number() over (
      partition by "#unit"
      order by
        sha256(concat_ws('|', getvariable('cap_key'), 'people', "#unit", cast("we""ird, 'name'" as varchar), cast("select" as varchar), cast("ünï cödé" as varchar), cast("$x {{y}}" as varchar), cast("semi; -- colon" as varchar), cast("line
break" as varchar), cast("semi; at" as varchar), cast("back\slash %s" as varchar), cast("type" as varchar), cast("rows" as varchar), cast("input" as varchar), cast("read" as varchar), cast("codes" as varchar))),
        "we""ird, 'name'", "select", "ünï cödé", "$x {{y}}", "semi; -- colon", "line
break", "semi; at", "back\slash %s", "type", "rows", "input", "read", "codes"
    ) as "#position"
  from kept
)
select
  dense_rank() over (order by "#unit") - 1 as "#unit",
  "#position",
  cast(round(("we""ird, 'name'" - 0) / 1) as bigint) as "#1",
  list_position(['a', 'b'], "select") - 1 as "#2",
  cast(round(("ünï cödé" - 0.0) / 0.01) as bigint) as "#3",
  coalesce(cast("$x {{y}}" as bigint), 2) as "#4",
  (epoch_us("semi; -- colon") - epoch_us(date '2000-01-01')) // 86400000000 as "#5",
  case when "line
break" is not null and "semi; at" is not null then greatest(0, least(9, (epoch_us("line
break") - epoch_us("semi; at")) // 3600000000)) end as "#6",
  (epoch_us("semi; at") - epoch_us(timestamp '2000-01-01 00:00:00')) // 3600000000 as "#7",
  list_position(['\', '%', '__other__'], "back\slash %s") - 1 as "#8",
  cast(round(("type" - 0) / 1) as bigint) as "#9",
  cast(round(("rows" - 0) / 1) as bigint) as "#10",
  coalesce(cast(round(("input" - 0) / 1) as bigint), 10) as "#11",
  cast(round(("read" - 0) / 1) as bigint) as "#12",
  cast(round(("codes" - 0) / 1) as bigint) as "#13"
from ranked
where "#position" <= 1
order by 1, 2
