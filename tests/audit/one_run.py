"""T7: one whole fit over canaries, each of them in the table or not by its own coin, and who is guessed to be in it.

A canary is a random combination of categories, hardly ever anybody else's. The attacker knows all canaries, the plan, and how
the code works. In the white box every noisy answer lies before the attacker, who repeats the fit with these answers over all
canaries and so learns what each would have added to each of them; the rest is linear regression. In the black box there is
the final network alone, and how likely it finds each canary.

In a child table a canary is a person with two rows alike, each below a row of the parent, which both look the same too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from audit.bounds import SHOWN, Bools, Floats, one_run_epsilon, one_run_mu
from compiling import compile_folder, write
from fitting import category, plan_for
from synth.artifacts.plan import Gaussian, Plan
from synth.generator.fit import Codes, fit
from synth.generator.fitted import Generator, assemble
from synth.privacy.accounting import calibrate, epsilon
from synth.privacy.mechanisms import LATTICE, Candidate, Curator, Factors, Integers
from synth.privacy.randomness import Randomness

DELTA = 1e-6
COLUMNS, CATEGORIES, STEPS = 8, 12, 4
DECIDED = 0.9999  # confidence of what a claim is judged by; the bounds are loose, and a sound fit stays far below
SURE = 0.1  # of the canaries are guessed, those that the attacker is surest of; said beforehand, like all here
SURE_WITHOUT_NOISE = 0.75
COIN = 0.25  # variance of whether a canary is in


def plan_of(units: int, noise: float, rate: float, child: bool = False) -> Plan:
    """Marginals, all pairs of columns in as fine groups as there are categories, and DP-SGD.

    In a ``child`` table the last two columns are the parent's, and a person has up to two rows.
    """
    layout = tuple(category(f"column {i}", CATEGORIES) for i in range(COLUMNS))
    own, cap = (COLUMNS - 2, 2) if child else (COLUMNS, 1)
    plan = plan_for(layout[:own], units, cap, steps=STEPS, noise=noise, rate=rate, parent=layout[own:])
    assert plan.pairs is not None
    return plan.model_copy(update={"pairs": plan.pairs.model_copy(update={"groups": CATEGORIES})})


def unprotected(units: int) -> Plan:
    """What the compiler makes of ``privacy: none``, with a network and as many steps as the other fits have."""
    columns = "".join(
        f"      - {{name: column {i}, type: categorical, values: {list(map(str, range(CATEGORIES)))}}}\n"
        for i in range(COLUMNS)
    )
    files = {
        "synth_project.yml": "name: canaries\n",
        "sources/nobody.yml": "sources:\n  - name: nobody\n    location: nowhere\n    tables: [{name: canaries}]\n"
        f"    privacy: {{population: nobody, one_row_per_unit: true, units: {units}}}\n",
        "metadata/canaries.yml": "tables:\n  - name: canaries\n    source: nobody.canaries\n    config: {privacy: none, "
        f"generator: {{hidden: 16, steps: {STEPS}, sample_rate: 1.0, groups: {CATEGORIES}}}}}\n    columns:\n{columns}",
    }
    with tempfile.TemporaryDirectory(prefix="synth-audit-") as folder:
        return compile_folder(write(Path(folder), files)).synthetic["NOT_PRIVATE_canaries"].plan


def plan_at(target: float, units: int, rate: float, child: bool = False) -> Plan:
    """With the least noise whose price is within ``target``."""
    noise = calibrate(target, DELTA, lambda noise: plan_of(units, noise, rate, child).privacy.events)
    return plan_of(units, noise, rate, child)


def codes_of(columns: Sequence[Integers], who: Integers, plan: Plan) -> Codes:
    """The rows of canaries ``who`` [units], whose codes are ``columns`` [canaries] each: one each, or two in a child table."""
    rows = plan.cap
    parent = np.tile(np.arange(rows), len(who)) if plan.parent else None
    return Codes([np.repeat(column[who], rows) for column in columns], np.repeat(who, rows), parent)


@dataclass(frozen=True)
class Finding:
    """What an attacker has shown who made ``guesses`` of which ``right`` were right."""

    what: str
    claim: float  # epsilon at DELTA
    gaussian: bool  # as a whole, so that its trade-off curve is known
    canaries: int
    guesses: int
    right: int

    @property
    def shown(self) -> float:
        return one_run_epsilon(self.canaries, self.guesses, self.right, DELTA, SHOWN)

    @property
    def by_curve(self) -> float | None:
        """The bound that only a mechanism that is Gaussian as a whole allows."""
        return self._by_curve(SHOWN) if self.gaussian else None

    @property
    def holds(self) -> bool:
        """False where the claim is wrong, but for a chance of one in 10,000."""
        judged = one_run_epsilon(self.canaries, self.guesses, self.right, DELTA, DECIDED)
        return max(judged, self._by_curve(DECIDED) if self.gaussian else 0.0) <= self.claim

    def _by_curve(self, confidence: float) -> float:
        mu = one_run_mu(self.canaries, self.guesses, self.right, confidence)
        return epsilon([Gaussian(name="all", noise_multiplier=1 / mu)], DELTA) if mu > 1e-3 else 0.0


def audit(plan: Plan, canaries: int, sure: float = SURE) -> list[Finding]:
    """One fit of ``plan`` over about half of the ``canaries``: the white box and, but for a child table, the black box."""
    random = np.random.default_rng()
    codes = [random.integers(0, column.cells, canaries) for column in (*plan.layout, *plan.parent)]
    inside = random.random(canaries) < 0.5
    tape: list[Any] = []
    with mock.patch("synth.generator.fit.Curator", _recorder(tape)):
        generator = fit(codes_of(codes, np.flatnonzero(inside), plan), plan, Randomness())
    everybody = codes_of(codes, np.arange(canaries), plan)
    claim = epsilon(plan.privacy.events, DELTA)
    gaussian = all(event.kind == "gaussian" or getattr(event, "sample_rate", 0) == 1 for event in plan.privacy.events)
    guesses = int(sure * canaries)
    scores = {"white box": white_box(everybody, plan, tape)}
    if not plan.parent:
        scores["black box"] = black_box(everybody, generator)
    return [
        Finding(box, claim, gaussian, canaries, guesses, _right(found, inside, guesses))
        for box, found in scores.items()
    ]


def _right(scores: Floats, inside: Bools, guesses: int) -> int:
    surest = np.argsort(-np.abs(scores))[:guesses]
    return int(((scores[surest] > 0) == inside[surest]).sum())


# Black box


def black_box(canaries: Codes, generator: Generator) -> Floats:
    """Above 0 for canaries that the fitted network finds likelier than the middle one, [canaries]."""
    columns, network = assemble(generator)
    coded = zip(generator.ways.columns, canaries.columns, strict=True)
    levels = np.stack([column.encode(codes) for column, codes in coded], axis=1)
    with torch.no_grad():
        numbers = network.decode(columns.embed(torch.from_numpy(levels)), [])
        nats = columns.negative_log_likelihood(numbers, torch.from_numpy(levels), np.zeros(len(levels), np.int64))
    nats = nats.numpy().astype(np.float64)
    return np.median(nats) - nats


# White box


def white_box(canaries: Codes, plan: Plan, tape: Sequence[Any]) -> Floats:
    """Above 0 for canaries whose part in the answers is more than half there, the larger the surer: [canaries].

    Each answer is a sum over canaries of in or out times what she adds, and normal noise; a prior of mean 1/2 and variance
    1/4 for each makes that a ridge regression over all answers of the fit.
    """
    evidence = _Evidence(int(canaries.unit[-1]) + 1)
    with mock.patch("synth.generator.fit.Curator", _replayer(iter(tape), evidence)):
        fit(canaries, plan, Randomness())
    return evidence.scores()


class _Evidence:
    """Normal equations of all answers so far: ``precision`` [canaries, canaries] and ``pull`` [canaries]."""

    def __init__(self, canaries: int) -> None:
        self.precision = np.zeros((canaries, canaries))
        self.pull = np.zeros(canaries)

    def add(self, parts: Floats, answer: Floats, stddev: float) -> None:
        """``parts`` [canaries, numbers]: what each adds to an answer [numbers] with noise of ``stddev``."""
        parts, answer = parts / stddev, answer / stddev
        self.precision += parts @ parts.T
        self.pull += parts @ (answer - parts.sum(0) / 2)

    def scores(self) -> Floats:
        covariance = np.linalg.inv(self.precision + np.eye(len(self.pull)) / COIN)
        return covariance @ self.pull / covariance.diagonal()


def _recorder(tape: list[Any]) -> type[Curator]:
    """A curator that writes down what it answers."""

    def said(answer: Any) -> Any:
        tape.append(answer)
        return answer

    class Recorder(Curator):
        def histogram(self, event_name: str, cells: Any, weights: Any, size: int) -> Any:
            return said(super().histogram(event_name, cells, weights, size))

        def choice(self, event_name: str, candidates: Any, weights: Any) -> Any:
            return said(super().choice(event_name, candidates, weights))

        def gradient(self, event_name: str, batches: Any, masks: Any, max_grad_norm: float) -> Any:
            return said(super().gradient(event_name, batches, masks, max_grad_norm))

    return Recorder


def _replayer(answers: Iterator[Any], evidence: _Evidence) -> type[Curator]:
    """A curator that repeats these answers, and writes down what each canary would have added to them."""

    class Replayer(Curator):
        def histogram(self, event_name: str, cells: Any, weights: Any, size: int) -> Any:
            super().histogram(event_name, cells, weights, size)
            answer = next(answers)
            rows = (cells[:, None] == np.arange(size)) * (weights[:, None] / LATTICE)
            parts = rows.reshape(len(evidence.pull), -1, size).sum(axis=1)  # a canary has as many rows as any other
            evidence.add(parts, answer, self._events[event_name].noise_multiplier)
            return answer

        def choice(self, event_name: str, candidates: Sequence[Candidate], weights: Any) -> Any:
            super().choice(event_name, candidates, weights)
            return next(answers)

        def poisson(self, event_name: str, units: int) -> Any:
            return np.ones_like(super().poisson(event_name, units))

        def gradient(self, event_name: str, batches: Any, masks: Any, max_grad_norm: float) -> Any:
            asked = [list(layers) for layers in batches]
            super().gradient(event_name, asked, masks, max_grad_norm)
            event, answer = self._events[event_name], next(answers)
            parts = np.concatenate([_clipped(layers, masks, max_grad_norm) for layers in asked])
            flat = np.concatenate([part.ravel() for part in answer])
            evidence.add(event.sample_rate * parts, flat, event.noise_multiplier * max_grad_norm)
            return answer

    return Replayer


def _clipped(layers: Sequence[Factors], masks: Sequence[Any], max_grad_norm: float) -> Floats:
    """The gradients of units with as many rows each, laid out, summed and clipped: [units, weights]."""
    laid_out = []
    for layer, mask in zip(layers, masks, strict=True):
        rows = layer.gradients[:, :, None] * layer.inputs[:, None, :] * mask
        units = int(layer.unit[-1]) + 1
        laid_out.append(rows.reshape(units, len(layer.unit) // units, -1).sum(axis=1))
    whole = np.concatenate(laid_out, axis=1)
    norms = np.linalg.norm(whole, axis=1, keepdims=True)
    return whole * np.minimum(1, max_grad_norm / norms)
