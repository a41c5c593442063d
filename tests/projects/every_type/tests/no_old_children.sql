select * from {{ ref('stays') }} where age < 1 and born < date '1950-01-01'
