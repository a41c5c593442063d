"""Gathers what a release is made of: from the compiled project, the target's database and the ledger. No row of a source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from synth.artifacts.budget import Budget
from synth.artifacts.compiled import Compiled
from synth.artifacts.results import Expectation
from synth.errors import LedgerError, Problem
from synth.graph.dag import Graph
from synth.privacy.ledger import Chained, Ledger, Spend, summarize
from synth.release.contents import Contents, Finding, ReleasedTable, behind, fits_behind
from synth.release.refusals import Asked, refuse
from synth.runtime.associations import associations
from synth.runtime.built import Verdict, contents, made, verdicts
from synth.runtime.look_around import catalog, distributions
from synth.runtime.warehouse import Warehouse


def gather(
    compiled: Compiled, graph: Graph, models: Sequence[str], warehouse: Warehouse | None, ledger: Ledger,
    budgets: Mapping[str, Budget], drafted: Sequence[Problem],
) -> Contents:  # fmt: skip
    """RunError with all reasons for which the ``models`` may not be released; without a ``warehouse`` none is built."""
    chained, broken = _chained(ledger)
    built = [n for n in behind(compiled, models) if warehouse and warehouse.has(compiled.relation(n))]
    found = verdicts(warehouse) if warehouse else {}
    asked = Asked(
        compiled=compiled, models=tuple(models), rows={n: warehouse.count(_quoted(compiled, n)) for n in built if warehouse},
        made=made(warehouse) if warehouse else {}, verdicts=found,
        spent={e.fingerprint for _, e, _ in chained if isinstance(e, Spend)}, ledger=broken, drafted=drafted,
        changed=_changed(compiled, built, warehouse, ledger) if warehouse and chained else frozenset(),
    )  # fmt: skip
    refuse(asked)
    assert warehouse is not None  # else nothing was built
    tables = tuple(_table(asked, graph, name, warehouse) for name in models)
    populations = {fit.plan.privacy.population for table in tables for fit in table.fits}
    summaries = summarize([entry for _, entry, _ in chained], budgets)
    return Contents(
        project=graph.project, created=datetime.now(UTC).isoformat(timespec="seconds"), tables=tables,
        populations=tuple(one for one in summaries if one.population in populations), chained=chained,
    )  # fmt: skip


def _chained(ledger: Ledger) -> tuple[tuple[Chained, ...], LedgerError | None]:
    try:
        return ledger.chained(), None
    except LedgerError as error:
        return (), error


def _changed(compiled: Compiled, built: Sequence[str], warehouse: Warehouse, ledger: Ledger) -> frozenset[str]:
    """Tables that do not hold what they held when they were made; a view has nothing of its own."""
    kept = [n for n in built if n not in compiled.public or compiled.public[n].materialized == "table"]
    key = ledger.key()
    return frozenset(n for n in kept if warehouse.sealed(n) != contents(warehouse, n, _quoted(compiled, n), key))


def _quoted(compiled: Compiled, name: str) -> str:
    zone, _, _ = compiled.relation(name).partition(".")
    return f'{zone}."{name}"'


def _table(asked: Asked, graph: Graph, name: str, warehouse: Warehouse) -> ReleasedTable:
    node = next(node for node in graph.of_kind("model") if node.name == name)
    found = catalog(warehouse, [asked.compiled.manifest.nodes[node.id]]).nodes[node.id]
    model = asked.model(name)
    figures = warehouse.figures(name)
    pictures = distributions(warehouse, found, {column.name for column in model.columns if column.key})
    return ReleasedTable(
        model=model, declared=node.declared.table if node.declared else None, fits=fits_behind(asked.compiled, name),
        rows=found.rows, made=asked.made[name].at.isoformat(timespec="seconds"), distributions=pictures,
        associations=associations(warehouse, _quoted(asked.compiled, name), pictures),
        tests=tuple(_result(test, verdict) for id, test in asked.tests(name).items() if (verdict := asked.verdict(id))),
        figures=figures.figures if figures else (),
    )  # fmt: skip


def _result(test: Expectation, verdict: Verdict) -> Finding:
    return Finding(
        id=test.id, description=test.description, column=test.column, severity=test.severity, status=verdict.status,
        rows=verdict.rows, failures=verdict.failures,
    )  # fmt: skip
