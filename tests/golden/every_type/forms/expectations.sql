-- forms.form_id.type: 'form_id is of type BIGINT'
select typeof("form_id") as type from synthetic."forms"
where typeof("form_id") <> 'BIGINT'

-- forms.person_id.type: 'person_id is of type BIGINT'
select typeof("person_id") as type from synthetic."forms"
where typeof("person_id") <> 'BIGINT'

-- forms.fee.type: 'fee is of type DECIMAL(6,2)'
select typeof("fee") as type from synthetic."forms"
where typeof("fee") <> 'DECIMAL(6,2)'

-- forms.dose.type: 'dose is of type DOUBLE'
select typeof("dose") as type from synthetic."forms"
where typeof("dose") <> 'DOUBLE'

-- forms.pain.type: 'pain is of type VARCHAR'
select typeof("pain") as type from synthetic."forms"
where typeof("pain") <> 'VARCHAR'

-- forms.code.type: 'code is of type VARCHAR'
select typeof("code") as type from synthetic."forms"
where typeof("code") <> 'VARCHAR'

-- forms.came.type: 'came is of type TIME'
select typeof("came") as type from synthetic."forms"
where typeof("came") <> 'TIME'

-- forms.shift.type: 'shift is of type TIME'
select typeof("shift") as type from synthetic."forms"
where typeof("shift") <> 'TIME'

-- forms.waited.type: 'waited is of type INTERVAL'
select typeof("waited") as type from synthetic."forms"
where typeof("waited") <> 'INTERVAL'

-- forms.day.type: 'day is of type DATE'
select typeof("day") as type from synthetic."forms"
where typeof("day") <> 'DATE'

-- forms.sent.type: 'sent is of type TIMESTAMP'
select typeof("sent") as type from synthetic."forms"
where typeof("sent") <> 'TIMESTAMP'

-- forms.visits.type: 'visits is of type BIGINT'
select typeof("visits") as type from synthetic."forms"
where typeof("visits") <> 'BIGINT'

-- forms.ward.type: 'ward is of type VARCHAR'
select typeof("ward") as type from synthetic."forms"
where typeof("ward") <> 'VARCHAR'

-- forms.seen.type: 'seen is of type DATE'
select typeof("seen") as type from synthetic."forms"
where typeof("seen") <> 'DATE'

-- forms.rested.type: 'rested is of type INTERVAL'
select typeof("rested") as type from synthetic."forms"
where typeof("rested") <> 'INTERVAL'

-- forms.height.type: 'height is of type DOUBLE'
select typeof("height") as type from synthetic."forms"
where typeof("height") <> 'DOUBLE'

-- forms.who.type: 'who is of type VARCHAR'
select typeof("who") as type from synthetic."forms"
where typeof("who") <> 'VARCHAR'

-- forms.nhs_number.type: 'nhs_number is of type VARCHAR'
select typeof("nhs_number") as type from synthetic."forms"
where typeof("nhs_number") <> 'VARCHAR'

-- forms.reference.type: 'reference is of type VARCHAR'
select typeof("reference") as type from synthetic."forms"
where typeof("reference") <> 'VARCHAR'

-- forms.remark.type: 'remark is of type VARCHAR'
select typeof("remark") as type from synthetic."forms"
where typeof("remark") <> 'VARCHAR'

-- forms.site.type: 'site is of type VARCHAR'
select typeof("site") as type from synthetic."forms"
where typeof("site") <> 'VARCHAR'

-- forms.version.type: 'version is of type BIGINT'
select typeof("version") as type from synthetic."forms"
where typeof("version") <> 'BIGINT'

-- forms.late.type: 'late is of type BOOLEAN'
select typeof("late") as type from synthetic."forms"
where typeof("late") <> 'BOOLEAN'

-- forms.double_fee.type: 'double fee is of type DECIMAL(25,2)'
select typeof("double fee") as type from synthetic."forms"
where typeof("double fee") <> 'DECIMAL(25,2)'

-- forms.late_fee.type: 'late fee is of type DECIMAL(25,2)'
select typeof("late fee") as type from synthetic."forms"
where typeof("late fee") <> 'DECIMAL(25,2)'

-- forms.form_id.unique: 'form_id is the primary key: each value once'
select "form_id", count(*) as rows from synthetic."forms"
group by "form_id" having count(*) > 1

-- forms.form_id.not_null: 'form_id is never null'
select * from synthetic."forms"
where "form_id" is null

-- forms.person_id.not_null: 'person_id is never null'
select * from synthetic."forms"
where "person_id" is null

-- forms.fee.between: 'fee is between -100.0 and 9999.99'
select * from synthetic."forms"
where "fee" not between -100.0 and 9999.99

-- forms.dose.not_null: 'dose is never null'
select * from synthetic."forms"
where "dose" is null

-- forms.dose.between: 'dose is between 0.5 and 10.0'
select * from synthetic."forms"
where "dose" not between 0.5 and 10.0

-- forms.dose.rounding: 'dose is a multiple of 0.1 from 0.5'
select * from synthetic."forms"
where "dose" <> round(0.5 + round(("dose" - 0.5) / 0.1) * 0.1, 1)

