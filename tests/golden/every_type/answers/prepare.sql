-- Private rows to codes: read by the declared types and formats, kept inside the declaration, at most 1 rows a unit.
with input as (
select "answer_id", "liked", "stars"
from "source"."survey.answers"
),
read as (
  select
    cast(row_number() over () as varchar) as "#unit",
    case try_cast("liked" as double) when 0 then false when 1 then true else try_cast(trim(cast("liked" as varchar)) as boolean) end as "liked",
    nullif(try_cast("stars" as double), 'nan') as "stars"
  from input
),
declared as (
  select
    "#unit",
    "liked",
    case when "stars" is null then null else greatest(1, least(5, "stars")) end as "stars"
  from read
  where true
),
kept as (
  select * from declared
  where "#unit" is not null and "liked" is not null
),
ranked as (
  select
    *,
    row_number() over (
      partition by "#unit"
      order by
        sha256(concat_ws('|', getvariable('cap_key'), 'answers', "#unit", cast("liked" as varchar), cast("stars" as varchar))),
        "liked", "stars"
    ) as "#position"
  from kept
)
select
  dense_rank() over (order by "#unit") - 1 as "#unit",
  "#position",
  cast("liked" as bigint) as "#1",
  coalesce(cast(round(("stars" - 1) / 1) as bigint), 5) as "#2"
from ranked
where "#position" <= 1
order by 1, 2
