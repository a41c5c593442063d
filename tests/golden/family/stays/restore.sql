-- Codes to values: the other half of prepare.sql. Reads synthetic codes only.
select
  codes."#unit",
  codes."#position",
  codes."#draw",
  codes."#key people",
  codes."#1",
  codes."#2",
  codes."#3",
  codes."#4",
  codes."#5",
  cast(list_extract(['none', 'private', 'public'], codes."#1" + 1) as varchar) as "insurance",
  cast("people.born" + cast(codes."#2" as integer) as date) as "came",
  cast(case when codes."#3" < 61 then "came" + cast(codes."#3" as integer) end as date) as "went"
from (select * replace (cast("people.born" as date) as "people.born") from codes) as codes
