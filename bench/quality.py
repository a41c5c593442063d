"""Fits the public tables through synth's Python API, has a judge score what comes out, and prints one line for each table
and epsilon. ``python bench/quality.py --help``; what the figures mean stands in bench/README.md.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import mean
from typing import Any

import yaml

BENCH = Path(__file__).resolve().parent
TABLES = ("adult", "support", "support2")
FIGURES = (
    "overall", "marginal_1", "marginal_2", "marginal_3", "utility", "dependence", "worst_1", "collapse", "indistinct",
    "copies", "seconds", "peak_mb",
)  # fmt: skip
MEGABYTE = 1 << 20 if sys.platform == "darwin" else 1 << 10  # in the unit of ru_maxrss


class BenchError(Exception):
    """Something the caller can mend; its message is all there is to say."""


@dataclass(frozen=True)
class Data:
    """One table, split: CSV files, and the JSON file that tells the judge each column's kind and the target."""

    train: Path
    holdout: Path
    spec: Path

    def columns(self) -> list[str]:
        spec = json.loads(self.spec.read_text(encoding="utf-8"))
        return [name for name in spec["kinds"] if name != spec.get("group")]


def given_data(folder: Path, table: str) -> Data:
    data = Data(*(folder / f"{table}.{ending}" for ending in ("train.csv", "holdout.csv", "json")))
    for path in (data.train, data.holdout, data.spec):
        if not path.is_file():
            raise BenchError(f"there is no {path}: --data must hold {table}.train.csv, .holdout.csv and .json")
    return data


