-- stays.stay_id.type: 'stay_id is of type BIGINT'
select typeof("stay_id") as type from synthetic."stays"
where typeof("stay_id") <> 'BIGINT'

-- stays.person_id.type: 'person_id is of type BIGINT'
select typeof("person_id") as type from synthetic."stays"
where typeof("person_id") <> 'BIGINT'

-- stays.age.type: 'age is of type BIGINT'
select typeof("age") as type from synthetic."stays"
where typeof("age") <> 'BIGINT'

-- stays.severity.type: 'severity is of type BIGINT'
select typeof("severity") as type from synthetic."stays"
where typeof("severity") <> 'BIGINT'

-- stays.weight.type: 'weight is of type DOUBLE'
select typeof("weight") as type from synthetic."stays"
where typeof("weight") <> 'DOUBLE'

-- stays.pressure.type: 'pressure is of type DOUBLE'
select typeof("pressure") as type from synthetic."stays"
where typeof("pressure") <> 'DOUBLE'

-- stays.temperature.type: 'temperature is of type DOUBLE'
select typeof("temperature") as type from synthetic."stays"
where typeof("temperature") <> 'DOUBLE'

-- stays.ward.type: 'ward is of type VARCHAR'
select typeof("ward") as type from synthetic."stays"
where typeof("ward") <> 'VARCHAR'

-- stays.outcome.type: 'outcome is of type VARCHAR'
select typeof("outcome") as type from synthetic."stays"
where typeof("outcome") <> 'VARCHAR'

-- stays.route.type: 'route is of type VARCHAR'
select typeof("route") as type from synthetic."stays"
where typeof("route") <> 'VARCHAR'

-- stays.sex.type: 'sex is of type VARCHAR'
select typeof("sex") as type from synthetic."stays"
where typeof("sex") <> 'VARCHAR'

-- stays.grade.type: 'grade is of type BIGINT'
select typeof("grade") as type from synthetic."stays"
where typeof("grade") <> 'BIGINT'

-- stays.score.type: 'score is of type BIGINT'
select typeof("score") as type from synthetic."stays"
where typeof("score") <> 'BIGINT'

-- stays.urgent.type: 'urgent is of type BOOLEAN'
select typeof("urgent") as type from synthetic."stays"
where typeof("urgent") <> 'BOOLEAN'

-- stays.died.type: 'died is of type BOOLEAN'
select typeof("died") as type from synthetic."stays"
where typeof("died") <> 'BOOLEAN'

-- stays.born.type: 'born is of type DATE'
select typeof("born") as type from synthetic."stays"
where typeof("born") <> 'DATE'

-- stays.last_seen.type: 'last_seen is of type DATE'
select typeof("last_seen") as type from synthetic."stays"
where typeof("last_seen") <> 'DATE'

-- stays.buried.type: 'buried is of type DATE'
select typeof("buried") as type from synthetic."stays"
where typeof("buried") <> 'DATE'

-- stays.came.type: 'came is of type TIMESTAMP'
select typeof("came") as type from synthetic."stays"
where typeof("came") <> 'TIMESTAMP'

-- stays.seen.type: 'seen is of type TIMESTAMP'
select typeof("seen") as type from synthetic."stays"
where typeof("seen") <> 'TIMESTAMP'

-- stays.booked.type: 'booked is of type TIMESTAMP'
select typeof("booked") as type from synthetic."stays"
where typeof("booked") <> 'TIMESTAMP'

-- stays.opened.type: 'opened is of type TIMESTAMP'
select typeof("opened") as type from synthetic."stays"
where typeof("opened") <> 'TIMESTAMP'

-- stays.called.type: 'called is of type TIMESTAMP'
select typeof("called") as type from synthetic."stays"
where typeof("called") <> 'TIMESTAMP'

-- stays.went.type: 'went is of type TIMESTAMP'
select typeof("went") as type from synthetic."stays"
where typeof("went") <> 'TIMESTAMP'

-- stays.stay_id.unique: 'stay_id is the primary key: each value once'
select "stay_id", count(*) as rows from synthetic."stays"
group by "stay_id" having count(*) > 1

-- stays.stay_id.not_null: 'stay_id is never null'
select * from synthetic."stays"
where "stay_id" is null

-- stays.person_id.not_null: 'person_id is never null'
select * from synthetic."stays"
where "person_id" is null

-- stays.age.not_null: 'age is never null'
select * from synthetic."stays"
where "age" is null

-- stays.age.between: 'age is between 0 and 120'
select * from synthetic."stays"
where "age" not between 0 and 120

