-- The synthetic table, in the declared order, with new keys.
create or replace table synthetic."stays" as
select
  cast(row_number() over (order by "#unit", "came" nulls last, "#position") as bigint) as "stay_id",
  cast("#unit" + 1 as bigint) as "person_id",
  cast("insurance" as varchar) as "insurance",
  cast("came" as date) as "came",
  cast("went" as date) as "went"
from accepted
order by "#unit", "came" nulls last, "#position"
