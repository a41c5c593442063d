-- people.person_id.type: 'person_id is of type BIGINT'
select typeof("person_id") as type from synthetic."people"
where typeof("person_id") <> 'BIGINT'

-- people.sex.type: 'sex is of type VARCHAR'
select typeof("sex") as type from synthetic."people"
where typeof("sex") <> 'VARCHAR'

-- people.born.type: 'born is of type DATE'
select typeof("born") as type from synthetic."people"
where typeof("born") <> 'DATE'

-- people.person_id.unique: 'person_id is the primary key: each value once'
select "person_id", count(*) as rows from synthetic."people"
group by "person_id" having count(*) > 1

-- people.table.row_count: 'the table has exactly 2,000 rows'
select count(*) as rows from synthetic."people"
having count(*) <> 2000

-- people.person_id.not_null: 'person_id is never null'
select * from synthetic."people"
where "person_id" is null

-- people.sex.not_null: 'sex is never null'
select * from synthetic."people"
where "sex" is null

-- people.sex.in_set: 'sex is one of 2 declared values'
select * from synthetic."people"
where "sex" not in ('F', 'M')

-- people.born.not_null: 'born is never null'
select * from synthetic."people"
where "born" is null

-- people.born.between: 'born is between 1920-01-01 and 2010-01-01'
select * from synthetic."people"
where "born" not between date '1920-01-01' and date '2010-01-01'

-- people.born.format: 'born loses nothing when written as %Y-%m-%d'
select * from synthetic."people"
where "born" is not null and try_strptime(strftime("born", '%Y-%m-%d'), '%Y-%m-%d') is distinct from cast("born" as timestamp)
