"""DuckDB's functions that were looked at, one by one: what SQL over rows may call. All others are refused."""

from __future__ import annotations


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


# of one row alone, the same each time, and of little memory whatever the row holds
_TEXT = """
ascii ~~ !~~ ~~* !~~* ~~~ ^@ || chr concat concat_ws contains damerau_levenshtein editdist3 ends_with hamming
ilike_escape instr jaccard jaro_similarity jaro_winkler_similarity lcase left length len char_length character_length
levenshtein like_escape lower ltrim md5 mismatches nfc_normalize not_ilike_escape not_like_escape ord overlay position
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
dayofweek dayofyear days_in_month decade epoch epoch_ms epoch_ns epoch_us era hour isodow isoyear julian last_day
make_date make_time make_timestamp make_timestamp_ms make_timestamp_ns make_timestamptz microsecond millennium
millisecond minute month monthname nanosecond normalized_interval quarter second strftime strptime time_bucket timezone
timezone_hour timezone_minute to_centuries to_days to_decades to_hours to_microseconds to_millennia to_milliseconds
to_minutes to_months to_quarters to_seconds to_timestamp to_weeks to_years try_strptime week weekday weekofyear year
yearweek
"""
_PARTS = """
->> array_contains array_extract array_has array_has_all array_has_any array_length array_position element_at from_json
json_array_length json_contains json_exists json_extract json_extract_path json_extract_path_text json_extract_string
json_keys json_type json_valid json_value list_contains list_distinct list_element list_extract list_has list_has_all
list_aggregate list_has_any list_indexof list_position list_sort list_value map_extract map_keys map_values row
struct_extract struct_pack to_json
"""
_OTHERS = "constant_or_null decode encode from_base64 from_hex hash hex if nullif unhex url_decode"
# whose arguments must be constant but for the place given: else a row could ask for all the memory there is, or for a
# time zone that there is none of, which try() lets through
CONSTANT_BUT = {"lpad": 0, "rpad": 0, "timezone": 1}
PER_ROW = _names(f"{_TEXT} {_NUMBERS} {_MOMENTS} {_PARTS} {_OTHERS}") | set(CONSTANT_BUT)
OF_SYNTHETIC_ROWS = PER_ROW | {"bar", "format", "printf", "repeat"}

# of text alone, no value of which they cannot take, where what follows the first argument is constant
TOTAL_OF_TEXT = _names("""
lower upper lcase ucase trim ltrim rtrim length replace contains starts_with ends_with prefix suffix || ~~ !~~
~~* !~~* ^@ try_strptime
""")
TRUE_OR_FALSE = _names("""
contains starts_with ends_with prefix suffix ~~ !~~ ~~* !~~* ^@
""")

# aggregates that give the same however their rows lie
SETTLED = _names("""
bit_and bit_or bit_xor bool_and bool_or count count_if count_star countif max median min quantile
quantile_cont quantile_disc
""")
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