def shipped_data(folder: Path) -> Data:
    """support2 from the file that the project ships: four fifths to train on, by a keyed hash of the patient's number."""
    data = Data(*(folder / f"support2.{ending}" for ending in ("train.csv", "holdout.csv", "json")))
    with gzip.open(BENCH.parent / "sources/support/support.csv.gz", "rt", encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    key = header.index("id")
    train = [int(hashlib.sha256(f"bench {row[key]}".encode()).hexdigest(), 16) % 5 > 0 for row in rows]
    write_csv(data.train, header, (row for row, chosen in zip(rows, train, strict=True) if chosen))
    write_csv(data.holdout, header, (row for row, chosen in zip(rows, train, strict=True) if not chosen))
    data.spec.write_text(json.dumps({"kinds": declared_kinds(), "target": "event", "group": None}), encoding="utf-8")
    return data


def declared_kinds() -> dict[str, str]:
    """The judge's kind of each modelled column of support2, from its metadata."""
    declared = yaml.safe_load((BENCH.parent / "metadata/support.yml").read_text(encoding="utf-8"))
    kinds = {"categorical": "categorical", "integer": "numeric", "number": "numeric"}
    return {c["name"]: kinds[c["type"]] for c in declared["tables"][0]["columns"] if c["type"] != "key"}


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def stage(data: Data, location: Path) -> None:
    """The train part as a source named ``train``, its rows numbered as ``id`` where it has none."""
    location.mkdir()
    with data.train.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    if "id" not in header:
        header, rows = ["id", *header], [[str(number), *row] for number, row in enumerate(rows, 1)]
    write_csv(location / "train.csv", header, rows)


def fit(project: Path, variables: dict[str, Any], columns: Sequence[str], synthetic: Path) -> dict[str, Any]:
    """One run in this process, its last table written as CSV: seconds of the run and of its stages, and the peak memory."""
    from synth import Project
    from synth.runtime.listener import Listener

    class Clock(Listener):
        """The seconds of each stage; whatever comes before the first is reading."""

        def __init__(self) -> None:
            self.now, self.since, self.seconds = "reading", time.perf_counter(), Counter[str]()

        def progress(self, model: str, stage: str, step: int, steps: int) -> None:
            self.seconds[self.now] += time.perf_counter() - self.since
            self.now, self.since = stage, time.perf_counter()

    opened, clock = Project(project, vars=variables), Clock()
    opened.compile()
    clock.since = time.perf_counter()
    results = opened.run(listener=clock)
    clock.progress("", "", 0, 0)
    for result in results.results:
        if result.status != "success":
            raise BenchError(f"{result.model}: {result.message}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE
    last = results.results[-1]
    wanted = ", ".join(f'"{name}"' for name in columns)
    write_csv(synthetic, *opened.query(f'select {wanted} from "{last.kind}"."{last.model}"'))
    stages = {stage: round(seconds, 1) for stage, seconds in clock.seconds.items()}
    return {"seconds": round(results.elapsed_time, 1), "peak_mb": round(peak), "stages": stages}


def fit_apart(how: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """A fit in a fresh process, so that its memory is its own."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(how, *arguments).result()
        except BrokenProcessPool:
            raise BenchError("the fit's process died, perhaps for want of memory") from None
        except Exception as error:
            raise BenchError(str(error) or type(error).__name__) from error


def judged(judge: Path, data: Data, synthetic: Path) -> dict[str, Any]:
    scores = synthetic.with_suffix(".json")
    files = {"train": data.train, "holdout": data.holdout, "synthetic": synthetic, "spec": data.spec, "json": scores}
    flags = [str(part) for name, path in files.items() for part in (f"--{name}", path)]
    done = subprocess.run([sys.executable, str(judge), *flags], capture_output=True, text=True)
    if done.returncode:
        raise BenchError(f"the judge failed: {(done.stderr.strip().splitlines() or ['it says nothing'])[-1]}")
    found: dict[str, Any] = json.loads(scores.read_text(encoding="utf-8"))
    return found


def configure(project: Path, table: str, generator: dict[str, Any]) -> None:
    """Writes ``generator`` into a copied project, as a user would."""
    file = project / "synth_project.yml"
    declared = yaml.safe_load(file.read_text(encoding="utf-8"))
    declared["models"][table]["+generator"] = generator
    file.write_text(yaml.safe_dump(declared, allow_unicode=True, sort_keys=False), encoding="utf-8")


def once(
    table: str, data: Data, epsilon: float, delta: float, seed: int, judge: Path, generator: dict[str, Any] | None = None
) -> dict[str, Any]:  # fmt: skip
    """One fit in a copy of the project with a ledger of its own, and its figures."""
    with tempfile.TemporaryDirectory(prefix="synth-bench-") as temporary:
        work = Path(temporary)
        shutil.copytree(BENCH / "projects" / table, work / table, ignore=shutil.ignore_patterns("target", "*.db*"))
        if generator:
            configure(work / table, table, generator)
        stage(data, work / "source")
        variables = {"location": str(work / "source"), "epsilon": epsilon, "delta": delta, "seed": seed}
        measured = fit_apart(fit, work / table, variables, data.columns(), work / "synthetic.csv")
        scores = judged(judge, data, work / "synthetic.csv")
    return {"table": table, "epsilon": epsilon, "delta": delta, "seed": seed, **scores, **measured}


def line(first: Sequence[object], figures: Iterable[object], last: str = "") -> str:
    table, epsilon, seeds = first
    return f"{table!s:9}{epsilon!s:>5}{seeds!s:>6}  " + " ".join(f"{f!s:>10}" for f in figures) + f"  {last}"


HEADER = line(("table", "eps", "seeds"), FIGURES, "worst column")


def summary(runs: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The mean over seeds and, below it, half the range."""
    values = {name: [float(run[name]) for run in runs] for name in FIGURES}
    digits = {"seconds": 1, "peak_mb": 0}
    worst = min(runs, key=lambda run: run["worst_1"])["worst_column"]
    means = [f"{mean(values[name]):.{digits.get(name, 3)}f}" for name in FIGURES]
    yield line((runs[0]["table"], f"{runs[0]['epsilon']:g}", len(runs)), means, worst)
    if len(runs) > 1:
        ranges = [f"{(max(values[name]) - min(values[name])) / 2:.{digits.get(name, 3)}f}" for name in FIGURES]
        yield line(("", "", "+-"), ranges)


def parser(about: str, counted: str, lines: str) -> argparse.ArgumentParser:
    """The flags that every comparison has; ``counted``: what --seeds numbers, ``lines``: the file of its figures."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("tables", nargs="+", choices=TABLES)
    parser.add_argument("--epsilon", nargs="+", type=float, default=[1.0, 3.0, 10.0])
    parser.add_argument("--delta", type=float, default=1e-5)
    parser.add_argument("--seeds", type=int, default=1, help=f"fits of each {counted}")
    parser.add_argument("--judge", type=Path, required=True, help="the script that scores a synthetic table")
    parser.add_argument("--data", type=Path, help="TABLE.train.csv, .holdout.csv, .json; support2 needs none")
    parser.add_argument("--out", type=Path, default=BENCH / "out", help=f"folder of {lines}")
    return parser


def over_tables(
    given: argparse.Namespace, header: str, compare: Callable[[argparse.Namespace, str, Data, float], bool]
) -> None:
    """``compare`` on every table at every epsilon, under a header; ends the process, with 1 where one was not complete."""
    given.out.mkdir(parents=True, exist_ok=True)
    failed = False
    with tempfile.TemporaryDirectory(prefix="synth-bench-") as temporary:
        try:
            if not given.judge.is_file():
                raise BenchError(f"there is no judge at {given.judge}")
            if given.data is None and set(given.tables) != {"support2"}:
                raise BenchError("--data is needed for every table but support2")
            data = {t: given_data(given.data, t) if given.data else shipped_data(Path(temporary)) for t in given.tables}
        except BenchError as error:
            sys.exit(f"Error: {error}")
        print(header, flush=True)
        for table in given.tables:
            for epsilon in given.epsilon:
                failed |= not compare(given, table, data[table], epsilon)
    sys.exit(failed)


def measure(given: argparse.Namespace, table: str, data: Data, epsilon: float) -> bool:
    """All seeds of one table at one epsilon, printed; false where a fit failed."""
    runs = []
    try:
        for seed in range(given.seeds):
            runs.append(once(table, data, epsilon, given.delta, seed, given.judge))
            with (given.out / "quality.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(runs[-1]) + "\n")
    except BenchError as error:
        print(f"{table} at epsilon {epsilon:g}: {error}", file=sys.stderr)
    for text in summary(runs) if runs else ():
        print(text, flush=True)
    if runs:
        means = (f"{stage} {mean(run['stages'].get(stage, 0.0) for run in runs):.1f}" for stage in runs[0]["stages"])
        print(f"{'':9}seconds: {', '.join(means)}", flush=True)
    return len(runs) == int(given.seeds)


if __name__ == "__main__":
    flags = parser("Quality, seconds and memory on public tables.", "table and epsilon", "quality.jsonl")
    over_tables(flags.parse_args(), HEADER, measure)
