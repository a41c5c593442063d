-- The synthetic table, in the declared order, with new keys.
create or replace table synthetic."moves" as
select
  cast(row_number() over (order by "#unit", "at" nulls last, "#position") as bigint) as "move_id",
  cast("#key stays" as bigint) as "stay_id",
  cast("#unit" + 1 as bigint) as "person_id",
  cast("at" as timestamp) as "at",
  cast("room" as bigint) as "room"
from accepted
order by "#unit", "at" nulls last, "#position"
