"""The cells of an experiment: for each generator, epsilon and seed the model that is fitted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

from synth.artifacts.compiled import SyntheticModel
from synth.artifacts.experiment import Cell
from synth.artifacts.plan import NOT_PRIVATE
from synth.compiler.compile import compile_project
from synth.compiler.sizing import Calibrate
from synth.errors import UsageError
from synth.graph.dag import Graph, Node
from synth.project.loader import Project
from synth.project.spec import Experiment, GeneratorSpec

OWN = ("synth", "marginal", "independent")  # generators of synth's own: as the model says, and by two other kinds
_DP_SGD = ("dp_sgd_share", "steps", "sample_rate", "batch_units", "learning_rate", "clipping_quantile")
_PAIRS = ("groups", "marginals_share", "hidden", "latent")


@dataclass(frozen=True)
class PlannedCell:
    """A cell, the generator that makes its table, and the model whose fit that goes by; a ``reference`` goes by rows instead."""

    cell: Cell
    generator: str
    model: SyntheticModel
    reference: bool


def planned_cells(
    project: Project, graph: Graph, calibrate: Calibrate, said: Experiment, references: Collection[str]
) -> list[PlannedCell]:  # fmt: skip
    """In the order in which they are run. UsageError where one of the generators cannot make such a table.

    ``references``: those of the generators that learn from rows without privacy.
    """
    node = _node(graph, said)

    @cache
    def compiled(kind: str | None, epsilon: float) -> SyntheticModel:
        config = node.config.model_copy(
            update={"epsilon": epsilon, "release_metrics": None, "generator": _wishes(node.config.generator, kind)}
        )
        there = replace(graph, nodes={**graph.nodes, node.id: replace(node, config=config)})
        return compile_project(project, there, calibrate).synthetic[node.name]

    first = compiled(None, said.epsilons[0])
    for name in said.generators:
        _check(name, first)
    return list(_cells(said, references, compiled))


def _cells(
    said: Experiment, references: Collection[str], compiled: Callable[[str | None, float], SyntheticModel]
) -> Iterator[PlannedCell]:  # fmt: skip
    for name in said.generators:
        epsilons = (said.epsilons[0],) if name in references else said.epsilons
        for epsilon in epsilons:
            model = compiled(None if name == "synth" or name in references else _kind(name), epsilon)
            for seed in said.seeds:
                own = model.model_copy(update={"plan": model.plan.model_copy(update={"seed": seed})})
                cell = Cell(generator=name, epsilon=epsilon, seed=seed)
                if name in references:
                    cell = Cell(generator=NOT_PRIVATE + name, epsilon=None, seed=seed)
                yield PlannedCell(cell, name, _unpaid(own) if said.public else own, name in references)


def fits(cells: Iterable[PlannedCell]) -> dict[str, PlannedCell]:
    """The first cell of each fit, by its fingerprint: generators that go by the same measurements share them."""
    found: dict[str, PlannedCell] = {}
    for cell in cells:
        if not cell.reference:
            found.setdefault(cell.model.fit_fingerprint(), cell)
    return found


def _unpaid(model: SyntheticModel) -> SyntheticModel:
    """Of rows that somebody says are public: the same noise, under a name that no paid generator has, and no price."""
    name = NOT_PRIVATE + model.name
    return model.model_copy(
        update={"name": name, "plan": model.plan.model_copy(update={"model": name}), "budget": None}
    )


def _kind(name: str) -> str:
    """Of the measurements that a generator goes by: those of other people by the noisy tables alone, with no DP-SGD."""
    return name if name in OWN else "marginal"


def _wishes(said: GeneratorSpec | None, kind: str | None) -> GeneratorSpec | None:
    """What the model says, without what has no effect with another kind."""
    if kind is None:
        return said
    unused = _DP_SGD + (_PAIRS if kind == "independent" else ())
    return (said or GeneratorSpec()).model_copy(update={"kind": kind, **dict.fromkeys(unused)})


def _node(graph: Graph, said: Experiment) -> Node:
    found = next((n for n in graph.of_kind("model") if n.asked == said.model and n.zone == "synthetic"), None)
    if found is None:
        raise UsageError(f"'{said.model}' is not a synthetic model", "See them with: synth ls")
    if found.not_private:
        what = f"{said.model} has privacy: none, and an experiment gives it epsilons"
        raise UsageError(what, "Remove privacy: none. If its rows are public, say so in the experiment: public.")
    return found


def _check(name: str, model: SyntheticModel) -> None:
    if model.link or any(column.key == "other" for column in model.columns):
        what = f"{model.name} refers to other tables, and an experiment fits one table alone"
        raise UsageError(what, "Experiment with the uppermost table.")
    if name not in OWN and model.plan.cap > 1:
        what = f"the generator '{name}' knows no people with several rows, as {model.name} has them"
        raise UsageError(what, f"Leave it out; of synth's own there are {', '.join(OWN)}.")
