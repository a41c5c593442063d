"""How often attacks stand out where nothing leaks, and how often they find a tenth of the rows copied.

``python bench/attacks.py``: made tables of fresh seeds, each attacked once without a leak and once with it. An attack stands out
where its interval is above 0, by chance in at most 2.5% of tables. Exit code 1 where one does so more often, or copies are found
less often, than a sound attack would by a chance of 1 in 10,000.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Iterator, Sequence

import numpy as np
import pandas
from scipy.stats import binom

from synth.artifacts.evaluation import Kind
from synth.evaluation.inference import inference
from synth.evaluation.linkability import linkability
from synth.evaluation.membership import membership
from synth.evaluation.singling_out import singling_out
from synth.evaluation.world import Found, World

KINDS: dict[str, Kind] = {
    "sex": "categorical", "ward": "categorical", "age": "numeric", "dose": "numeric", "days": "numeric",
}  # fmt: skip
LEVEL, CHANCE = 0.025, 1e-4
COPIED, POWER = 0.1, 0.9  # of the surest attack of all, on so many of the rows
MEASURES = (singling_out, linkability, inference, membership)


def people(rows: int, rng: np.random.Generator) -> pandas.DataFrame:
    """A dose that follows from ward and age, and values that are missing."""
    ward, age = rng.choice(list("abcdef"), rows), rng.normal(50, 15, rows).round(1)
    return pandas.DataFrame({
        "sex": rng.choice(["F", "M"], rows).astype(object),
        "ward": ward.astype(object),
        "age": np.where(rng.random(rows) < 0.05, np.nan, age),
        "dose": (age * (1 + (ward == "a")) + rng.normal(0, 5, rows)).round(2),
        "days": rng.exponential(20, rows).round(),
    })  # fmt: skip


def standing_out(copied: float, seed: int, rows: int, held_out: int) -> set[str]:
    """The attacks whose interval is above what people outside the data give; of inference, any secret's."""
    rng = np.random.default_rng(seed)
    train, holdout, candidate = (people(size, rng) for size in (rows, held_out, rows))
    leaking = pandas.concat(
        [train.iloc[: round(copied * rows)], candidate.iloc[round(copied * rows) :]], ignore_index=True
    )
    world = World(train, holdout, np.arange(rows), np.arange(held_out), KINDS, seed=seed)
    found = [f for measure in MEASURES for f in measure(leaking, world) if isinstance(f, Found) and f.value is not None]
    risks = {f.of.partition(" of ")[0] for f in found if f.metric == "risk low" and f.value and f.value > 0}
    return risks | {
        f"membership by {f.of}" for f in found if f.metric == "membership AUC low" and f.value and f.value > 0.5
    }


def report(clean: Sequence[set[str]], leaking: Sequence[set[str]]) -> Iterator[str]:
    yield f"{'stands out, of tables':40}{f'no leak ({len(clean)})':>16}{f'{COPIED:.0%} copied ({len(leaking)})':>20}"
    for name in sorted(set().union(*clean, *leaking)):
        yield f"{name:40}{sum(name in each for each in clean):16}{sum(name in each for each in leaking):20}"
    yield f"{'any':40}{sum(map(bool, clean)):16}{sum(map(bool, leaking)):20}"


def sound(clean: Sequence[set[str]], leaking: Sequence[set[str]]) -> bool:
    allowed, due = binom.isf(CHANCE, len(clean), LEVEL), binom.ppf(CHANCE, len(leaking), POWER)
    worst = max((sum(name in each for each in clean) for name in set().union(*clean)), default=0)
    return bool(worst <= allowed and sum(map(bool, leaking)) >= due)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=40)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--held-out", type=int, default=250)
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(2**31), help="of the first table; by default a fresh one"
    )
    given = parser.parse_args()
    print(f"seed {given.seed}, {given.rows} rows, {given.held_out} held out", flush=True)
    seeds = range(given.seed, given.seed + given.tables)
    clean, leaking = (
        [standing_out(copied, seed, given.rows, given.held_out) for seed in seeds] for copied in (0.0, COPIED)
    )
    for line in report(clean, leaking):
        print(line, flush=True)
    if not sound(clean, leaking):
        sys.exit("Error: the attacks are not as sure as they say")


if __name__ == "__main__":
    main()
