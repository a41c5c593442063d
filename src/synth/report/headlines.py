"""What stands on page one: a few figures of an evaluation, each with a verdict and the sentence that explains it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from synth.artifacts.evaluation import Evaluation, Figure

Verdict = Literal["pass", "warn", "fail"]
COLLAPSED = 0.2  # of the rows more than in real ones, by which a category has swallowed the others
LEAKED, SUSPECT = 5.0, 3.0  # standard deviations of chance, by which copies are more than it makes
FEW = 10  # copies more than chance makes, that may be chance all the same
LOW, POOR = 0.8, 0.5  # of the way from shuffled columns to real rows
RISK = 0.05  # that an attack gains over its control


@dataclass(frozen=True)
class Headline:
    question: str
    verdict: Verdict
    said: str
    figure: Figure | None = None


def headlines(found: Evaluation) -> list[Headline]:
    """In the order in which somebody who decides would ask."""
    return [*_goals(found), *_copies(found), *_attacks(found), *_collapse(found), *_shape(found), *_tasks(found)]


def position(figure: Figure) -> float | None:
    """Where the table lies between shuffled columns, 0, and real rows, 1; None where there is no way between the two."""
    low, high, own = figure.shuffled, figure.train, figure.synthetic
    if low is None or high is None or own is None or abs(high - low) < 1e-9:
        return None
    return (own - low) / (high - low)


def one(found: Evaluation, metric: str, of: str = "") -> Figure | None:
    return next((f for f in found.figures if f.metric == metric and f.of == of), None)


def _goals(found: Evaluation) -> Iterator[Headline]:
    if not found.plan.goals:
        return
    if found.missed:
        yield Headline("Are its goals reached?", "fail", f"Not these: {'; '.join(map(str, found.missed))}.")
    else:
        yield Headline("Are its goals reached?", "pass", f"All {len(found.plan.goals)} of the metadata.")


def _copies(found: Evaluation) -> Iterator[Headline]:
    """Rows that one person alone has, more of them than chance makes."""
    copied, chance = one(found, "copied rows"), one(found, "copied rows by chance")
    if copied is None or copied.synthetic is None:
        return
    due = (chance.synthetic if chance else None) or 0.0
    excess = copied.synthetic - due
    away = excess / (due + 1) ** 0.5
    verdict: Verdict = "fail" if away > LEAKED and excess > FEW else "warn" if away > SUSPECT else "pass"
    rows = (
        f"{copied.synthetic:,.0f} rows are equal to a row that one real person alone has; chance would make {due:,.0f}."
    )
    said = {
        "fail": "It holds real rows. Do not release it.",
        "warn": "Find out why.",
        "pass": "That is no sign of copying.",
    }
    yield Headline("Does it copy people?", verdict, f"{rows} {said[verdict]}", copied)


def _attacks(found: Evaluation) -> Iterator[Headline]:
    """By the lower end of the interval of what an attack gains over its control."""
    risks = [f for f in found.figures if f.section == "attacks" and f.metric == "risk" and f.synthetic is not None]
    if not risks:
        return
    sure = {
        f.of: max(f.synthetic or 0.0, 0.0) for f in found.figures if f.section == "attacks" and f.metric == "risk low"
    }
    worst = max(risks, key=lambda f: (sure.get(f.of, 0.0), f.synthetic or 0.0))
    low, value = sure.get(worst.of, 0.0), max(worst.synthetic or 0.0, 0.0)
    if low < RISK / 5:
        said = f"None of {len(risks)} attacks surely gained anything over the same attack on people outside the fit."
        yield Headline("Do attacks succeed?", "pass", f"{said} Attacks that were tried prove nothing.")
        return
    verdict: Verdict = "fail" if low > 4 * RISK else "warn" if low > RISK else "pass"
    said = f"{worst.of.capitalize()} gained over the same attack on people outside the fit: {value:.0%}, at least {low:.0%}."
    yield Headline("Do attacks succeed?", verdict, f"{said} Attacks that were tried prove nothing.", worst)


def _collapse(found: Evaluation) -> Iterator[Headline]:
    columns = [f for f in found.figures if f.metric == "collapse" and f.of and f.synthetic is not None]
    if not columns:
        return
    worst = max(columns, key=lambda f: f.synthetic or 0)
    value = worst.synthetic or 0
    if value > COLLAPSED:
        said = f"{worst.of} has collapsed: its commonest value has {value:.0%} of the rows more than in real ones."
        yield Headline("Did a column collapse?", "fail", said, worst)
    else:
        said = f"No. The most that a commonest value has gained is {value:.1%}, in {worst.of}."
        yield Headline("Did a column collapse?", "pass", said, worst)


def _shape(found: Evaluation) -> Iterator[Headline]:
    asked = (
        ("marginal_1", "Are single columns right?", "each column's values"),
        ("marginal_2", "Do two columns go together as they should?", "all pairs of columns"),
        ("dependence", "Are the strongest relations kept?", "the most dependent pairs of columns"),
    )
    for metric, question, of in asked:
        figure = one(found, metric)
        if figure is None or figure.synthetic is None or figure.train is None:
            continue
        place = position(figure) if metric != "marginal_1" else figure.synthetic / max(figure.train, 1e-9)
        verdict: Verdict = "pass" if place is None or place >= LOW else "warn" if place >= POOR else "fail"
        said = f"{figure.synthetic:.2f} for {of}; real rows have {figure.train:.2f}"
        known = figure.shuffled is not None and metric != "marginal_1"  # which shuffling does not touch
        said += f", shuffled columns {figure.shuffled:.2f}." if known else "."
        yield Headline(question, verdict, said, figure)


def _tasks(found: Evaluation) -> Iterator[Headline]:
    for task in found.plan.tasks:
        figure = next(
            (f for f in found.figures if f.section == "tasks" and f.of == task.name and f.train is not None), None
        )
        if figure is None or figure.synthetic is None or figure.train is None:
            continue
        place = position(figure)
        verdict: Verdict = "warn" if place is not None and place < POOR else "pass"
        said = f"{figure.metric} on held-out people: {figure.synthetic:.2f} learned from this table"
        said += f", {figure.train:.2f} from real rows."
        yield Headline(f"Is it of use for {task.name}?", verdict, said, figure)
