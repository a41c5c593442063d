-- The synthetic table, in the declared order, with new keys.
create or replace table synthetic."stays" as
select
  cast(row_number() over (order by "#unit", "born" nulls last, "#position") as bigint) as "stay_id",
  cast("#unit" + 1 as bigint) as "person_id",
  cast("age" as bigint) as "age",
  cast("severity" as bigint) as "severity",
  cast("weight" as double) as "weight",
  cast("pressure" as double) as "pressure",
  cast("temperature" as double) as "temperature",
  cast("ward" as varchar) as "ward",
  cast("outcome" as varchar) as "outcome",
  cast("route" as varchar) as "route",
  cast("sex" as varchar) as "sex",
  cast("grade" as bigint) as "grade",
  cast("score" as bigint) as "score",
  cast("urgent" as boolean) as "urgent",
  cast("died" as boolean) as "died",
  cast("born" as date) as "born",
  cast("last_seen" as date) as "last_seen",
  cast("buried" as date) as "buried",
  cast("came" as timestamp) as "came",
  cast("seen" as timestamp) as "seen",
  cast("booked" as timestamp) as "booked",
  cast("opened" as timestamp) as "opened",
  cast("called" as timestamp) as "called",
  cast("went" as timestamp) as "went"
from accepted
order by "#unit", "born" nulls last, "#position"
