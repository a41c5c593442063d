-- tests_done.test_id.type: 'test_id is of type BIGINT'
select typeof("test_id") as type from synthetic."tests_done"
where typeof("test_id") <> 'BIGINT'

-- tests_done.person_id.type: 'person_id is of type BIGINT'
select typeof("person_id") as type from synthetic."tests_done"
where typeof("person_id") <> 'BIGINT'

-- tests_done.positive.type: 'positive is of type BOOLEAN'
select typeof("positive") as type from synthetic."tests_done"
where typeof("positive") <> 'BOOLEAN'

-- tests_done.test_id.unique: 'test_id is the primary key: each value once'
select "test_id", count(*) as rows from synthetic."tests_done"
group by "test_id" having count(*) > 1

-- tests_done.person_id.relationships: 'every person_id is a person_id of people'
select * from synthetic."tests_done"
where "person_id" is not null and ("person_id") not in (select "person_id" from synthetic."people")

-- tests_done.test_id.not_null: 'test_id is never null'
select * from synthetic."tests_done"
where "test_id" is null

-- tests_done.person_id.not_null: 'person_id is never null'
select * from synthetic."tests_done"
where "person_id" is null

-- tests_done.positive.not_null: 'positive is never null'
select * from synthetic."tests_done"
where "positive" is null

-- tests_done.positive.in_set: 'positive is one of 2 declared values'
select * from synthetic."tests_done"
where "positive" not in (true, false)
