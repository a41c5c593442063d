{# Whether a row has an admission and a discharge that can be read as times. #}
{% macro is_stay(admitted, discharged) -%}
(try_cast({{ admitted }} as timestamp) is not null and try_cast({{ discharged }} as timestamp) is not null)
{%- endmacro %}