-- stays.severity.between: 'severity is between -5 and 5'
select * from synthetic."stays"
where "severity" not between -5 and 5

-- stays.weight.not_null: 'weight is never null'
select * from synthetic."stays"
where "weight" is null

-- stays.weight.between: 'weight is between 0.0 and 250.0'
select * from synthetic."stays"
where "weight" not between 0.0 and 250.0

-- stays.weight.rounding: 'weight is a multiple of 0.1 from 0.0'
select * from synthetic."stays"
where "weight" <> round(0.0 + round(("weight" - 0.0) / 0.1) * 0.1, 1)

-- stays.pressure.between: 'pressure is between -1.0 and 1.1'
select * from synthetic."stays"
where "pressure" not between -1.0 and 1.1

-- stays.pressure.rounding: 'pressure is a multiple of 0.25 from -1.0'
select * from synthetic."stays"
where "pressure" <> round(-1.0 + round(("pressure" - -1.0) / 0.25) * 0.25, 2)

-- stays.temperature.between: 'temperature is between 30.123456789 and 45.987654321'
select * from synthetic."stays"
where "temperature" not between 30.123456789 and 45.987654321

-- stays.ward.not_null: 'ward is never null'
select * from synthetic."stays"
where "ward" is null

-- stays.ward.in_set: 'ward is one of 4 declared values'
select * from synthetic."stays"
where "ward" not in ('A', 'B''s', 'C "c"', '__other__')

-- stays.outcome.in_set: 'outcome is one of 2 declared values'
select * from synthetic."stays"
where "outcome" not in ('well', 'ill')

-- stays.route.in_set: 'route is one of 2 declared values'
select * from synthetic."stays"
where "route" not in ('foot', 'car')

-- stays.sex.not_null: 'sex is never null'
select * from synthetic."stays"
where "sex" is null

-- stays.sex.in_set: 'sex is one of 2 declared values'
select * from synthetic."stays"
where "sex" not in ('F', 'M')

-- stays.grade.not_null: 'grade is never null'
select * from synthetic."stays"
where "grade" is null

-- stays.grade.in_set: 'grade is one of 3 declared values'
select * from synthetic."stays"
where "grade" not in (1, 2, 3)

-- stays.score.in_set: 'score is one of 3 declared values'
select * from synthetic."stays"
where "score" not in (-1, 0, 10)

-- stays.urgent.not_null: 'urgent is never null'
select * from synthetic."stays"
where "urgent" is null

-- stays.urgent.in_set: 'urgent is one of 2 declared values'
select * from synthetic."stays"
where "urgent" not in (true, false)

-- stays.died.in_set: 'died is one of 2 declared values'
select * from synthetic."stays"
where "died" not in (true, false)

-- stays.born.not_null: 'born is never null'
select * from synthetic."stays"
where "born" is null

-- stays.born.between: 'born is between 1900-01-01 and 2020-12-31'
select * from synthetic."stays"
where "born" not between date '1900-01-01' and date '2020-12-31'

-- stays.born.format: 'born loses nothing when written as %Y-%m-%d'
select * from synthetic."stays"
where "born" is not null and try_strptime(strftime("born", '%Y-%m-%d'), '%Y-%m-%d') is distinct from cast("born" as timestamp)

-- stays.last_seen.between: 'last_seen is between 2000-01-01 and 2030-01-01'
select * from synthetic."stays"
where "last_seen" not between date '2000-01-01' and date '2030-01-01'

-- stays.last_seen.format: 'last_seen loses nothing when written as %d/%m/%Y'
select * from synthetic."stays"
where "last_seen" is not null and try_strptime(strftime("last_seen", '%d/%m/%Y'), '%d/%m/%Y') is distinct from cast("last_seen" as timestamp)

-- stays.buried.format: 'buried loses nothing when written as %Y-%m-%d'
select * from synthetic."stays"
where "buried" is not null and try_strptime(strftime("buried", '%Y-%m-%d'), '%Y-%m-%d') is distinct from cast("buried" as timestamp)

-- stays.buried.offset: 'buried is 0 days to 14610 days after born'
select * from synthetic."stays"
where "buried" not between "born" + to_seconds(0) and "born" + to_seconds(1262304000)

-- stays.came.not_null: 'came is never null'
select * from synthetic."stays"
where "came" is null

-- stays.came.between: 'came is between 2000-01-01 00:00:00 and 2020-12-31 23:59:59'
select * from synthetic."stays"
where "came" not between timestamp '2000-01-01 00:00:00' and timestamp '2020-12-31 23:59:59'

