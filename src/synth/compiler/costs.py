"""About how long a fit takes and how much memory it needs, by a written rule over its plan alone.

Seconds are of one core, from the start of a run to the landed table. The constants were fitted on a two-core machine with one
thread, to the simulated hospital's three tables, SUPPORT, the starter's members and ten random tables of 300 to 100,000
units and 5 to 60 columns, and were within a third of each. Another machine has a factor of its own; what the rows
themselves decide (how many a unit has, how often a constraint makes one be drawn again) is not in the plan.
"""

from __future__ import annotations

from dataclasses import dataclass

from synth.artifacts.layout import all_pairs, modelled
from synth.artifacts.plan import Learning, Plan
from synth.compiler.sizing import features_of, levels_of, seen_of, weights_of

ROWS = 1.4  # of a unit that may have several

# seconds
START = 5.0  # imports, and the price computed by two accountants
READ = 3e-7  # a row and column: prepared, and counted into histograms
NUMBER, WEIGHT = 2.2e-8, 7e-11  # a row's number (input, hidden, output or level) and product, forward and backward
NOISE = 1e-7  # a weight of a DP-SGD step
POINT, LEVEL = 2e-6, 6e-8  # a step's point of the marginal fit, and each of its levels
CELL = 1.5e-9  # a step of the tilt, row and marginal
DRAWN = 8e-7  # a row and column
LANDED = 2e-5  # a row

# megabytes
BASE = 530.0  # torch, opacus, DuckDB
TILTED = 1.8e-5  # a row and marginal
HELD = 4e-5  # a row and column, of those drawn at once
AT_ONCE = 250_000  # units drawn at once: see generator/synthesis.py


@dataclass(frozen=True)
class Cost:
    seconds: float
    megabytes: float


def cost(plan: Plan) -> Cost:
    """Grows with units, columns, rows per unit and every stage; it falls where a table gets too large to be weighed."""
    columns, network, rows = modelled(plan), plan.network, ROWS if plan.cap > 1 else 1.0
    features = features_of(columns, plan.marginals.levels, network.basis or 1)
    levels = levels_of(columns, plan.marginals)
    pairs = (plan.pairs.chosen or len(all_pairs(len(columns)))) if plan.pairs else 0
    marginals = len(columns) + pairs
    units = plan.rows / rows if plan.rows else plan.privacy.units

    def learned(lesson: Learning | None, width: int) -> float:
        """Seconds; ``width``: features of a row."""
        return lesson.epochs * lesson.units * rows * passed(width) if lesson else 0.0

    def passed(width: int) -> float:
        """Seconds for a row to go through the network and back."""
        numbers = seen_of(width, plan.cap) + network.hidden + width + levels
        return NUMBER * numbers + WEIGHT * weights_of(width, network, plan.cap)

    seconds = START + READ * plan.privacy.units * rows * (len(columns) + pairs) + LANDED * units * rows
    if fit := plan.marginal_fit:
        seconds += fit.steps * fit.points * (POINT + LEVEL * levels)
    seconds += learned(plan.warm_start, features) + learned(plan.refinement, features)
    if dp_sgd := plan.dp_sgd:
        step = dp_sgd.expected_batch_units * rows * passed(features) + NOISE * weights_of(features, network, plan.cap)
        seconds += dp_sgd.steps * step
    drawn, tilted = units * rows, 0.0  # rows, at once
    if plan.tilt:
        weighed = units <= plan.tilt.most_units
        lesson = plan.distillation.units * rows if plan.distillation else 0.0
        tilted = drawn * plan.tilt.candidates if weighed else lesson
        seconds += CELL * plan.tilt.steps * tilted * marginals
        seconds += 0.0 if weighed else learned(plan.distillation, levels)
        drawn = tilted if weighed else drawn + lesson
    seconds += DRAWN * drawn * len(columns)
    taught = plan.refinement.units * rows if plan.refinement else 0.0
    held = min(drawn, AT_ONCE * rows) * len(columns)
    return Cost(seconds, BASE + TILTED * max(tilted, taught) * marginals + HELD * held)
