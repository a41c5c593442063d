{% macro is_finished(column) -%}
({{ column }} is null or {{ column }} <> 'open')
{%- endmacro %}
