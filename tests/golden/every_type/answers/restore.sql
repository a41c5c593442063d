-- Codes to values: the other half of prepare.sql. Reads synthetic codes only.
select
  codes."#unit",
  codes."#position",
  codes."#draw",
  cast(case codes."#1" when 0 then false when 1 then true end as boolean) as "liked",
  cast(case when codes."#2" < 5 then 1 + codes."#2" end as bigint) as "stars"
from codes
