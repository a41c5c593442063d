-- What tables with a foreign key to tests_done are made from: its synthetic rows, with their codes and keys.
create or replace table _synth.rows_of_tests_done as
select
  "#unit",
  row_number() over (order by "#unit", "#position") as "#key tests_done",
  "#key people",
  "#1",
  cast(row_number() over (order by "#unit", "#position") as bigint) as "test_id",
  cast("#unit" + 1 as bigint) as "person_id",
  cast("positive" as boolean) as "positive"
from accepted
order by "#unit", "#position"
