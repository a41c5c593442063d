"""Every measure that needs no task and no attacker: what ``evaluate`` is given."""

from __future__ import annotations

from synth.artifacts.evaluation import Section
from synth.evaluation import (
    correlations,
    distances,
    marginals,
    principal_components,
    propensity,
    sdmetrics_figures,
    subgroups,
)
from synth.evaluation.world import Measure

MEASURES: tuple[tuple[Section, str, Measure], ...] = (
    ("fidelity", "columns, pairs and triples", marginals.marginals),
    ("fidelity", "collapsed columns", marginals.collapse),
    ("fidelity", "missing values", marginals.missing),
    ("fidelity", "profiles of numbers", marginals.profile),
    ("fidelity", "distributions", marginals.distributions),
    ("dependence", "dependent pairs", marginals.pairs),
    ("dependence", "correlations", correlations.correlations),
    ("distance", "Gower distance", distances.gower),
    ("distance", "Kullback-Leibler divergence", distances.kullback_leibler),
    ("distance", "Voas-Williamson statistic", distances.voas_williamson),
    ("distance", "combinations of categories", distances.collisions),
    ("detection", "propensity, gradient boosting", propensity.gradient_boosting),
    ("detection", "propensity, logistic regression", propensity.logistic_regression),
    ("detection", "principal components", principal_components.principal_components),
    ("sdmetrics", "SDMetrics", sdmetrics_figures.sdmetrics_figures),
    ("subgroups", "subgroups", subgroups.subgroups),
)
