-- What tables with a foreign key to people are made from: its synthetic rows, with their codes and keys.
create or replace table _synth.rows_of_people as
select
  "#unit",
  row_number() over (order by "#unit", "#position") as "#key people",
  "#1",
  "#2",
  "#3",
  "#4",
  cast("#unit" + 1 as bigint) as "person_id",
  cast("sex" as varchar) as "sex",
  cast("born" as date) as "born"
from accepted
order by "#unit", "#position"
