"""Anonymeter's attacks on a synthetic table, in an environment of its own: it needs an older NumPy than the rest.

``python attack.py FOLDER ATTACKS``: the folder holds original.csv, control.csv (people who were not in the original) and
synthetic.csv. Prints a JSON list: of each attack how often it, a guess without the table, and the attack on the control set
succeed, and the risk that is left, with its 95% interval.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from anonymeter.evaluators import InferenceEvaluator, LinkabilityEvaluator, SinglingOutEvaluator

SECRETS = ("event", "num_co", "surv2m")


def main() -> None:
    folder, attacks = Path(sys.argv[1]), int(sys.argv[2])
    warnings.simplefilter("ignore")
    np.random.seed(0)  # Anonymeter draws its targets by it
    original, control, synthetic = (
        pd.read_csv(folder / f"{name}.csv") for name in ("original", "control", "synthetic")
    )
    names = list(original.columns)
    half = len(names) // 2
    tables = {"ori": original, "syn": synthetic, "control": control, "n_attacks": attacks}
    found = {"singling out by one value": (SinglingOutEvaluator(**tables, seed=0), {"mode": "univariate"})}
    found["singling out by four values"] = (SinglingOutEvaluator(**tables, n_cols=4, seed=0), {"mode": "multivariate"})
    halves = (names[:half], names[half:])
    found["linking two halves of a row"] = (LinkabilityEvaluator(**tables, aux_cols=halves, n_neighbors=1), {})
    for secret in SECRETS:
        others = [name for name in names if name != secret]
        found[f"inferring {secret} from the rest"] = (InferenceEvaluator(**tables, aux_cols=others, secret=secret), {})
    print(json.dumps([{"attack": what, **outcome(*asked)} for what, asked in found.items()]))


def outcome(evaluator: object, how: dict[str, str]) -> dict[str, float]:
    evaluator.evaluate(**how)  # type: ignore[attr-defined]
    results, risk = evaluator.results(), evaluator.risk()  # type: ignore[attr-defined]
    rates = {"success": results.attack_rate, "guess": results.baseline_rate, "control": results.control_rate}
    return {name: float(rate.value) for name, rate in rates.items()} | {
        "attacks": results.n_attacks_ori, "risk": float(risk.value), "low": float(risk.ci[0]), "high": float(risk.ci[1]),
    }  # fmt: skip


if __name__ == "__main__":
    main()
