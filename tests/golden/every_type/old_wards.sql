-- view
select * from "public"."wards" where stays > 10
