-- The synthetic table, in the declared order, with new keys.
create or replace table synthetic."people" as
select
  cast("#unit" + 1 as bigint) as "person_id",
  cast("sex" as varchar) as "sex",
  cast("born" as date) as "born"
from accepted
order by "#unit", "#position"
