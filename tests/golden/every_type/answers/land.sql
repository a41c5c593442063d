-- The synthetic table, in the declared order, with new keys.
create or replace table synthetic."answers" as
select
  cast(row_number() over (order by "#unit", "#position") as bigint) as "answer_id",
  cast("liked" as boolean) as "liked",
  cast("stars" as bigint) as "stars"
from accepted
order by "#unit", "#position"
