-- The synthetic table, in the declared order, with new keys.
create or replace table synthetic."people" as
select
  cast("#unit" + 1 as bigint) as "person_id",
  cast("we""ird, 'name'" as bigint) as "we""ird, 'name'",
  cast("select" as varchar) as "select",
  cast("ünï cödé" as double) as "ünï cödé",
  cast("$x {{y}}" as boolean) as "$x {{y}}",
  cast("semi; -- colon" as date) as "semi; -- colon",
  cast("line
break" as timestamp) as "line
break",
  cast("semi; at" as timestamp) as "semi; at",
  cast("back\slash %s" as varchar) as "back\slash %s",
  cast("type" as bigint) as "type",
  cast("rows" as bigint) as "rows",
  cast("input" as bigint) as "input",
  cast("read" as bigint) as "read",
  cast("codes" as bigint) as "codes"
from accepted
order by "#unit", "#position"
