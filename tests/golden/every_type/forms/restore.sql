-- Codes to values: the other half of prepare.sql. Reads synthetic codes only.
select *, cast((
case when late then "double fee" else fee end
) as DECIMAL(25,2)) as "late fee"
from (
select *, cast((
fee * version -- in pounds
) as DECIMAL(25,2)) as "double fee"
from (
select *, cast((
came >= time '17:00'
) as BOOLEAN) as "late"
from (
select *, cast((
2
) as bigint) as "version"
from (
select *, cast((
'north'
) as varchar) as "site"
from (
select
  codes."#unit",
  codes."#position",
  codes."#draw",
  cast(case when codes."#1" < 1010000 then cast(round(cast(-10000 + codes."#1" as double) / 100, 2) as decimal(6, 2)) end as DECIMAL(6,2)) as "fee",
  cast(round(0.5 + cast(codes."#2" as double) * 0.1, 1) as double) as "dose",
  cast(list_extract(['none', 'some', 'much'], codes."#3" + 1) as varchar) as "pain",
  cast(list_extract(['007', '08', '9'], codes."#4" + 1) as varchar) as "code",
  cast(time '00:00:00' + to_microseconds((codes."#5") * 60000000) as time) as "came",
  cast(case when codes."#6" < 17 then time '00:00:00' + to_microseconds((codes."#6" + 6) * 3600000000) end as time) as "shift",
  cast(case when codes."#7" < 4381 then to_microseconds((codes."#7" - 60) * 60000000) end as interval) as "waited",
  cast(date '2000-01-01' + cast(codes."#8" as integer) as date) as "day",
  cast(timestamp '2000-01-01 00:00:00' + to_microseconds(codes."#9" * 1000000) as timestamp) as "sent",
  cast(0 + codes."#10" as bigint) as "visits",
  cast(list_extract(['A', 'B'], codes."#11" + 1) as varchar) as "ward",
  cast(date '2000-01-01' + cast(codes."#12" as integer) as date) as "seen",
  cast(to_microseconds((codes."#13") * 3600000000) as interval) as "rested",
  cast(case when codes."#14" < 251 then round(0.0 + cast(codes."#14" as double) * 1.0, 0) end as double) as "height"
from codes
)
)
)
)
)
