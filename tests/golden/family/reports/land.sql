-- The synthetic table, in the declared order, with new keys.
create or replace table synthetic."reports" as
select
  cast("#unit" + 1 as bigint) as "person_id",
  cast("#key stays" as bigint) as "stay_id",
  cast(list_extract(list_sort("tests_done".found), 1 + cast(md5_number_lower(concat_ws('|', 'test_id', "#unit", "#position")) % len("tests_done".found) as bigint)) as bigint) as "test_id",
  cast(list_extract(list_sort("tests_done".found), 1 + cast(md5_number_lower(concat_ws('|', 'checked_id', "#unit", "#position")) % len("tests_done".found) as bigint)) as bigint) as "checked_id",
  cast("grade" as bigint) as "grade"
from accepted
left join (
  select "#key people" as shared, list("#key tests_done") as found from _synth.rows_of_tests_done group by shared
) as "tests_done" on "tests_done".shared = accepted."#key people"
order by "#unit", "#position"
