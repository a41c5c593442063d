-- The synthetic table, in the declared order, with new keys.
create or replace table synthetic."forms" as
select
  cast(row_number() over (order by "#unit", "day" nulls last, "#position") as bigint) as "form_id",
  cast("#unit" + 1 as bigint) as "person_id",
  cast("fee" as DECIMAL(6,2)) as "fee",
  cast("dose" as double) as "dose",
  cast("pain" as varchar) as "pain",
  cast("code" as varchar) as "code",
  cast("came" as time) as "came",
  cast("shift" as time) as "shift",
  cast("waited" as interval) as "waited",
  cast("day" as date) as "day",
  cast("sent" as timestamp) as "sent",
  cast("visits" as bigint) as "visits",
  cast("ward" as varchar) as "ward",
  cast("seen" as date) as "seen",
  cast("rested" as interval) as "rested",
  cast("height" as double) as "height",
  cast(list_extract(cast(getvariable('name en_GB') as varchar[]), 1 + cast(md5_number_lower(concat_ws('|', 3, 'who', 0, "#unit")) % len(cast(getvariable('name en_GB') as varchar[])) as bigint)) as varchar) as "who",
  cast(list_extract(list_transform([(("#unit" * 556207 + 23757) % 900000)], lambda n: list_extract(list_transform(['999' || lpad(cast(n // 9 as varchar), 5, '0')], lambda head: list_extract(list_transform([head || cast(n % 9 + cast(n % 9 >= (6 * (1 - list_sum(list_transform(range(8), lambda i: (10 - i) * cast(substr(head, i + 1, 1) as integer))) % 11) % 11 + 11) % 11 as integer) as varchar)], lambda nine: nine || cast((11 - list_sum(list_transform(range(9), lambda i: (10 - i) * cast(substr(nine, i + 1, 1) as integer))) % 11) % 11 as varchar)), 1)), 1)), 1) as varchar) as "nhs_number",
  cast(concat('A', cast(md5_number_lower(concat_ws('|', 3, 'reference', 1, "#unit", "#position")) % 10 as varchar), cast(md5_number_lower(concat_ws('|', 3, 'reference', 2, "#unit", "#position")) % 10 as varchar), '-', chr(65 + cast(md5_number_lower(concat_ws('|', 3, 'reference', 4, "#unit", "#position")) % 26 as integer)), chr(65 + cast(md5_number_lower(concat_ws('|', 3, 'reference', 5, "#unit", "#position")) % 26 as integer))) as varchar) as "reference",
  cast('it''s left out' as varchar) as "remark",
  cast("site" as varchar) as "site",
  cast("version" as bigint) as "version",
  cast("late" as BOOLEAN) as "late",
  cast("double fee" as DECIMAL(25,2)) as "double fee",
  cast("late fee" as DECIMAL(25,2)) as "late fee"
from accepted
order by "#unit", "day" nulls last, "#position"
