-- The synthetic table, in the declared order, with new keys.
create or replace table synthetic."tests_done" as
select
  cast(row_number() over (order by "#unit", "#position") as bigint) as "test_id",
  cast("#unit" + 1 as bigint) as "person_id",
  cast("positive" as boolean) as "positive"
from accepted
order by "#unit", "#position"
