-- reads stays
select count(*) as rows from "synthetic"."stays"
having count(*) < 1 or count(*) > 1000
