-- What tables with a foreign key to stays are made from: its synthetic rows, with their codes and keys.
create or replace table _synth.rows_of_stays as
select
  "#unit",
  row_number() over (order by "#unit", "came" nulls last, "#position") as "#key stays",
  "#key people",
  "#1",
  "#2",
  "#3",
  "#4",
  "#5",
  cast(row_number() over (order by "#unit", "came" nulls last, "#position") as bigint) as "stay_id",
  cast("#unit" + 1 as bigint) as "person_id",
  cast("insurance" as varchar) as "insurance",
  cast("came" as date) as "came",
  cast("went" as date) as "went"
from accepted
order by "#unit", "came" nulls last, "#position"
