"""When each table of the target was made, of which declaration, and what tests found of it since."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from synth.runtime.warehouse import Warehouse


class Made(NamedTuple):
    at: datetime  # by the clock of whoever made it
    declaration: str | None  # see ``SyntheticModel.declaration``; None where a run of an earlier version made it


class Verdict(NamedTuple):
    """The last result of a test."""

    at: datetime
    status: str  # of ``STATUSES``
    rows: int
    failures: int
    digest: str | None  # of the expectation as it was judged


def contents(warehouse: Warehouse, model: str, relation: str, key: bytes) -> str:
    """HMAC-SHA256 under the ledger's key of a table's rows, in any order, and of the figures that are told of it.

    Whoever changes them without the key cannot make this of them.
    """
    row = "('0x' || left(sha256(to_json(t)::varchar), 15))::hugeint"
    _, found = warehouse.query(f"select count(*), sum({row}) from {relation} t")
    figures = warehouse.figures(model)
    said = f"{model}\n{found[0]}\n{figures.model_dump_json() if figures else ''}"
    return hmac.new(key, said.encode(), "sha256").hexdigest()


def made(warehouse: Warehouse) -> dict[str, Made]:
    """By model, of those that were ever made here."""
    if not warehouse.has("_synth.runs") or not warehouse.has("_synth.made_of"):
        return {}
    _, rows = warehouse.query(
        "select model, max(finished), any_value(declaration) from _synth.runs left join _synth.made_of using (model) "
        "where status = 'success' group by model"
    )
    return {model: Made(at, declaration) for model, at, declaration in rows}


def made_since(when: Mapping[str, Made], name: str, read: Iterable[str]) -> list[str]:
    """Of the tables that it read, those that were made anew since it was made."""
    return [one for one in read if one in when and name in when and when[one].at > when[name].at]


def verdicts(warehouse: Warehouse) -> dict[str, Verdict]:
    """By id of the expectation; none where an earlier version of synth judged last."""
    _, columns = warehouse.query(
        "select column_name from duckdb_columns() where schema_name = '_synth' and table_name = 'test_results'"
    )
    if ("judged",) not in columns:
        return {}
    _, rows = warehouse.query(
        "select expectation, finished, status, rows, failures, judged from _synth.test_results "
        "qualify row_number() over (partition by expectation order by finished desc) = 1"
    )
    return {name: Verdict(*found) for name, *found in rows}
