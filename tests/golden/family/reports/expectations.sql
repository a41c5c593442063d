-- reports.person_id.type: 'person_id is of type BIGINT'
select typeof("person_id") as type from synthetic."reports"
where typeof("person_id") <> 'BIGINT'

-- reports.stay_id.type: 'stay_id is of type BIGINT'
select typeof("stay_id") as type from synthetic."reports"
where typeof("stay_id") <> 'BIGINT'

-- reports.test_id.type: 'test_id is of type BIGINT'
select typeof("test_id") as type from synthetic."reports"
where typeof("test_id") <> 'BIGINT'

-- reports.checked_id.type: 'checked_id is of type BIGINT'
select typeof("checked_id") as type from synthetic."reports"
where typeof("checked_id") <> 'BIGINT'

-- reports.grade.type: 'grade is of type BIGINT'
select typeof("grade") as type from synthetic."reports"
where typeof("grade") <> 'BIGINT'

-- reports.stay_id.relationships: 'every stay_id is a stay_id of stays, with the same person_id'
select * from synthetic."reports"
where "stay_id" is not null and ("person_id", "stay_id") not in (select "person_id", "stay_id" from synthetic."stays")

-- reports.test_id.relationships: 'every test_id is a test_id of tests_done, with the same person_id'
select * from synthetic."reports"
where "test_id" is not null and ("person_id", "test_id") not in (select "person_id", "test_id" from synthetic."tests_done")

-- reports.checked_id.relationships: 'every checked_id is a test_id of tests_done, with the same person_id'
select * from synthetic."reports"
where "checked_id" is not null and ("person_id", "checked_id") not in (select "person_id", "test_id" from synthetic."tests_done")

-- reports.person_id.not_null: 'person_id is never null'
select * from synthetic."reports"
where "person_id" is null

-- reports.stay_id.not_null: 'stay_id is never null'
select * from synthetic."reports"
where "stay_id" is null

-- reports.grade.between: 'grade is between 1 and 5'
select * from synthetic."reports"
where "grade" not between 1 and 5
