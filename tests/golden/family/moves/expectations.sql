-- moves.move_id.type: 'move_id is of type BIGINT'
select typeof("move_id") as type from synthetic."moves"
where typeof("move_id") <> 'BIGINT'

-- moves.stay_id.type: 'stay_id is of type BIGINT'
select typeof("stay_id") as type from synthetic."moves"
where typeof("stay_id") <> 'BIGINT'

-- moves.person_id.type: 'person_id is of type BIGINT'
select typeof("person_id") as type from synthetic."moves"
where typeof("person_id") <> 'BIGINT'

-- moves.at.type: 'at is of type TIMESTAMP'
select typeof("at") as type from synthetic."moves"
where typeof("at") <> 'TIMESTAMP'

-- moves.room.type: 'room is of type BIGINT'
select typeof("room") as type from synthetic."moves"
where typeof("room") <> 'BIGINT'

-- moves.move_id.unique: 'move_id is the primary key: each value once'
select "move_id", count(*) as rows from synthetic."moves"
group by "move_id" having count(*) > 1

-- moves.person_id.relationships: 'every person_id is a person_id of people'
select * from synthetic."moves"
where "person_id" is not null and ("person_id") not in (select "person_id" from synthetic."people")

-- moves.stay_id.relationships: 'every stay_id is a stay_id of stays, with the same person_id'
select * from synthetic."moves"
where "stay_id" is not null and ("person_id", "stay_id") not in (select "person_id", "stay_id" from synthetic."stays")

-- moves.move_id.not_null: 'move_id is never null'
select * from synthetic."moves"
where "move_id" is null

-- moves.stay_id.not_null: 'stay_id is never null'
select * from synthetic."moves"
where "stay_id" is null

-- moves.person_id.not_null: 'person_id is never null'
select * from synthetic."moves"
where "person_id" is null

-- moves.at.not_null: 'at is never null'
select * from synthetic."moves"
where "at" is null

-- moves.at.between: 'at is between 2000-01-01 00:00:00 and 2012-12-31 00:00:00'
select * from synthetic."moves"
where "at" not between timestamp '2000-01-01 00:00:00' and timestamp '2012-12-31 00:00:00'

-- moves.at.format: 'at loses nothing when written as %Y-%m-%d %H:%M:%S'
select * from synthetic."moves"
where "at" is not null and try_strptime(strftime("at", '%Y-%m-%d %H:%M:%S'), '%Y-%m-%d %H:%M:%S') is distinct from cast("at" as timestamp)

-- moves.at.resolution: 'at is a whole minute'
select * from synthetic."moves"
where date_trunc('minute', "at") <> "at"

-- moves.room.not_null: 'room is never null'
select * from synthetic."moves"
where "room" is null

-- moves.room.in_set: 'room is one of 4 declared values'
select * from synthetic."moves"
where "room" not in (101, 102, 201, 202)
