-- stays.stay_id.type: 'stay_id is of type BIGINT'
select typeof("stay_id") as type from synthetic."stays"
where typeof("stay_id") <> 'BIGINT'

-- stays.person_id.type: 'person_id is of type BIGINT'
select typeof("person_id") as type from synthetic."stays"
where typeof("person_id") <> 'BIGINT'

-- stays.insurance.type: 'insurance is of type VARCHAR'
select typeof("insurance") as type from synthetic."stays"
where typeof("insurance") <> 'VARCHAR'

-- stays.came.type: 'came is of type DATE'
select typeof("came") as type from synthetic."stays"
where typeof("came") <> 'DATE'

-- stays.went.type: 'went is of type DATE'
select typeof("went") as type from synthetic."stays"
where typeof("went") <> 'DATE'

-- stays.stay_id.unique: 'stay_id is the primary key: each value once'
select "stay_id", count(*) as rows from synthetic."stays"
group by "stay_id" having count(*) > 1

-- stays.person_id.relationships: 'every person_id is a person_id of people'
select * from synthetic."stays"
where "person_id" is not null and ("person_id") not in (select "person_id" from synthetic."people")

-- stays.stay_id.not_null: 'stay_id is never null'
select * from synthetic."stays"
where "stay_id" is null

-- stays.person_id.not_null: 'person_id is never null'
select * from synthetic."stays"
where "person_id" is null

-- stays.insurance.not_null: 'insurance is never null'
select * from synthetic."stays"
where "insurance" is null

-- stays.insurance.in_set: 'insurance is one of 3 declared values'
select * from synthetic."stays"
where "insurance" not in ('none', 'private', 'public')

-- stays.came.not_null: 'came is never null'
select * from synthetic."stays"
where "came" is null

-- stays.came.between: 'came is between 2000-01-01 and 2012-12-31'
select * from synthetic."stays"
where "came" not between date '2000-01-01' and date '2012-12-31'

-- stays.came.format: 'came loses nothing when written as %Y-%m-%d'
select * from synthetic."stays"
where "came" is not null and try_strptime(strftime("came", '%Y-%m-%d'), '%Y-%m-%d') is distinct from cast("came" as timestamp)

-- stays.went.format: 'went loses nothing when written as %Y-%m-%d'
select * from synthetic."stays"
where "went" is not null and try_strptime(strftime("went", '%Y-%m-%d'), '%Y-%m-%d') is distinct from cast("went" as timestamp)

-- stays.went.offset: 'went is 0 days to 60 days after came'
select * from synthetic."stays"
where "went" not between "came" + to_seconds(0) and "came" + to_seconds(5184000)
