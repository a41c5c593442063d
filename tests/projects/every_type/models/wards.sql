{{ config(materialized='table') }}
-- a public model
select ward, count(*) as stays from {{ ref('stays') }} group by ward;