-- forms.pain.not_null: 'pain is never null'
select * from synthetic."forms"
where "pain" is null

-- forms.pain.in_set: 'pain is one of 3 declared values'
select * from synthetic."forms"
where "pain" not in ('none', 'some', 'much')

-- forms.code.not_null: 'code is never null'
select * from synthetic."forms"
where "code" is null

-- forms.code.in_set: 'code is one of 3 declared values'
select * from synthetic."forms"
where "code" not in ('007', '08', '9')

-- forms.came.not_null: 'came is never null'
select * from synthetic."forms"
where "came" is null

-- forms.came.between: 'came is between 00:00:00 and 23:59:59'
select * from synthetic."forms"
where "came" not between time '00:00:00' and time '23:59:59'

-- forms.shift.between: 'shift is between 06:00:00 and 22:00:00'
select * from synthetic."forms"
where "shift" not between time '06:00:00' and time '22:00:00'

-- forms.waited.between: 'waited is between -1 day, 23:00:00 and 3 days, 0:00:00'
select * from synthetic."forms"
where "waited" not between to_seconds(-3600) and to_seconds(259200)

-- forms.day.not_null: 'day is never null'
select * from synthetic."forms"
where "day" is null

-- forms.day.between: 'day is between 2000-01-01 and 2020-12-31'
select * from synthetic."forms"
where "day" not between date '2000-01-01' and date '2020-12-31'

-- forms.day.format: 'day loses nothing when written as %d/%m/%Y'
select * from synthetic."forms"
where "day" is not null and try_strptime(strftime("day", '%d/%m/%Y'), '%d/%m/%Y') is distinct from cast("day" as timestamp)

-- forms.sent.not_null: 'sent is never null'
select * from synthetic."forms"
where "sent" is null

-- forms.sent.between: 'sent is between 2000-01-01 00:00:00 and 2020-12-31 00:00:00'
select * from synthetic."forms"
where "sent" not between timestamp '2000-01-01 00:00:00' and timestamp '2020-12-31 00:00:00'

-- forms.visits.not_null: 'visits is never null'
select * from synthetic."forms"
where "visits" is null

-- forms.visits.between: 'visits is between 0 and 50'
select * from synthetic."forms"
where "visits" not between 0 and 50

-- forms.ward.not_null: 'ward is never null'
select * from synthetic."forms"
where "ward" is null

-- forms.ward.in_set: 'ward is one of 2 declared values'
select * from synthetic."forms"
where "ward" not in ('A', 'B')

-- forms.seen.not_null: 'seen is never null'
select * from synthetic."forms"
where "seen" is null

-- forms.seen.between: 'seen is between 2000-01-01 and 2020-12-31'
select * from synthetic."forms"
where "seen" not between date '2000-01-01' and date '2020-12-31'

-- forms.seen.format: 'seen loses nothing when written as %Y-%m-%d'
select * from synthetic."forms"
where "seen" is not null and try_strptime(strftime("seen", '%Y-%m-%d'), '%Y-%m-%d') is distinct from cast("seen" as timestamp)

-- forms.rested.not_null: 'rested is never null'
select * from synthetic."forms"
where "rested" is null

-- forms.rested.between: 'rested is between 0:00:00 and 9:00:00'
select * from synthetic."forms"
where "rested" not between to_seconds(0) and to_seconds(32400)

-- forms.height.not_null: 'height is never null'
select * from synthetic."forms"
where "height" is null

-- forms.height.between: 'height is between 0.0 and 250.0'
select * from synthetic."forms"
where "height" not between 0.0 and 250.0

-- forms.height.rounding: 'height is a multiple of 1.0 from 0.0'
select * from synthetic."forms"
where "height" <> round(0.0 + round(("height" - 0.0) / 1.0) * 1.0, 0)

-- forms.who.not_null: 'who is never null'
select * from synthetic."forms"
where "who" is null

-- forms.nhs_number.not_null: 'nhs_number is never null'
select * from synthetic."forms"
where "nhs_number" is null

-- forms.reference.not_null: 'reference is never null'
select * from synthetic."forms"
where "reference" is null

-- forms.remark.not_null: 'remark is never null'
select * from synthetic."forms"
where "remark" is null

-- forms.site.not_null: 'site is never null'
select * from synthetic."forms"
where "site" is null

-- forms.site.in_set: 'site is one of 1 declared values'
select * from synthetic."forms"
where "site" not in ('north')

-- forms.version.not_null: 'version is never null'
select * from synthetic."forms"
where "version" is null

-- forms.version.in_set: 'version is one of 1 declared values'
select * from synthetic."forms"
where "version" not in (2)

-- forms.late.not_null: 'late is never null'
select * from synthetic."forms"
where "late" is null

-- forms.late_fee__is_null_or_not_late_or_fee____0.holds: '"late fee" is null or not late or fee >= 0 holds in every row'
select * from synthetic."forms"
where not coalesce(("late fee" is null or not late or fee >= 0
), true)
