-- How many values lie outside the declaration, of all rows as they are read. The answer stays in the private zone.
with input as (
select "answer_id", "liked", "stars"
from "source"."survey.answers"
),
read as (
  select
    "liked" is null as "#null 1",
    case try_cast("liked" as double) when 0 then false when 1 then true else try_cast(trim(cast("liked" as varchar)) as boolean) end as "liked",
    "stars" is null as "#null 2",
    nullif(try_cast("stars" as double), 'nan') as "stars"
  from input
)
select
  count(*) as "rows",
  4 as "units as declared",
  count(*) filter (where "#null 1") as "liked: null",
  count(*) filter (where not "#null 1" and "liked" is null) as "liked: not true or false",
  count(*) filter (where "#null 2") as "stars: null",
  count(*) filter (where not "#null 2" and "stars" is null) as "stars: not a number",
  count(*) filter (where "stars" < 1 or "stars" > 5) as "stars: outside the declaration"
from read
