-- answers.answer_id.type: 'answer_id is of type BIGINT'
select typeof("answer_id") as type from synthetic."answers"
where typeof("answer_id") <> 'BIGINT'

-- answers.liked.type: 'liked is of type BOOLEAN'
select typeof("liked") as type from synthetic."answers"
where typeof("liked") <> 'BOOLEAN'

-- answers.stars.type: 'stars is of type BIGINT'
select typeof("stars") as type from synthetic."answers"
where typeof("stars") <> 'BIGINT'

-- answers.table.row_count: 'the table has exactly 4 rows'
select count(*) as rows from synthetic."answers"
having count(*) <> 4

-- answers.answer_id.not_null: 'answer_id is never null'
select * from synthetic."answers"
where "answer_id" is null

-- answers.liked.not_null: 'liked is never null'
select * from synthetic."answers"
where "liked" is null

-- answers.liked.in_set: 'liked is one of 2 declared values'
select * from synthetic."answers"
where "liked" not in (true, false)

-- answers.stars.between: 'stars is between 1 and 5'
select * from synthetic."answers"
where "stars" not between 1 and 5
