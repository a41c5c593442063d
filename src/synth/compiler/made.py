"""Columns that are made as the table lands: keys, constants, and what stands for text that is never read."""

from __future__ import annotations

from collections.abc import Sequence

from synth.artifacts.compiled import OutputColumn, Pool
from synth.project import spec
from synth.quoting import identifier, key_of, literal

KEY_TYPE = "bigint"
_WEIGHTS = "10 - i"  # of the i-th digit of an NHS number, i from 0
_NHS_NUMBERS = 900_000  # in the range 999 that is kept for tests: 100,000 beginnings, 9 last digits each
_SPREAD = 556_207  # has no factor in common with it, so that neighbours are far apart and none comes twice


def key(column: OutputColumn, order: str) -> str:
    """One number for each unit, or each row by ``order``, from 1; or the key of a row above, or of one beside that."""
    if column.key == "row":
        return f"row_number() over (order by {order})"
    if column.key == "above":
        return identifier(key_of(column.of))
    if column.key == "other":
        found = f"{identifier(column.of)}.found"
        chosen = f'md5_number_lower(concat_ws(\'|\', {literal(column.name)}, "#unit", "#position")) % len({found})'
        return f"list_extract(list_sort({found}), 1 + cast({chosen} as bigint))"
    return '"#unit" + 1'


def constant(column: spec.ConstantColumn) -> tuple[str, str]:
    """SQL and its type."""
    value = column.value
    if isinstance(value, bool):
        return str(value).lower(), "boolean"
    return literal(value), {int: "bigint", float: "double", str: "varchar"}[type(value)]


def text(column: spec.TextColumn, seed: int) -> str:
    """SQL over ``"#unit"`` and ``"#position"``: the same for the same seed, whatever the row holds."""
    if column.constant is not None:
        return literal(column.constant)
    if column.fake == "nhs_number":
        return _nhs_number(seed)
    if column.pattern is not None:
        return _pattern(column, seed)
    pool = f"cast(getvariable({literal(pool_of(column).variable)}) as varchar[])"
    return f"list_extract({pool}, 1 + cast({_hash(column, seed)} % len({pool}) as bigint))"


def pools(columns: Sequence[spec.Column]) -> tuple[Pool, ...]:
    """Lists that have to be at hand as a table lands."""
    needed = [c for c in columns if isinstance(c, spec.TextColumn) and c.fake and c.fake != "nhs_number"]
    return tuple(dict.fromkeys(pool_of(column) for column in needed))


def pool_of(column: spec.TextColumn) -> Pool:
    assert column.fake is not None
    return Pool(kind=column.fake, locale=column.locale)


def _hash(column: spec.TextColumn, seed: int, place: int = 0) -> str:
    who = '"#unit"' if column.per == "unit" else '"#unit", "#position"'
    return f"md5_number_lower(concat_ws('|', {seed}, {literal(column.name)}, {place}, {who}))"


def _pattern(column: spec.TextColumn, seed: int) -> str:
    assert column.pattern is not None
    made = {"#": "cast({} % 10 as varchar)", "?": "chr(65 + cast({} % 26 as integer))"}
    parts = []
    for place, sign in enumerate(column.pattern):
        parts.append(made[sign].format(_hash(column, seed, place)) if sign in made else literal(sign))
    return f"concat({', '.join(parts)})"


def _nhs_number(seed: int) -> str:
    """999, five digits, a ninth that lets a check digit exist, and that (modulus 11, NHS Data Dictionary).

    With s the weighted sum of the first eight digits, a ninth digit d would need the check digit 10, which there is not,
    where s + 2d = 1 modulo 11: that is d = 6(1 - s) modulo 11. Nobody shares a number up to 900,000 persons.
    """
    start = seed * 7919 % _NHS_NUMBERS
    count = f'(("#unit" * {_SPREAD} + {start}) % {_NHS_NUMBERS})'

    def let(name: str, value: str, body: str) -> str:
        return f"list_extract(list_transform([{value}], lambda {name}: {body}), 1)"

    def weighted(digits: str, length: int) -> str:
        return f"list_sum(list_transform(range({length}), lambda i: ({_WEIGHTS}) * cast(substr({digits}, i + 1, 1) as integer)))"

    check = f"nine || cast((11 - {weighted('nine', 9)} % 11) % 11 as varchar)"
    ninth = f"head || cast(n % 9 + cast(n % 9 >= (6 * (1 - {weighted('head', 8)} % 11) % 11 + 11) % 11 as integer) as varchar)"
    return let("n", count, let("head", "'999' || lpad(cast(n // 9 as varchar), 5, '0')", let("nine", ninth, check)))
