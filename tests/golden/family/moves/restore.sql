-- Codes to values: the other half of prepare.sql. Reads synthetic codes only.
select
  codes."#unit",
  codes."#position",
  codes."#draw",
  codes."#key stays",
  codes."#key people",
  cast("stays.came" + to_microseconds(codes."#1" * 60000000) as timestamp) as "at",
  cast(list_extract([101, 102, 201, 202], codes."#2" + 1) as bigint) as "room"
from (select * replace (cast("stays.came" as date) as "stays.came") from codes) as codes
