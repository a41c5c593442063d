-- table
-- a public model
select ward, count(*) as stays from "synthetic"."stays" group by ward
