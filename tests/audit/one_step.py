"""T6: one noisy step through the real code, with a canary and without, and what can be told from the answer.

Nobody's answer depends on another canary's: each has a cell, or a coordinate of the gradient, of its own. So one step over
many canaries, half of them in the table, is as many independent trials of "is she in the data?".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from audit.bounds import (
    JUDGED,
    SHOWN,
    Counts,
    Floats,
    Rates,
    Reading,
    epsilon_of,
    errors,
    log_odds_of,
    mu_of,
    normal,
    power,
)
from synth.artifacts.plan import Event, Gaussian, Selection, SubsampledGaussian
from synth.generator.pairs import Whole
from synth.generator.rows import PrivateRows, Table
from synth.generator.sequences import Sequences
from synth.privacy.accounting import epsilon
from synth.privacy.mechanisms import Curator, Factors
from synth.privacy.randomness import Randomness

NAME = "audited"
DELTA = 1e-6
SIDE = 128  # a gradient has SIDE x SIDE coordinates, one for each canary
WIDE = 10.0  # norm of a canary's gradient before it is clipped to 1
ROWS = 3  # of a canary in a histogram

Draws = tuple[Floats, Floats]  # what the attacker sees of canaries that are not in the table, and of those that are


@dataclass(frozen=True)
class Step:
    """One mechanism with one noise, and what is claimed of it."""

    what: str
    strength: float  # as claimed: the mu of a Gaussian mechanism, the epsilon of a choice
    price: Callable[[float], float]  # of a strength: epsilon at DELTA, by the accountant
    draws: Callable[[float, int], Draws]  # at so many times the noise: so many draws of each kind, or a few more
    reading: Reading  # error rates to the strength that they show
    truth: Callable[[float], Rates]  # the error rates half-way between the two, at so many times the noise

    @property
    def claim(self) -> float:
        return self.price(self.strength)


@dataclass(frozen=True)
class Finding:
    """What an audit of one step has shown, all of it lower bounds of epsilon."""

    step: Step
    counts: Counts
    direct: float  # by the error rates alone, whatever the mechanism is

    @property
    def shown(self) -> float:
        return self.step.price(self.step.reading(self.counts.at_most(SHOWN)))

    @property
    def holds(self) -> bool:
        """False where the claim is wrong, but for a chance of one in a million."""
        return self.step.reading(self.counts.at_most(JUDGED)) <= self.step.strength

    def power(self, noise: float) -> float:
        """The chance that so many draws show ``noise`` times the planned noise to be too little."""
        return power(self.step.truth(noise), self.counts, self.step.reading, self.step.strength)


def audit(step: Step, draws: int, noise: float = 1.0) -> Finding:
    """``noise``: times what was planned; anything below 1 is a mechanism at fault."""
    out, inside = step.draws(noise, draws)
    direct = errors(out, inside, lambda rates: epsilon_of(rates, DELTA)).at_most(SHOWN)
    return Finding(step, errors(out, inside, step.reading), epsilon_of(direct, DELTA))


def gradient(noise: float, rate: float = 1.0) -> Step:
    def event(noise: float, steps: int = 1) -> SubsampledGaussian:
        return SubsampledGaussian(name=NAME, noise_multiplier=noise, sample_rate=rate, steps=steps)

    def draws(times: float, wanted: int) -> Draws:
        steps = math.ceil(wanted / (SIDE * SIDE / 2))
        rows = _rows([np.arange(0, SIDE * SIDE, 2)], 1, [event(times * noise, steps)])
        seen = np.stack([_coordinates(rows) for _ in range(steps)])
        return seen[:, 1::2].ravel(), seen[:, ::2].ravel()

    return Step(
        f"gradient, noise {noise:g}" + (f", {rate:.0%} sampled" if rate < 1 else ""), 1 / noise,
        lambda mu: epsilon([event(1 / mu)] if mu else [], DELTA), draws,
        lambda rates: mu_of(rates, rate), lambda times: _gaussian(1 / (times * noise), rate),
    )  # fmt: skip


def histogram(noise: float) -> Step:
    def event(noise: float) -> Gaussian:
        return Gaussian(name=NAME, noise_multiplier=noise)

    def draws(times: float, wanted: int) -> Draws:
        rows = _rows([np.arange(0, 2 * wanted, 2)], ROWS, [event(times * noise)])
        seen = rows.histogram(NAME, Whole(0, 2 * wanted))
        return seen[1::2], seen[::2]

    return Step(
        f"histogram, noise {noise:g}", 1 / noise, lambda mu: epsilon([event(1 / mu)] if mu else [], DELTA), draws,
        mu_of, lambda times: _gaussian(1 / (times * noise)),
    )  # fmt: skip


def choice(cost: float) -> Step:
    """Two candidates: a canary brings the first one's score up from 0 to 1 and the second one's down from 1 to 0."""

    def draws(times: float, wanted: int) -> Draws:
        tables = [Table((Whole(0, 1), Whole(1, 1)), np.full((1, 1), expected), 0.0) for expected in (0.0, 1.0)]

        def seen(people: int) -> Floats:
            events = [Selection(name=f"{NAME} {i}", epsilon=cost / times) for i in range(wanted)]
            rows = _rows([np.zeros(people, np.int64)] * 2, 1, events)
            return np.array([1.0 - rows.choose(event.name, tables)[0] for event in events])

        return seen(0), seen(1)

    def truth(times: float) -> Rates:
        wrong = 1 / (1 + math.exp(cost / times / 2))
        return Rates(wrong, wrong)

    return Step(f"choice, epsilon {cost:g}", cost, lambda strength: strength, draws, log_odds_of, truth)


def _rows(columns: Sequence[np.ndarray], each: int, events: Sequence[Event]) -> PrivateRows:
    """A person for each code of ``columns``, with ``each`` rows that say the same."""
    people = len(columns[0])
    return PrivateRows(
        [np.repeat(column, each) for column in columns], np.arange(people) * each, np.full(people, each), np.arange(people),
        Curator(events, Randomness()),
    )  # fmt: skip


def _coordinates(rows: PrivateRows) -> Floats:
    """The coordinates of one noisy step, in clipping norms; a canary pulls at the one with her number."""
    eye = np.eye(SIDE, dtype=np.float32)

    def factors(units: Sequences) -> list[Factors]:
        row, column = np.divmod(units.levels[:, 0], SIDE)
        return [Factors(eye[column], WIDE * eye[row], units.unit)]

    (seen,) = rows.gradient(NAME, factors, [np.ones((SIDE, SIDE), np.float32)], 1.0)
    return seen.ravel()


def _gaussian(mu: float, rate: float = 1.0) -> Rates:
    wrong = normal.cdf(-mu / 2)
    return Rates(wrong, rate * wrong + (1 - rate) * (1 - wrong))
