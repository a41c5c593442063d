"""Rows of a fitted generator that hold every constraint: post-processing, as often as wanted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from synth.artifacts.compiled import Part, SyntheticModel
from synth.artifacts.plan import ColumnLayout
from synth.errors import RunError
from synth.quoting import identifier
from synth.runtime.above import Above
from synth.runtime.listener import Listener
from synth.runtime.warehouse import Warehouse

if TYPE_CHECKING:
    from synth.generator.agreement import Agreement
    from synth.generator.fitted import Generator
    from synth.generator.rules import Rule

MOST_LEFT_OUT = 0.01  # of the rows below others: of a few, nothing fits beside what the row above says
ROWS_AT_ONCE = 1 << 16  # that a mask's table is made of
MOST_DRAWN = 20  # rows for each that is wanted, of a generator that knows no constraint
ENOUGH = 1.2  # times the rows that were drawn so far for one that is kept


class Drawing:
    """Draws a model's rows into ``accepted`` of a warehouse.

    ``tried``: by constraint, how many synthetic rows were drawn before it was asked whether they hold it, and how many did.
    """

    def __init__(
        self, warehouse: Warehouse, listener: Listener, model: SyntheticModel, generator: Generator,
        pools: Mapping[str, Sequence[str]],
    ) -> None:  # fmt: skip
        self.warehouse, self.listener, self.model, self.generator, self.pools = (
            warehouse,
            listener,
            model,
            generator,
            pools,
        )
        self.tried = defaultdict[str, NDArray[np.int64]](lambda: np.zeros(2, np.int64))
        # the code that stands for a missing value, by column
        self._typical = {i.column: generator.ways.columns[i.column].typical(i.statistic) for i in model.imputed}

    def draw(self, above: Above, seed: int, agreement: Agreement | None = None) -> None:
        """``accepted`` becomes rows of all sequences; RunError where too many of them can hold no constraint.

        ``agreement``: is told of all rows.
        """
        from synth.generator.agreement import unit_shares
        from synth.generator.synthesis import synthesize

        model, layout = self.model, self.model.plan.layout
        limits = {reach.column: above.limits(reach, layout[reach.column].cells) for reach in model.reaches}
        sequence = np.repeat(np.arange(len(above.sizes)), above.sizes)
        position = above.positions()
        self.warehouse.begin_landing(model, self.pools, above.columns)
        shares = unit_shares(above.unit[sequence]) if agreement else None
        done = left_out = 0
        for block in synthesize(self.generator, above.sizes, seed, above.given, self._rules(above), limits):
            part = np.arange(done, done + len(block.codes))
            kept = np.flatnonzero(block.held) if model.link else np.arange(len(block.codes))
            left_out += len(part) - len(kept)
            codes = self._imputed(block.codes[kept])
            broken = self.warehouse.accept(model, above.named(codes, sequence[part[kept]], position[part[kept]]))
            if broken:
                raise RunError(
                    f"{model.name}: {sum(broken.values()):,} of {len(block.codes):,} rows broke a constraint however often they "
                    f"were drawn, mostly: {max(broken, key=lambda name: broken[name])}",
                    "Can it hold within the declared bounds and values? Loosen it, or model a date with offset_from. The fitted "
                    "generator is kept: the next run draws from it and spends nothing.",
                )
            if agreement and shares is not None:
                agreement.add(codes, shares[part[kept]])
            done += len(block.codes)
            self.listener.progress(model.name, "sampling", done, len(sequence))
        if model.link and left_out > MOST_LEFT_OUT * len(sequence):
            across = ", ".join(
                f"'{c.name}'" for c in model.constraints if any(f'"{model.link.prefix}' in p.rows_sql for p in c.parts)
            )
            raise RunError(
                f"{model.name}: {left_out:,} of {len(sequence):,} rows found no place below the row above them",
                f"Loosen what goes across the tables: {across or 'bounds and offsets'}. The fitted generator is kept.",
            )
        if left_out:
            self.listener.note(
                f"{left_out:,} of {len(sequence):,} rows of {model.name} found no place below the row above and are left out"
            )

    def sample(self, above: Above, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Codes [rows, columns] of rows as ``draw`` lands them, and the unit of each; nothing lands."""
        from synth.generator.synthesis import synthesize

        blocks = list(synthesize(self.generator, above.sizes, seed, above.given, self._rules(above)))
        codes = np.concatenate(
            [np.zeros((0, len(self.model.plan.layout)), np.int64), *(block.codes for block in blocks)]
        )
        return self._imputed(codes), np.repeat(above.unit, above.sizes)

    def fill(self, codes: Callable[[int, int], NDArray[np.int64]], rows: int, seed: int) -> None:
        """``accepted`` becomes rows of units with one row each, of those of ``codes(rows, seed)`` that hold every constraint.

        RunError where too few of them do.
        """
        model, done, drawn, passes = self.model, 0, 0, 0
        self.warehouse.begin_landing(model, self.pools, {})
        while done < rows:
            if drawn > MOST_DRAWN * rows:
                what = f"{model.name}: only {done:,} of {drawn:,} rows hold every constraint"
                raise RunError(what, "This generator does not know them: loosen them, or leave the generator out.")
            size = rows if not done else int(ENOUGH * (rows - done) * drawn / done) + 1
            found = codes(
                min(size, MOST_DRAWN * rows), int(np.random.SeedSequence([seed, passes]).generate_state(1)[0])
            )
            sequence = np.arange(len(found))
            units = Above(np.ones(len(found), np.int64), drawn + sequence)
            named = units.named(self._imputed(found), sequence, np.ones_like(sequence))
            done += self.warehouse.accept_some(model, named, rows - done)
            drawn, passes = drawn + len(found), passes + 1

    def _rules(self, above: Above) -> list[Rule]:
        """What has to be seen to as rows are drawn, over their codes; what is rejected is counted."""
        from synth.generator.rules import Rule, by_unit, representatives, tabled

        def held(part: Part, codes: NDArray[np.int64], sequences: NDArray[np.int64]) -> NDArray[np.bool_]:
            codes = self._imputed(codes)
            return self.warehouse.held(part, above.named(codes, sequences, np.zeros_like(sequences)))

        def told(name: str, truth: NDArray[np.bool_]) -> None:
            self.tried[name] += np.array([len(truth), truth.sum()])

        def rule(name: str, part: Part) -> Rule:
            columns = tuple(places[column] for column in part.columns)
            if part.held == "rejection":
                return Rule(columns, partial(held, part), told=partial(told, name))
            layout = [self.model.plan.layout[j] for j in columns]
            edges = tuple(_edges(ranges, column) for ranges, column in zip(part.ranges, layout, strict=True))
            if not part.table:
                alike = not any(identifier(name) in part.rows_sql for name in above.columns)
                made = Rule(columns, partial(held, part), edges, alike=alike)
                if alike or not part.steps or self._typical.keys() & set(columns):
                    return made
                absent = [column.cells if column.missing else None for column in layout]
                return by_unit(made, part.steps, absent, len(above.sizes), len(places))
            found = [held(part, codes, np.zeros(len(codes), np.int64)) for codes in kinds(columns, edges)]
            return tabled(columns, edges, np.concatenate(found).reshape([len(e) - 1 for e in edges]))

        def kinds(columns: tuple[int, ...], edges: tuple[NDArray[np.int64], ...]) -> Iterator[NDArray[np.int64]]:
            listed = representatives(edges)
            for start in range(0, len(listed), ROWS_AT_ONCE):
                part = listed[start : start + ROWS_AT_ONCE]
                codes = np.zeros((len(part), len(places)), np.int64)
                codes[:, columns] = part
                yield codes

        if not len(above.sizes):
            return []
        places = {column.name: i for i, column in enumerate(self.model.plan.layout)}
        parts = [
            (c.name, part) for c in self.model.constraints for part in c.parts if part.held in ("mask", "rejection")
        ]
        return [rule(name, part) for name, part in parts if part.columns]

    def _imputed(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Codes [rows, columns] without missing values where they are imputed."""
        if not self._typical:
            return codes
        found = codes.copy()
        for column, code in self._typical.items():
            found[codes[:, column] == self.model.plan.layout[column].cells, column] = code
        return found


def _edges(ranges: tuple[int, ...] | None, column: ColumnLayout) -> NDArray[np.int64]:
    """Edges of a column's ranges, the missing value's among them."""
    known = range(column.cells + 1) if ranges is None else ranges
    return np.array([*known, *([column.cells + 1] if column.missing else [])], dtype=np.int64)
