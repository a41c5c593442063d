-- Codes to values: the other half of prepare.sql. Reads synthetic codes only.
select
  codes."#unit",
  codes."#position",
  codes."#draw",
  codes."#key stays",
  codes."#key people",
  cast(case when codes."#1" < 5 then 1 + codes."#1" end as bigint) as "grade"
from codes
