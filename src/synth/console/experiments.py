"""An experiment in words: its cells, and what all of them together would cost."""

from __future__ import annotations

from collections import Counter

import click

from synth.artifacts.experiment import CellForecast, ExperimentForecast, Verdict
from synth.console.plans import about
from synth.console.tables import columns

SAID: dict[Verdict, str] = {
    "pay": "to be paid",
    "stale": "paid, but the source was touched: read, then used again or paid again",
    "paid": "paid: used again",
    "public": "public rows: not paid",
    "kept": "public rows: not paid, used again if they are still those",
    "reference": "NOT PRIVATE: not paid",
}


def forecast_text(told: ExperimentForecast) -> str:
    """A line for each cell, and the price."""
    heads = ("GENERATOR", "EPSILON", "SEED", "FIT", "PRICE")
    listed = "\n".join(line.rstrip() for line in columns(heads, [_line(c) for c in told.cells], right=(1, 2, 3)))
    counts = Counter(cell.verdict for cell in told.cells)
    said = [
        f"{len(told.cells)} tables of {told.relation}, of which {counts['pay'] + counts['stale']} may have to be paid for."
    ]
    return "\n\n".join([listed, *said, _time(told), *_price(told)])


def _line(told: CellForecast) -> tuple[str, ...]:
    cell = told.cell
    epsilon = "none" if cell.epsilon is None else f"{cell.epsilon:g}"
    fit = "" if told.seconds is None else about(told.seconds)
    return cell.generator, epsilon, str(cell.seed), fit, SAID[told.verdict]


def _time(told: ExperimentForecast) -> str:
    """Of fits alone: what references and figures take depends on rows that nobody has read."""
    fits = sum(cell.seconds is not None for cell in told.cells)
    besides = "references and figures" if any(cell.verdict == "reference" for cell in told.cells) else "figures"
    line = f"{fits} fits, about {about(told.seconds)} of one core together" if fits else "Nothing is to be fitted"
    return f"{line}; {besides} come on top."


def _price(told: ExperimentForecast) -> list[str]:
    cap = told.budget
    if cap is None:
        return []
    line = f"{told.population}: spent {told.spent:.2f}, with this {told.after:.2f}"
    line += f", at most {told.at_most:.2f}" if told.at_most > told.after else ""
    line += f", cap {cap.epsilon:g} at delta {cap.delta:g}, set by {cap.approver}"
    refused = "The budget refuses it: take fewer epsilons or seeds."
    return [line, *([click.style(refused, fg="red")] if told.refused else [])]
