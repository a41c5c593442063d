select * from {{ ref('wards') }} where stays > 10
