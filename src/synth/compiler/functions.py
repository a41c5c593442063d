"""DuckDB's functions that were looked at, one by one: what SQL over rows may call. All others are refused."""

from __future__ import annotations


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


# of one row alone, the same each time, and of little memory whatever the row holds
_TEXT = """
ascii ~~ !~~ ~~* !~~* ~~~ ^@ || chr concat concat_ws contains ends_with
instr lcase left length len char_length character_length
lower ltrim md5 nfc_normalize ord overlay position
prefix regexp_escape regexp_extract regexp_extract_all regexp_full_match regexp_matches regexp_replace
regexp_split_to_array replace reverse right rtrim sha1 sha256 split split_part starts_with str_split str_split_regex
string_split string_split_regex string_to_array strip_accents strlen strpos substr substring suffix translate trim
ucase unicode upper
"""
_NUMBERS = """
+ - * / // % ** ^ & | << >> ~ @ abs add subtract multiply divide mod fmod fdiv ceil ceiling floor round round_even
roundbankers trunc sign signbit sqrt cbrt exp ln log log10 log2 pow power pi sin cos tan asin acos atan atan2 degrees
radians gcd lcm greatest least isfinite isinf isnan xor
"""
_MOMENTS = """
age century date_add date_diff datediff date_part datepart date_sub datesub date_trunc datetrunc day dayname dayofmonth
dayofweek dayofyear days_in_month decade epoch hour isodow julian last_day
make_date make_time microsecond millennium
millisecond minute month monthname nanosecond normalized_interval quarter second strftime strptime time_bucket timezone
to_centuries to_days to_decades to_hours to_microseconds to_millennia to_milliseconds
to_minutes to_months to_quarters to_seconds to_timestamp to_weeks to_years try_strptime week weekday weekofyear year
yearweek
"""
_PARTS = """
->> array_contains array_extract array_has array_has_all array_has_any array_position element_at
json_array_length json_exists json_extract json_extract_path json_extract_path_text json_extract_string
json_keys json_type json_valid json_value list_contains list_distinct list_element list_extract list_has list_has_all
list_aggregate list_has_any list_indexof list_position list_sort list_value map_extract map_keys map_values row
struct_extract struct_pack to_json
"""
_OTHERS = "constant_or_null decode encode from_base64 from_hex hash hex if nullif unhex url_decode"
# whose arguments must be constant but for the place given: else a row could ask for all the memory there is, or for a part
# of a date or a time zone that there is none of, which try() lets through
CONSTANT_BUT = {
    "date_part": 1, "datepart": 1, "lpad": 0, "regexp_replace": 0, "replace": 0, "rpad": 0, "time_bucket": 1, "timezone": 1,
    "translate": 0,
}  # fmt: skip
PER_ROW = _names(f"{_TEXT} {_NUMBERS} {_MOMENTS} {_PARTS} {_OTHERS}") | set(CONSTANT_BUT)
OF_SYNTHETIC_ROWS = PER_ROW | {"bar", "format", "printf", "repeat"}

# types that a value may be cast to; of others it is not known what they do
CASTS = _names("""
bool boolean tinyint int1 smallint int2 short integer int int4 signed bigint int8 long hugeint int128 utinyint usmallint
uinteger ubigint uhugeint decimal dec numeric float float4 real double float8 varchar text string char bpchar date time
timestamp datetime timestamptz timestamp_s timestamp_ms timestamp_ns interval json uuid blob bytea
""") | {"timestamp with time zone"}

# aggregates that give the same however their rows lie, of one argument
SETTLED = _names("""
bit_and bit_or bit_xor bool_and bool_or count count_if count_star countif max median min quantile
quantile_cont quantile_disc
""")
ONE_OF = _names("max median min mode quantile quantile_cont quantile_disc")  # of values that are equal they give any
SUMS = _names("avg mean sum")  # of whole and decimal numbers they do, too
ORDERED = _names("""
any_value arg_max arg_min array_agg first group_concat last list listagg max_by min_by mode string_agg
""")
COUNTS = _names("count count_if count_star countif")

# windows
BY_PEERS = _names("cume_dist dense_rank percent_rank rank rank_dense")  # rows that tie have one value
IN_ORDER = _names("lag lead ntile row_number")  # of the window's order, whatever its frame
IN_FRAME = _names("first first_value last last_value nth_value")
NUMBERS = COUNTS | SUMS | _names("dense_rank ntile rank rank_dense row_number")  # what they give, whatever they read

# DuckDB's types, as it writes them
_WHOLE = _names("TINYINT SMALLINT INTEGER BIGINT UTINYINT USMALLINT UINTEGER UBIGINT")
_HUGE = _names("HUGEINT UHUGEINT")
_DECIMALS = {width: {f"DECIMAL({width},{scale})" for scale in range(width + 1)} for width in range(1, 39)}
_OF_TIME = _names("DATE TIME TIMESTAMP TIMESTAMP_S TIMESTAMP_MS TIMESTAMP_NS") | {"TIMESTAMP WITH TIME ZONE"}
FLOATS = _names("FLOAT DOUBLE")
EXACT = _WHOLE | {"BOOLEAN"} | set().union(*(_DECIMALS[width] for width in range(1, 19)))  # sums cannot overflow
_NUMERIC = _WHOLE | _HUGE | FLOATS | set().union(*_DECIMALS.values())
ALIKE = _names("BOOLEAN VARCHAR JSON UUID BLOB") | _OF_TIME | (_NUMERIC - FLOATS)  # of which equal values are alike
# what an aggregate may read, where not everything
TYPES = dict.fromkeys(("bit_and", "bit_or", "bit_xor"), _WHOLE | _HUGE)
TYPES |= dict.fromkeys(("median", "quantile_cont"), _NUMERIC)
