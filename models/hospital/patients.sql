{{ config(epsilon=0.5, tags=['hospital']) }}
select {{ declared_columns() }} from {{ source('mimic', 'patients') }}
