"""What ``synth evaluate`` compares: real rows as the declaration has them, in the form that the synthetic table has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from synth.artifacts import evaluation
from synth.artifacts.compiled import Evaluated, EvaluatedColumn, EvaluatedLink, OutputColumn
from synth.compiler import offsets
from synth.compiler.derived import Computed
from synth.compiler.linked import Checked, Linked
from synth.compiler.restore import restore_sql
from synth.errors import Problem
from synth.graph.dag import Node
from synth.project import spec
from synth.project.loader import Declared
from synth.project.nearest import nearest
from synth.quoting import identifier

_CATEGORICAL = ("varchar", "boolean", "enum")
_NUMERIC = ("tinyint", "smallint", "integer", "bigint", "hugeint", "utinyint", "double", "float", "decimal")


def evaluated(
    linked: Linked, one: Checked, outputs: Iterable[OutputColumn], made: list[Computed]
) -> Evaluated | None:  # fmt: skip
    """None where no unit is held out: there is nothing to compare with then."""
    if one.promise.holdout is None:
        return None
    texts = {c.name for c in one.table.columns if isinstance(c, spec.TextColumn)}
    levels = {c.name for c in one.table.columns if isinstance(c, spec.CategoricalColumn)}
    known = [c for c in outputs if c.key is None and c.name not in texts]
    columns = [column for c in known if (column := _column(c, c.name in levels))]
    unit = next((c.name for c in outputs if c.key == "unit"), None)
    return Evaluated(
        columns=tuple(columns),
        unit=unit,
        real_sql=_real_sql(linked, one, made),
        held_out_sql=_real_sql(linked.held_out(), one, made),
        held_out_codes_sql=linked.held_out().prepare_sql(one),
        ordered=one.order_by is not None,
        link=_link(linked, one),
        plan=_plan(one.table.evaluation),
    )


def release_problems(node: Node, root_holdout: float | None, below: bool) -> Iterator[Problem]:
    """Figures for a release that cannot be paid for."""
    if node.config.release_metrics is None:
        return
    said = f"the synthetic model '{node.asked}' has release_metrics"
    if node.not_private:
        yield Problem(node.place, f"{said} and privacy: none", "Remove it: without privacy nothing is released.")
    elif below:
        yield Problem(node.place, f"{said}, and is below another table", "Say it of the uppermost table alone.")
    elif root_holdout is None:
        yield Problem(node.place, f"{said}, and holds nobody out of its fit", "Add holdout: 0.2 to its metadata.")


def evaluation_problems(declared: Declared, root_holdout: float | None, root: str) -> Iterator[Problem]:
    """Columns that are not there, or not of the kind that is needed; ``root``: the table that decides who is held out."""
    table = declared.table
    if table.holdout is not None and table.holdout != root_holdout:
        what = (
            f"holdout is {table.holdout:g} here, and {root_holdout or 'nothing'} in {root}, which this table is below"
        )
        yield Problem(declared.place("holdout"), what, f"Say it in {root}: the same people are held out of both.")
    columns = {c.name: c for c in table.columns if not isinstance(c, spec.KeyColumn | spec.TextColumn)}
    grouping = {n for n, c in columns.items() if isinstance(c, spec.CategoricalColumn | spec.BooleanColumn)}
    for path, name, kinds in _named(table.evaluation):
        if name not in columns:
            yield Problem(declared.place("evaluation", *path), f"there is no column '{name}'", nearest(name, columns))
        elif kinds and name not in grouping:
            what = f"'{name}' is of type {columns[name].type}, and its values make no groups"
            yield Problem(declared.place("evaluation", *path), what, "Name a categorical or boolean column.")


def _named(said: spec.Evaluation) -> Iterator[tuple[tuple[str | int, ...], str, bool]]:
    """Where a column is named, its name, and whether its values must be categories."""
    for key, grouped in (("subgroups", True), ("protected", True), ("secrets", False)):
        yield from (((key, i), name, grouped) for i, name in enumerate(getattr(said, key)))
    for i, task in enumerate(said.tasks):
        if isinstance(task, spec.PredictionTask):
            yield ("tasks", i, "target"), task.target, False
            yield from ((("tasks", i, "features", j), name, False) for j, name in enumerate(task.features))
        if isinstance(task, spec.SurvivalTask):
            yield ("tasks", i, "duration"), task.duration, False
            yield ("tasks", i, "event"), task.event, True
            yield from ((("tasks", i, "covariates", j), name, False) for j, name in enumerate(task.covariates))
            if task.strata:
                yield ("tasks", i, "strata"), task.strata, True


def _plan(said: spec.Evaluation) -> evaluation.EvaluationPlan:
    return evaluation.EvaluationPlan.model_validate(said.model_dump())


def _link(linked: Linked, one: Checked) -> EvaluatedLink | None:
    above = linked.above(one)
    if above is None or above.table.primary_key is None:
        return None
    column = next(f.column for f in one.table.foreign_keys if f.references == above.node.asked)
    return EvaluatedLink(parent=above.node.name, foreign_key=column, key=above.table.primary_key)


def _column(column: OutputColumn, categorical: bool) -> EvaluatedColumn | None:
    """How figures see a column; None for a type that they do not know."""
    name, kind = identifier(column.name), column.sql_type.casefold()
    if categorical or kind.startswith(_CATEGORICAL):
        return EvaluatedColumn(name=column.name, kind="categorical", sql=f"cast({name} as varchar)")
    if kind.startswith(("date", "timestamp")):
        return EvaluatedColumn(name=column.name, kind="datetime", sql=f"cast({name} as timestamp)")
    if kind in ("time", "interval"):
        return EvaluatedColumn(name=column.name, kind="numeric", sql=f"cast(epoch({name}) as double)")
    if kind.startswith(_NUMERIC):
        return EvaluatedColumn(name=column.name, kind="numeric", sql=f"cast({name} as double)")
    return None


def _real_sql(linked: Linked, one: Checked, made: list[Computed]) -> str:
    """Real rows to codes and back: "#unit", "#position" and the values that the synthetic table has columns for.

    Of linked tables also what names the unit, and the position of the row above: by these rows of two tables are joined.
    """
    anchors = {c.name: c.anchor for c in one.columns if c.anchor in {c.name for c in one.columns}}
    place = (("#name", "#parent") if linked.above(one) else ("#name",)) if len(linked.around(one)) > 1 else ()
    types = {name: sql_type for name, sql_type in linked.types(one).items() if name in one.anchors}
    restored = restore_sql(one.columns, offsets.order([c.name for c in one.columns], anchors), made, place, types)
    return f"""\
-- Real rows as the declaration has them: what they say stays in the private zone.
with codes as (
select *, 0 as "#draw" from (
{linked.prepare_sql(one, anchors=True)}))
{restored.partition(chr(10))[2]}"""
