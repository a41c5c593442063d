"""Runs other people's differentially private synthesizers beside synth on the public tables and prints a line for each, with
the ratio of time and the difference of quality. ``python bench/peers.py --help``; more stands in bench/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from quality import BENCH, BenchError, Data, judged, once, over_tables, parser

SYNTH = "synth"
PEERS = {"dpmm_aim": "dpmm", "dpmm_mst": "dpmm", "mbi_mst": "mbi"}  # the script in bench/peers, and its environment
REQUIREMENTS = {"dpmm": ("dpmm",), "mbi": ("mbi", "pandas")}  # of each environment; versions stand in its constraints
SHOWN = ("overall", "marginal_1", "marginal_2", "marginal_3", "utility", "dependence", "seconds", "peak_mb")
DIGITS = {"seconds": 1, "peak_mb": 0}
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}


class OverLimit(BenchError):
    """A peer that took too long."""


def told(command: Sequence[object], limit: float | None = None) -> str:
    """What a command prints; where it fails, the error is the last line of what it says about that."""
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        raise OverLimit(f"over {limit:g} s") from None
    if done.returncode:
        raise BenchError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    return done.stdout


def environment(folder: Path, name: str) -> Path:
    """The python of an environment, which is made the first time and again when its constraints have changed."""
    constraints = BENCH / "peers" / f"{name}-constraints.txt"
    home = folder.resolve() / name
    python, done = home / "bin" / "python", home / constraints.name
    if not done.is_file() or done.read_bytes() != constraints.read_bytes():
        print(f"Making {home}", file=sys.stderr, flush=True)
        told((sys.executable, "-m", "venv", "--clear", home))
        pip = (python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install")
        told((*pip, "--constraint", constraints, *REQUIREMENTS[name]))
        shutil.copy(constraints, done)
    return python


def peer_once(given: argparse.Namespace, peer: str, data: Data, epsilon: float, seed: int) -> dict[str, Any]:
    """One fit of a peer in its own process, and its figures."""
    python = environment(given.environments, PEERS[peer])
    with tempfile.TemporaryDirectory(prefix="synth-bench-") as temporary:
        synthetic = Path(temporary) / "synthetic.csv"
        numbers = {"epsilon": epsilon, "delta": given.delta, "seed": seed}
        flags = {"train": data.train, "spec": data.spec, "out": synthetic, **numbers}
        command = (python, BENCH / "peers" / f"{peer}.py", *(f"--{name}={value}" for name, value in flags.items()))
        measured = json.loads(told(command, given.limit).splitlines()[-1])
        return {**numbers, **judged(given.judge, data, synthetic), **measured}


def measure(
    given: argparse.Namespace, name: str, table: str, data: Data, epsilon: float
) -> tuple[list[dict[str, Any]], str]:
    """The runs of all seeds, up to the first that goes wrong, and what went wrong; peers.jsonl gets a line for each."""
    runs: list[dict[str, Any]] = []
    problem = ""
    for seed in range(given.seeds):
        try:
            if name == SYNTH:
                run = once(table, data, epsilon, given.delta, seed, given.judge)
            else:
                run = peer_once(given, name, data, epsilon, seed)
            runs.append(run)
        except BenchError as error:
            said = " ".join(str(error).split())
            problem = said if isinstance(error, OverLimit) else f"failed: {said}"
            run = {"epsilon": epsilon, "delta": given.delta, "seed": seed, "problem": problem}
        with (given.out / "peers.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"synthesizer": name, "table": table, **run}) + "\n")
        if problem:
            break
    return runs, problem


def line(first: Sequence[object], figures: Iterable[object], beside: Iterable[object] = ()) -> str:
    table, epsilon, name, seeds = first
    text = f"{table!s:9}{epsilon!s:>5}  {name!s:9}{seeds!s:>6}  " + " ".join(f"{figure!s:>10}" for figure in figures)
    return " ".join((text, *(f"{figure!s:>11}" for figure in beside)))


def lines(
    first: Sequence[object], runs: Sequence[dict[str, Any]], problem: str, synth: Sequence[dict[str, Any]]
) -> Iterator[str]:
    """The mean over seeds with the comparison, below it half the range, and what went wrong."""
    if runs:
        means = [f"{average(runs, name):.{DIGITS.get(name, 3)}f}" for name in SHOWN]
        yield line((*first, len(runs)), means, () if runs is synth else beside(runs, synth))
    if len(runs) > 1:
        values = {name: [float(run[name]) for run in runs] for name in SHOWN}
        ranges = [f"{(max(v) - min(v)) / 2:.{DIGITS.get(name, 3)}f}" for name, v in values.items()]
        yield line(("", "", "", "+-"), ranges)
    if problem:
        yield line((*first, ""), (problem,))


def average(runs: Sequence[dict[str, Any]], name: str) -> float:
    return mean(float(run[name]) for run in runs)


def beside(runs: Sequence[dict[str, Any]], synth: Sequence[dict[str, Any]]) -> Iterator[str]:
    """How many times synth's seconds a peer takes, and by how much synth's overall and dependence are higher."""
    if synth:
        yield f"{average(runs, 'seconds') / average(synth, 'seconds'):.1f}"
        for name in ("overall", "dependence"):
            yield f"{average(synth, name) - average(runs, name):+.3f}"


def arguments() -> argparse.Namespace:
    flags = parser(
        "Other synthesizers beside synth, on public tables.", "table, epsilon and synthesizer", "peers.jsonl"
    )
    flags.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    flags.add_argument("--limit", type=float, default=900.0, help="seconds that one fit of a peer may take")
    flags.add_argument("--environments", type=Path, default=BENCH / "out/environments", help="made the first time")
    return flags.parse_args()


def compare(given: argparse.Namespace, table: str, data: Data, epsilon: float) -> bool:
    """synth and each peer on one table at one epsilon, printed; false where one failed, other than by its time."""
    synth: list[dict[str, Any]] = []
    problems = []
    for name in (SYNTH, *given.peers):
        runs, problem = measure(given, name, table, data, epsilon)
        synth = runs if name == SYNTH else synth
        problems.append(problem)
        for text in lines((table, f"{epsilon:g}", name), runs, problem, synth):
            print(text, flush=True)
    return not any(problem.startswith("failed") for problem in problems)


if __name__ == "__main__":
    os.environ.update(ONE_THREAD)
    over_tables(
        arguments(), line(("table", "eps", "", "seeds"), SHOWN, ("x seconds", "+overall", "+dependence")), compare
    )
