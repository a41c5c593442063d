{% macro is_adult(column) -%}
try_cast({{ column }} as integer) >= 18
{%- endmacro %}
