-- Codes to values: the other half of prepare.sql. Reads synthetic codes only.
select
  codes."#unit",
  codes."#position",
  codes."#draw",
  cast(0 + codes."#1" as bigint) as "we""ird, 'name'",
  cast(list_extract(['a', 'b'], codes."#2" + 1) as varchar) as "select",
  cast(round(0.0 + cast(codes."#3" as double) * 0.01, 2) as double) as "ünï cödé",
  cast(case when codes."#4" < 2 then case codes."#4" when 0 then false when 1 then true end end as boolean) as "$x {{y}}",
  cast(date '2000-01-01' + cast(codes."#5" as integer) as date) as "semi; -- colon",
  cast(timestamp '2000-01-01 00:00:00' + to_microseconds(codes."#7" * 3600000000) as timestamp) as "semi; at",
  cast("semi; at" + to_microseconds(codes."#6" * 3600000000) as timestamp) as "line
break",
  cast(list_extract(['\', '%', '__other__'], codes."#8" + 1) as varchar) as "back\slash %s",
  cast(0 + codes."#9" as bigint) as "type",
  cast(0 + codes."#10" as bigint) as "rows",
  cast(case when codes."#11" < 10 then 0 + codes."#11" end as bigint) as "input",
  cast(0 + codes."#12" as bigint) as "read",
  cast(0 + codes."#13" as bigint) as "codes"
from codes
