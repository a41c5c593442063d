"""docs/noise.md says numbers; here each is computed from what the code does."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from scipy.stats import norm

from synth.artifacts.layout import all_pairs
from synth.artifacts.plan import Gaussian
from synth.compiler.sizing import PAIRS_PER_COLUMN
from synth.drafting.ask import CONCEDED, MOST_ROWS
from synth.generator.rows import PIECE_ROWS
from synth.privacy.accounting import LEAST_COVERED, drawable, gaussian_mu
from synth.privacy.mechanisms import (
    FLOAT_ERROR,
    GRADIENT_GRID,
    INPUT_GRID,
    LATTICE,
    MARGIN,
    MOST_GRADIENT,
    MOST_INPUT,
    NOISE_STEPS,
)
from synth.privacy.randomness import REKEY_BYTES

PAGE = (Path(__file__).parents[2] / "docs" / "noise.md").read_text(encoding="utf-8")
TAIL = math.sqrt(2 * 65 * math.log(2))  # of the radius that 64 bits make
ERROR = 2 * 3 * 2.0**-50 * 2 * NOISE_STEPS  # eta: two edges, three standard deviations out, the finest steps
NUMBERS = 10**8
COLUMNS = 60


def lost(epsilon: float) -> float:
    """The part of epsilon that float errors cost at most."""
    return 2 * ERROR * math.sqrt(NUMBERS) / gaussian_mu(epsilon, 1e-6)


def short(number: float, digits: int = 1) -> str:
    return re.sub(r"e([-+])0", r"e\1", f"{number:.{digits}e}").replace("e+", "e")


SAID = [
    f"A person is 2^{math.log2(LATTICE):.0f} lattice units",
    f"which is {short(2**53 / LATTICE)} people",
    f"at most k rows are looked at ({MOST_ROWS})",
    f"the threshold is 1 + {norm.isf(1e-9 / MOST_ROWS):.2f} sigma",
    f"take {CONCEDED:.0%} of the population's delta",
    f"inputs to steps of 1/{INPUT_GRID}",
    f"to steps of C / 2^{math.log2(GRADIENT_GRID):.0f}",
    f"whose unit is C / 2^{math.log2(INPUT_GRID * GRADIENT_GRID):.0f}",
    f"factors above 2^{math.log2(MOST_INPUT):.0f} and 2^{math.log2(MOST_GRADIENT):.0f} steps",
    f"a piece of {PIECE_ROWS:,} rows stays below\n2^{math.log2(PIECE_ROWS * MOST_INPUT * MOST_GRADIENT):.0f}",
    f"up to {short(2**53 / (INPUT_GRID * GRADIENT_GRID))} of them",
    f"about {short(math.sqrt(60 * 128) / 2 / GRADIENT_GRID)} C for one row of 60 features and 128 outputs",
    f"{MARGIN:g} C more (`MARGIN`)",
    f"2^{math.log2(FLOAT_ERROR):.0f} of what the rows would weigh apart",
    f"no number exceeds {TAIL:.2f} standard deviations",
    f"probability {short(2 * norm.sf(TAIL))}",
    f"At sigma = {LEAST_COVERED} the chance of an outcome beyond is {short(norm.sf(TAIL - 1 / LEAST_COVERED))}",
    f"make {short((gaussian_mu(100, 1e-6) * LEAST_COVERED) ** 2 * norm.sf(TAIL - 1 / LEAST_COVERED))}",
    f"At sigma = 1 it is {short(norm.sf(TAIL - 1))}",
    f"steps of 2^-{math.log2(NOISE_STEPS):.0f} to 2^-{math.log2(2 * NOISE_STEPS):.0f} of the noise's standard deviation",
    f"eta = 3 * 2^{math.log2(ERROR / 3):.0f} = {short(ERROR, 0)}",
    f"{short(2 * ERROR * math.sqrt(NUMBERS))}",
    f"mu = {gaussian_mu(1, 1e-6):.2f}",
    f"{gaussian_mu(0.01, 1e-6):.4f} at epsilon 0.01",
    f"{lost(1):.3%} too low",
    f"{lost(0.01):.1%} at 0.01",
    f"noise ends at {53 * math.log(2):.1f} scales",
    f"{short(len(all_pairs(COLUMNS)) * PAIRS_PER_COLUMN * COLUMNS * 2.0**-52)} for {COLUMNS} columns",
    f"({len(all_pairs(COLUMNS)):,} pairs, {PAIRS_PER_COLUMN * COLUMNS} chosen)",
    f"after 2^{math.log2(REKEY_BYTES):.0f}\nbytes",
    f"ends at 2^{math.log2(2**32 * 64):.0f}",
]


@pytest.mark.parametrize("said", SAID)
def test_the_page_says_what_the_code_does(said: str) -> None:
    assert " ".join(said.split()) in " ".join(PAGE.split())


def test_no_plan_has_noise_whose_tails_end_within_a_person() -> None:
    assert drawable(Gaussian(name="sum", noise_multiplier=0.01)).noise_multiplier == LEAST_COVERED  # type: ignore[union-attr]
    assert norm.sf(TAIL - 1 / LEAST_COVERED) < 1e-6 / 1000
