-- How many values lie outside the declaration, of all rows as they are read. The answer stays in the private zone.
with input as (
select "person_id", "we""ird, 'name'", "select", "ünï cödé", "$x {{y}}", "semi; -- colon", "line
break", "semi; at", "back\slash %s", "type", "rows", "input", "read", "codes"
from "source"."ward.people"
),
read as (
  select
    nullif(trim(cast("person_id" as varchar)), '') as "#unit",
    "we""ird, 'name'" is null as "#null 1",
    nullif(try_cast("we""ird, 'name'" as double), 'nan') as "we""ird, 'name'",
    "select" is null as "#null 2",
    nullif(trim(cast("select" as varchar)), '') as "select",
    "ünï cödé" is null as "#null 3",
    nullif(try_cast("ünï cödé" as double), 'nan') as "ünï cödé",
    "$x {{y}}" is null as "#null 4",
    case try_cast("$x {{y}}" as double) when 0 then false when 1 then true else try_cast(trim(cast("$x {{y}}" as varchar)) as boolean) end as "$x {{y}}",
    "semi; -- colon" is null as "#null 5",
    cast(case when typeof("semi; -- colon") = 'VARCHAR' then case when regexp_matches(cast("semi; -- colon" as varchar), '[0-9]') then try_strptime(cast("semi; -- colon" as varchar), '%Y-%m-%d') end when try_cast("semi; -- colon" as timestamp) between timestamp '0001-01-01' and timestamp '9999-12-31' then try_cast("semi; -- colon" as timestamp) end as date) as "semi; -- colon",
    "line
break" is null as "#null 6",
    case when typeof("line
break") = 'VARCHAR' then case when regexp_matches(cast("line
break" as varchar), '[0-9]') then try_strptime(cast("line
break" as varchar), '%Y-%m-%d %H:%M:%S') end when try_cast("line
break" as timestamp) between timestamp '0001-01-01' and timestamp '9999-12-31' then try_cast("line
break" as timestamp) end as "line
break",
    "semi; at" is null as "#null 7",
    case when typeof("semi; at") = 'VARCHAR' then case when regexp_matches(cast("semi; at" as varchar), '[0-9]') then try_strptime(cast("semi; at" as varchar), '%Y-%m-%d %H:%M:%S') end when try_cast("semi; at" as timestamp) between timestamp '0001-01-01' and timestamp '9999-12-31' then try_cast("semi; at" as timestamp) end as "semi; at",
    "back\slash %s" is null as "#null 8",
    nullif(trim(cast("back\slash %s" as varchar)), '') as "back\slash %s",
    "type" is null as "#null 9",
    nullif(try_cast("type" as double), 'nan') as "type",
    "rows" is null as "#null 10",
    nullif(try_cast("rows" as double), 'nan') as "rows",
    "input" is null as "#null 11",
    nullif(try_cast("input" as double), 'nan') as "input",
    "read" is null as "#null 12",
    nullif(try_cast("read" as double), 'nan') as "read",
    "codes" is null as "#null 13",
    nullif(try_cast("codes" as double), 'nan') as "codes"
  from input
)
select
  count(*) as "rows",
  count(distinct "#unit") as "units",
  10000 as "units as declared",
  count(*) filter (where "#unit" is null) as "rows without a unit",
  (
    select coalesce(sum(count - 1), 0)
    from (select count(*) as count from read where "#unit" is not null group by "#unit")
    where count > 1
  ) as "rows beyond 1 of a unit",
  count(*) filter (where "#null 1") as "we""ird, 'name': null",
  count(*) filter (where not "#null 1" and "we""ird, 'name'" is null) as "we""ird, 'name': not a number",
  count(*) filter (where "we""ird, 'name'" < 0 or "we""ird, 'name'" > 9) as "we""ird, 'name': outside the declaration",
  count(*) filter (where "#null 2") as "select: null",
  count(*) filter (where not "#null 2" and "select" is null) as "select: empty",
  count(*) filter (where not list_contains(['a', 'b'], "select")) as "select: outside the declaration",
  count(*) filter (where "#null 3") as "ünï cödé: null",
  count(*) filter (where not "#null 3" and "ünï cödé" is null) as "ünï cödé: not a number",
  count(*) filter (where "ünï cödé" < 0.0 or "ünï cödé" > 1.0) as "ünï cödé: outside the declaration",
  count(*) filter (where "#null 4") as "$x {{y}}: null",
  count(*) filter (where not "#null 4" and "$x {{y}}" is null) as "$x {{y}}: not true or false",
  count(*) filter (where "#null 5") as "semi; -- colon: null",
  count(*) filter (where not "#null 5" and "semi; -- colon" is null) as "semi; -- colon: not in the declared format",
  count(*) filter (where "semi; -- colon" < date '2000-01-01' or "semi; -- colon" > date '2001-01-01') as "semi; -- colon: outside the declaration",
  count(*) filter (where "#null 6") as "line
break: null",
  count(*) filter (where not "#null 6" and "line
break" is null) as "line
break: not in the declared format",
  count(*) filter (where "#null 7") as "semi; at: null",
  count(*) filter (where not "#null 7" and "semi; at" is null) as "semi; at: not in the declared format",
  count(*) filter (where "semi; at" < timestamp '2000-01-01 00:00:00' or "semi; at" > timestamp '2001-01-01 00:00:00') as "semi; at: outside the declaration",
  count(*) filter (where "#null 8") as "back\slash %s: null",
  count(*) filter (where not "#null 8" and "back\slash %s" is null) as "back\slash %s: empty",
  count(*) filter (where not list_contains(['\', '%'], "back\slash %s")) as "back\slash %s: outside the declaration",
  count(*) filter (where "#null 9") as "type: null",
  count(*) filter (where not "#null 9" and "type" is null) as "type: not a number",
  count(*) filter (where "type" < 0 or "type" > 9) as "type: outside the declaration",
  count(*) filter (where "#null 10") as "rows: null",
  count(*) filter (where not "#null 10" and "rows" is null) as "rows: not a number",
  count(*) filter (where "rows" < 0 or "rows" > 9) as "rows: outside the declaration",
  count(*) filter (where "#null 11") as "input: null",
  count(*) filter (where not "#null 11" and "input" is null) as "input: not a number",
  count(*) filter (where "input" < 0 or "input" > 9) as "input: outside the declaration",
  count(*) filter (where "#null 12") as "read: null",
  count(*) filter (where not "#null 12" and "read" is null) as "read: not a number",
  count(*) filter (where "read" < 0 or "read" > 9) as "read: outside the declaration",
  count(*) filter (where "#null 13") as "codes: null",
  count(*) filter (where not "#null 13" and "codes" is null) as "codes: not a number",
  count(*) filter (where "codes" < 0 or "codes" > 9) as "codes: outside the declaration"
from read
