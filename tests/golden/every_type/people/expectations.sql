-- people.person_id.type: 'person_id is of type BIGINT'
select typeof("person_id") as type from synthetic."people"
where typeof("person_id") <> 'BIGINT'

-- people.we_ird___name.type: 'we"ird, \'name\' is of type BIGINT'
select typeof("we""ird, 'name'") as type from synthetic."people"
where typeof("we""ird, 'name'") <> 'BIGINT'

-- people.select.type: 'select is of type VARCHAR'
select typeof("select") as type from synthetic."people"
where typeof("select") <> 'VARCHAR'

-- people.ünï_cödé.type: 'ünï cödé is of type DOUBLE'
select typeof("ünï cödé") as type from synthetic."people"
where typeof("ünï cödé") <> 'DOUBLE'

-- people.x___y.type: '$x {{y}} is of type BOOLEAN'
select typeof("$x {{y}}") as type from synthetic."people"
where typeof("$x {{y}}") <> 'BOOLEAN'

-- people.semi_____colon.type: 'semi; -- colon is of type DATE'
select typeof("semi; -- colon") as type from synthetic."people"
where typeof("semi; -- colon") <> 'DATE'

-- people.line_break.type: 'line\nbreak is of type TIMESTAMP'
select typeof("line
break") as type from synthetic."people"
where typeof("line
break") <> 'TIMESTAMP'

-- people.semi__at.type: 'semi; at is of type TIMESTAMP'
select typeof("semi; at") as type from synthetic."people"
where typeof("semi; at") <> 'TIMESTAMP'

-- people.back_slash__s.type: 'back\\slash %s is of type VARCHAR'
select typeof("back\slash %s") as type from synthetic."people"
where typeof("back\slash %s") <> 'VARCHAR'

-- people.type.type: 'type is of type BIGINT'
select typeof("type") as type from synthetic."people"
where typeof("type") <> 'BIGINT'

-- people.rows.type: 'rows is of type BIGINT'
select typeof("rows") as type from synthetic."people"
where typeof("rows") <> 'BIGINT'

-- people.input.type: 'input is of type BIGINT'
select typeof("input") as type from synthetic."people"
where typeof("input") <> 'BIGINT'

-- people.read.type: 'read is of type BIGINT'
select typeof("read") as type from synthetic."people"
where typeof("read") <> 'BIGINT'

-- people.codes.type: 'codes is of type BIGINT'
select typeof("codes") as type from synthetic."people"
where typeof("codes") <> 'BIGINT'

-- people.person_id.unique: 'person_id is the primary key: each value once'
select "person_id", count(*) as rows from synthetic."people"
group by "person_id" having count(*) > 1

-- people.table.row_count: 'the table has exactly 3 rows'
select count(*) as rows from synthetic."people"
having count(*) <> 3

-- people.person_id.not_null: 'person_id is never null'
select * from synthetic."people"
where "person_id" is null

-- people.we_ird___name.not_null: 'we"ird, \'name\' is never null'
select * from synthetic."people"
where "we""ird, 'name'" is null

-- people.we_ird___name.between: 'we"ird, \'name\' is between 0 and 9'
select * from synthetic."people"
where "we""ird, 'name'" not between 0 and 9

-- people.select.not_null: 'select is never null'
select * from synthetic."people"
where "select" is null

-- people.select.in_set: 'select is one of 2 declared values'
select * from synthetic."people"
where "select" not in ('a', 'b')

-- people.ünï_cödé.not_null: 'ünï cödé is never null'
select * from synthetic."people"
where "ünï cödé" is null

-- people.ünï_cödé.between: 'ünï cödé is between 0.0 and 1.0'
select * from synthetic."people"
where "ünï cödé" not between 0.0 and 1.0

-- people.ünï_cödé.rounding: 'ünï cödé is a multiple of 0.01 from 0.0'
select * from synthetic."people"
where "ünï cödé" <> round(0.0 + round(("ünï cödé" - 0.0) / 0.01) * 0.01, 2)

-- people.x___y.in_set: '$x {{y}} is one of 2 declared values'
select * from synthetic."people"
where "$x {{y}}" not in (true, false)

-- people.semi_____colon.not_null: 'semi; -- colon is never null'
select * from synthetic."people"
where "semi; -- colon" is null

-- people.semi_____colon.between: 'semi; -- colon is between 2000-01-01 and 2001-01-01'
select * from synthetic."people"
where "semi; -- colon" not between date '2000-01-01' and date '2001-01-01'

-- people.semi_____colon.format: 'semi; -- colon loses nothing when written as %Y-%m-%d'
select * from synthetic."people"
where "semi; -- colon" is not null and try_strptime(strftime("semi; -- colon", '%Y-%m-%d'), '%Y-%m-%d') is distinct from cast("semi; -- colon" as timestamp)

-- people.line_break.not_null: 'line\nbreak is never null'
select * from synthetic."people"
where "line
break" is null

-- people.line_break.format: 'line\nbreak loses nothing when written as %Y-%m-%d %H:%M:%S'
select * from synthetic."people"
where "line
break" is not null and try_strptime(strftime("line
break", '%Y-%m-%d %H:%M:%S'), '%Y-%m-%d %H:%M:%S') is distinct from cast("line
break" as timestamp)

-- people.line_break.resolution: 'line\nbreak is a whole hour'
select * from synthetic."people"
where date_trunc('hour', "line
break") <> "line
break"

-- people.line_break.offset: 'line\nbreak is 0 days to 9 hours after semi; at'
select * from synthetic."people"
where "line
break" not between "semi; at" + to_seconds(0) and "semi; at" + to_seconds(32400)

-- people.semi__at.not_null: 'semi; at is never null'
select * from synthetic."people"
where "semi; at" is null

-- people.semi__at.between: 'semi; at is between 2000-01-01 00:00:00 and 2001-01-01 00:00:00'
select * from synthetic."people"
where "semi; at" not between timestamp '2000-01-01 00:00:00' and timestamp '2001-01-01 00:00:00'

-- people.semi__at.format: 'semi; at loses nothing when written as %Y-%m-%d %H:%M:%S'
select * from synthetic."people"
where "semi; at" is not null and try_strptime(strftime("semi; at", '%Y-%m-%d %H:%M:%S'), '%Y-%m-%d %H:%M:%S') is distinct from cast("semi; at" as timestamp)

-- people.semi__at.resolution: 'semi; at is a whole hour'
select * from synthetic."people"
where date_trunc('hour', "semi; at") <> "semi; at"

-- people.back_slash__s.not_null: 'back\\slash %s is never null'
select * from synthetic."people"
where "back\slash %s" is null

-- people.back_slash__s.in_set: 'back\\slash %s is one of 3 declared values'
select * from synthetic."people"
where "back\slash %s" not in ('\', '%', '__other__')

-- people.type.not_null: 'type is never null'
select * from synthetic."people"
where "type" is null

-- people.type.between: 'type is between 0 and 9'
select * from synthetic."people"
where "type" not between 0 and 9

-- people.rows.not_null: 'rows is never null'
select * from synthetic."people"
where "rows" is null

-- people.rows.between: 'rows is between 0 and 9'
select * from synthetic."people"
where "rows" not between 0 and 9

-- people.input.between: 'input is between 0 and 9'
select * from synthetic."people"
where "input" not between 0 and 9

-- people.read.not_null: 'read is never null'
select * from synthetic."people"
where "read" is null

-- people.read.between: 'read is between 0 and 9'
select * from synthetic."people"
where "read" not between 0 and 9

-- people.codes.not_null: 'codes is never null'
select * from synthetic."people"
where "codes" is null

-- people.codes.between: 'codes is between 0 and 9'
select * from synthetic."people"
where "codes" not between 0 and 9

-- people.we__ird___name______codes.holds: '"we""ird, \'name\'" <= codes holds in every row'
select * from synthetic."people"
where not coalesce(("we""ird, 'name'" <= codes
), true)
