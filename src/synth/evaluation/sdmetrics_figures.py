"""The one door to the sdmetrics library: the figures that NHSSynth (NHS England) offers, under their names there.

Each is a score of which higher is better. Held-out rows are what the library calls real.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas

from synth.artifacts.evaluation import Kind
from synth.evaluation.coding import numbers, some
from synth.evaluation.extra import need
from synth.evaluation.world import Found, World

ROWS = 5_000  # of each table, unless it goes row by row or pair by pair
ROWS_FITTED, ROWS_ATTACKED = 1_000, 50  # of the candidate, and of held-out rows, where an attacker goes row by row
MOST_KEYS = 8  # that an attacker knows
TABLE = {  # and how many rows of the candidate, where fewer
    "KSComplement": ROWS,
    "TVComplement": ROWS,
    "MissingValueSimilarity": ROWS,
    "StatisticSimilarity": ROWS,
    "CorrelationSimilarity": ROWS,
    "ContingencySimilarity": ROWS,
    "RangeCoverage": ROWS,
    "CategoryCoverage": ROWS,
    "NewRowSynthesis": 100,
    "BoundaryAdherence": ROWS,
    "ContinuousKLDivergence": ROWS,
    "DiscreteKLDivergence": 1_000,
}
CATEGORICAL = (
    "CategoricalCAP",
    "CategoricalGeneralizedCAP",
    "CategoricalZeroCAP",
    "CategoricalKNN",
    "CategoricalNB",
    "CategoricalRF",
    "CategoricalSVM",
    "CategoricalEnsemble",
)
NUMERICAL = ("NumericalLR", "NumericalMLP", "NumericalSVR", "NumericalRadiusNearestNeighbor")
ROWS_OF_PAIRS = (50, 10)  # the same of NumericalRadiusNearestNeighbor, which compares each of them with each
SDTYPES = {"categorical": "categorical", "numeric": "numerical", "datetime": "datetime"}


@dataclass(frozen=True, eq=False)
class Attack:
    """What the library's attackers know, what they are after, and in which rows; ``why`` they cannot be run, if so."""

    keys: list[str]
    secrets: list[str]
    real: pandas.DataFrame
    synthetic: pandas.DataFrame
    why: str = ""


def sdmetrics_figures(candidate: pandas.DataFrame, world: World) -> Iterator[Found]:
    """Rows beyond a number are left out, for the library goes through them one by one; the notes say which."""
    for name, rows in TABLE.items():
        yield _of_table(name, rows, candidate, world)
    categorical, numerical = _attack("categorical", candidate, world), _attack("numeric", candidate, world)
    for name in CATEGORICAL:
        yield _of_attack(name, categorical)
    for name in NUMERICAL:
        yield _of_attack(name, numerical)


def _of_table(name: str, rows: int, candidate: pandas.DataFrame, world: World) -> Found:
    if not world.kinds or candidate.empty or world.holdout.empty:
        return Found(name, None, "higher", note="a table has no rows or no columns")
    real, synthetic = _plain(some(world.holdout, world, ROWS), world), _plain(some(candidate, world, rows), world)
    metadata = {"columns": {f"c{i}": {"sdtype": SDTYPES[kind]} for i, kind in enumerate(world.kinds.values())}}
    return _found(name, f"of at most {rows:,} rows", real, synthetic, metadata=metadata)


def _of_attack(name: str, attack: Attack) -> Found:
    if attack.why:
        return Found(name, None, "higher", note=attack.why)
    wanted: dict[str, Any] = {"key_fields": attack.keys, "sensitive_fields": attack.secrets}
    if name == "CategoricalEnsemble":
        sort = need("sdmetrics.single_table.privacy.categorical_sklearn")
        attackers = [sort.CategoricalNBAttacker, sort.CategoricalKNNAttacker, sort.CategoricalRFAttacker]
        wanted["model_kwargs"] = {"attackers": attackers}
    fitted, attacked = ROWS_OF_PAIRS if name == "NumericalRadiusNearestNeighbor" else (ROWS_FITTED, ROWS_ATTACKED)
    note = f"at most {fitted:,} rows and {MOST_KEYS} keys, tried on at most {attacked} held-out rows"
    return _found(name, note, attack.real[:attacked], attack.synthetic[:fitted], **wanted)


def _found(name: str, note: str, real: pandas.DataFrame, synthetic: pandas.DataFrame, **wanted: Any) -> Found:
    """The library's errors may quote values: only their kind is told."""
    with _quietly():
        metric = getattr(need("sdmetrics.single_table"), name, None)
        if metric is None:
            return Found(name, None, "higher", note="this version of sdmetrics does not have it")
        try:
            value = float(metric.compute(real, synthetic, **wanted))
        except Exception as error:
            return Found(
                name, None, "higher", note=f"sdmetrics cannot compute it for these columns ({type(error).__name__})"
            )
    if not np.isfinite(value):
        return Found(name, None, "higher", note="sdmetrics finds it undefined for these columns")
    return Found(name, value, "higher", note=note)


def _attack(kind: Kind, candidate: pandas.DataFrame, world: World) -> Attack:
    """Secrets of that kind; keys are other columns of it, the first ones. Numeric rows with a missing value are left out."""
    columns = {name: f"c{i}" for i, name in enumerate(world.kinds) if world.kinds[name] == kind}
    secrets = [label for name, label in columns.items() if name in world.plan.secrets]
    keys = [label for label in columns.values() if label not in secrets][:MOST_KEYS]
    tables = [_plain(table, world)[[*keys, *secrets]].dropna() for table in (world.holdout, candidate)]
    real, synthetic = some(tables[0], world, ROWS_ATTACKED), some(tables[1], world, ROWS_FITTED)
    why = ""
    if not secrets:
        why = f"no {kind} column is named as a secret"
    elif not keys:
        why = f"every {kind} column is a secret, an attacker knows none"
    elif real.empty or synthetic.empty:
        why = "a table has no complete rows"
    return Attack(keys, secrets, real.reset_index(drop=True), synthetic.reset_index(drop=True), why)


def _plain(table: pandas.DataFrame, world: World) -> pandas.DataFrame:
    """As the library takes it: plain names, objects, floats and dates; a missing category is one more category."""
    found: dict[str, Any] = {}
    for index, (name, kind) in enumerate(world.kinds.items()):
        if kind == "categorical":
            text = table[name].astype(object)
            found[f"c{index}"] = text.where(text.notna(), "missing").to_numpy(object)
        elif kind == "numeric":
            found[f"c{index}"] = numbers(table[name], kind)
        else:
            found[f"c{index}"] = pandas.to_datetime(table[name]).to_numpy("datetime64[us]")
    return pandas.DataFrame(found).astype({name: object for name, values in found.items() if values.dtype == object})


@contextmanager
def _quietly() -> Iterator[None]:
    """Neither prints nor warns; what it draws from numpy's global randomness is the same each time, and given back."""
    state = np.random.get_state()
    np.random.seed(0)
    try:
        with (
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
            np.errstate(all="ignore"),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        np.random.set_state(state)
