-- Codes to values: the other half of prepare.sql. Reads synthetic codes only.
select
  codes."#unit",
  codes."#position",
  codes."#draw",
  codes."#1",
  codes."#2",
  codes."#3",
  codes."#4",
  cast(list_extract(['F', 'M'], codes."#1" + 1) as varchar) as "sex",
  cast(date '1920-01-01' + cast(codes."#2" as integer) as date) as "born"
from codes
