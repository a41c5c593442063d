{{ config(materialized='synthetic', epsilon=3.0, tags=['support']) }}
select {{ declared_columns() }} from {{ source('support', 'support') }}
