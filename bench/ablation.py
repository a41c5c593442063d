"""Fits the public tables with one part of the generator left out or changed at a time, and prints a line for each: what the
part is worth. ``python bench/ablation.py --help``; more stands in bench/README.md.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peers import beside
from quality import BENCH, HEADER, MEGABYTE, BenchError, Data, fit_apart, judged, once, over_tables, parser, summary

ALL = "all stages"
USUAL = "one-hot and Gaussian"
VARIANTS: dict[str, dict[str, Any]] = {  # as generator: in the model's config
    ALL: {},
    "no warm start": {"warm_start": False},
    "no DP-SGD": {"kind": "marginal"},
    "no tilt": {"tilt": False},
    "no pairs": {"pairs": False},
    "independent heads": {"autoregressive": False},
    "independent columns": {"kind": "independent"},
    "latent of 4": {"latent": 4},
}


def fit_usual(*arguments: Any) -> dict[str, float]:
    """One fit in this process: its seconds, the import of torch left out, and the process's peak memory."""
    from usual import fit  # only here, since every other fit's process imports this file

    start = time.perf_counter()
    fit(*arguments)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE
    return {"seconds": round(seconds, 1), "peak_mb": round(peak)}


def usual_once(table: str, data: Data, epsilon: float, delta: float, seed: int, judge: Path) -> dict[str, Any]:
    """One fit of the usual autoencoder, and its figures."""
    with tempfile.TemporaryDirectory(prefix="synth-bench-") as temporary:
        synthetic = Path(temporary) / "synthetic.csv"
        project = BENCH / "projects" / table
        measured = fit_apart(fit_usual, project, data.train, epsilon, delta, seed, synthetic)
        scores = judged(judge, data, synthetic)
    return {"table": table, "epsilon": epsilon, "delta": delta, "seed": seed, **scores, **measured}


def measure(given: argparse.Namespace, name: str, table: str, data: Data, epsilon: float) -> list[dict[str, Any]]:
    """The runs of all seeds, up to the first that fails; ablation.jsonl gets a line for each."""
    runs = []
    try:
        for seed in range(given.seeds):
            of = (table, data, epsilon, given.delta, seed, given.judge)
            runs.append(usual_once(*of) if name == USUAL else once(*of, VARIANTS[name]))
            with (given.out / "ablation.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps({"variant": name, **runs[-1]}) + "\n")
    except BenchError as error:
        print(f"{name}, {table} at epsilon {epsilon:g}: {error}", file=sys.stderr)
    return runs


def wider(name: str, differences: Sequence[str], text: str) -> str:
    """A line of bench/quality.py after the variant's name and what it lacks."""
    seconds, overall, dependence = differences or ("", "", "")
    return f"{name:21}{seconds:>9} {overall:>8} {dependence:>11}  {text}"


def compare(given: argparse.Namespace, table: str, data: Data, epsilon: float) -> bool:
    """All variants on one table at one epsilon, printed; false where a fit failed."""
    whole: Sequence[dict[str, Any]] = ()
    complete = True
    for name in given.only:
        runs = measure(given, name, table, data, epsilon)
        complete &= len(runs) == given.seeds
        whole = runs if name == ALL else whole
        differences = tuple(beside(runs, whole)) if runs and name != ALL else ()
        for text in summary(runs) if runs else ():
            print(wider(name, differences, text), flush=True)
            name, differences = "", ()
    return complete


def arguments() -> argparse.Namespace:
    names = [*VARIANTS, USUAL]
    about = "What each part of the generator is worth, on public tables."
    flags = parser(about, "table, epsilon and variant", "ablation.jsonl")
    flags.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    given = flags.parse_args()
    given.only = [name for name in names if name in given.only]  # all stages first
    return given


if __name__ == "__main__":
    over_tables(arguments(), wider("", ("x seconds", "+overall", "+dependence"), HEADER), compare)
