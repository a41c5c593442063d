-- Codes to values: the other half of prepare.sql. Reads synthetic codes only.
select
  codes."#unit",
  codes."#position",
  codes."#draw",
  codes."#key people",
  codes."#1",
  cast(case codes."#1" when 0 then false when 1 then true end as boolean) as "positive"
from codes
