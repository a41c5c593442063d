-- reads stays
select * from "synthetic"."stays" where age < 1 and born < date '1950-01-01'
