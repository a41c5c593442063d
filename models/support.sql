{{ config(materialized='synthetic', epsilon=3.0, release_metrics=0.1, tags=['support']) }}
select {{ declared_columns() }} from {{ source('support', 'support') }}