-- stays.came.format: 'came loses nothing when written as %Y-%m-%d %H:%M:%S'
select * from synthetic."stays"
where "came" is not null and try_strptime(strftime("came", '%Y-%m-%d %H:%M:%S'), '%Y-%m-%d %H:%M:%S') is distinct from cast("came" as timestamp)

-- stays.seen.not_null: 'seen is never null'
select * from synthetic."stays"
where "seen" is null

-- stays.seen.between: 'seen is between 2000-01-01 00:00:00 and 2020-12-31 23:59:59'
select * from synthetic."stays"
where "seen" not between timestamp '2000-01-01 00:00:00' and timestamp '2020-12-31 23:59:59'

-- stays.seen.format: 'seen loses nothing when written as %Y-%m-%d %H:%M:%S'
select * from synthetic."stays"
where "seen" is not null and try_strptime(strftime("seen", '%Y-%m-%d %H:%M:%S'), '%Y-%m-%d %H:%M:%S') is distinct from cast("seen" as timestamp)

-- stays.seen.resolution: 'seen is a whole minute'
select * from synthetic."stays"
where date_trunc('minute', "seen") <> "seen"

-- stays.booked.between: 'booked is between 2000-01-01 06:00:00 and 2020-12-31 00:00:00'
select * from synthetic."stays"
where "booked" not between timestamp '2000-01-01 06:00:00' and timestamp '2020-12-31 00:00:00'

-- stays.booked.format: 'booked loses nothing when written as %Y-%m-%d %H:%M:%S'
select * from synthetic."stays"
where "booked" is not null and try_strptime(strftime("booked", '%Y-%m-%d %H:%M:%S'), '%Y-%m-%d %H:%M:%S') is distinct from cast("booked" as timestamp)

-- stays.booked.resolution: 'booked is a whole hour'
select * from synthetic."stays"
where date_trunc('hour', "booked") <> "booked"

-- stays.opened.between: 'opened is between 2000-01-01 00:00:00 and 2020-12-31 00:00:00'
select * from synthetic."stays"
where "opened" not between timestamp '2000-01-01 00:00:00' and timestamp '2020-12-31 00:00:00'

-- stays.opened.format: 'opened loses nothing when written as %Y%m%d'
select * from synthetic."stays"
where "opened" is not null and try_strptime(strftime("opened", '%Y%m%d'), '%Y%m%d') is distinct from cast("opened" as timestamp)

-- stays.opened.resolution: 'opened is a whole day'
select * from synthetic."stays"
where date_trunc('day', "opened") <> "opened"

-- stays.called.not_null: 'called is never null'
select * from synthetic."stays"
where "called" is null

-- stays.called.format: 'called loses nothing when written as %Y-%m-%d %H:%M:%S'
select * from synthetic."stays"
where "called" is not null and try_strptime(strftime("called", '%Y-%m-%d %H:%M:%S'), '%Y-%m-%d %H:%M:%S') is distinct from cast("called" as timestamp)

-- stays.called.resolution: 'called is a whole minute'
select * from synthetic."stays"
where date_trunc('minute', "called") <> "called"

-- stays.called.offset: 'called is -2 hours to 1 day after seen'
select * from synthetic."stays"
where "called" not between "seen" + to_seconds(-7200) and "seen" + to_seconds(86400)

-- stays.went.between: 'went is between 2000-01-01 00:00:00 and 2021-12-31 00:00:00'
select * from synthetic."stays"
where "went" not between timestamp '2000-01-01 00:00:00' and timestamp '2021-12-31 00:00:00'

-- stays.went.format: 'went loses nothing when written as %Y-%m-%d %H:%M:%S'
select * from synthetic."stays"
where "went" is not null and try_strptime(strftime("went", '%Y-%m-%d %H:%M:%S'), '%Y-%m-%d %H:%M:%S') is distinct from cast("went" as timestamp)

-- stays.went.resolution: 'went is a whole minute'
select * from synthetic."stays"
where date_trunc('minute', "went") <> "went"

-- stays.went____seen.holds: 'went >= SEEN holds in every row'
select * from synthetic."stays"
where not coalesce((went >= SEEN
), true)

-- stays.the_old_are_not_light___quotes.holds: 'the old are not light; `quotes` holds in every row'
select * from synthetic."stays"
where not coalesce((age < 18 or weight >= 30.5 -- kilograms
), true)

-- stays.buried_is_null_or_died.holds: 'buried is null or died holds in every row'
select * from synthetic."stays"
where not coalesce((buried is null or died
), true)
