{{ config(epsilon=1.0, tags=['hospital']) }}
select {{ declared_columns() }} from {{ source('mimic', 'admissions') }}
where {{ is_stay('admittime', 'dischtime') }}
