"""How long synth keeps a person waiting: --version, --help, compile, ls, plan and test over generated models, in fresh processes.

``python bench/latency.py``: medians of five, in seconds of CPU, and how many times a bare start of Python that is. With
``--dbt .dbt-venv/bin/dbt`` also dbt's over as many models, one after the other, and how many times synth's that is. With
``--models 500 --only compile`` a large project's compile alone. Where nothing changed, synth says what it said before, and dbt
parses nothing anew; where one file changed, synth compiles.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

REPEATS = 5
TESTED = [word for number in (1, 2, 3) for word in ("--select", f"table_{number}")]

PROJECT = """
name: latency
budgets: {patients: {epsilon: 10, approver: "nobody needs to: there are no rows"}}
models: {latency: {+epsilon: 1.0}}
"""
SOURCE = """
sources:
  - name: clinic
    location: sources/nowhere
    privacy: {population: patients, unit: patient_id, units: 50000}
    tables:
"""
TABLE = """
tables:
  - name: table_NUMBER
    source: clinic.table_NUMBER
    max_rows_per_unit: NUMBER
    columns:
      - {name: patient_id, type: key}
      - {name: region, type: categorical, values: [north, south, east, west], unknown: other}
      - {name: smoker, type: boolean, nullable: true}
      - {name: age, type: integer, bounds: [0, 120]}
      - {name: dose, type: number, bounds: [0, 500], rounding: 0.1, nullable: true}
      - {name: admitted, type: datetime, bounds: ["2000-01-01", "2040-01-01"], resolution: minute}
      - {name: discharged, type: datetime, offset_from: admitted, offset_bounds: ["0 minutes", "365 days"]}
    constraints:
      - discharged >= admitted
"""


DBT_PROJECT = """
name: latency
version: "1.0"
profile: latency
models: {latency: {+materialized: view}}
"""
DBT_PROFILE = "latency: {target: dev, outputs: {dev: {type: duckdb, path: ':memory:'}}}\n"
DBT_COLUMNS = ["patient_id", "region", "smoker", "age", "dose", "admitted", "discharged"]


def generate(folder: Path, models: int) -> None:
    """A project of tables with different caps, so that each has a noise multiplier of its own to calibrate."""
    (folder / "sources").mkdir(parents=True)
    (folder / "metadata").mkdir()
    (folder / "synth_project.yml").write_text(PROJECT)
    names = [f"table_{number}" for number in range(1, models + 1)]
    (folder / "sources/clinic.yml").write_text(SOURCE + "".join(f"      - {{name: {name}}}\n" for name in names))
    for number, name in enumerate(names, 1):
        (folder / f"metadata/{name}.yml").write_text(
            TABLE.replace("table_NUMBER", name).replace("NUMBER", str(number % 900 + 1))
        )


def generate_dbt(folder: Path, models: int) -> None:
    """As many models over as many sources, each column with a description and a test, as dbt writes them."""
    (folder / "models").mkdir(parents=True)
    (folder / "dbt_project.yml").write_text(DBT_PROJECT)
    (folder / "profiles.yml").write_text(DBT_PROFILE)
    names = [f"table_{number}" for number in range(1, models + 1)]
    columns = "".join(f"      - {{name: {c}, description: A column, tests: [not_null]}}\n" for c in DBT_COLUMNS)
    tables = "".join(f"      - {{name: raw_{name}}}\n" for name in names)
    listed = "".join(f"  - name: {name}\n    columns:\n{columns}" for name in names)
    (folder / "models" / "schema.yml").write_text(
        f"version: 2\nsources:\n  - name: clinic\n    tables:\n{tables}models:\n{listed}"
    )
    for name in names:
        select = f"select {', '.join(DBT_COLUMNS)} from {{{{ source('clinic', 'raw_{name}') }}}}\n"
        (folder / "models" / f"{name}.sql").write_text(select)


def cpu(*command: str | Path, folder: Path | None = None) -> float:
    """Seconds of CPU of a process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed has its bytecode
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"Error: {' '.join(map(str, command))} failed:\n{(done.stderr or done.stdout).strip()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def timed(once: Callable[[], float]) -> float:
    return median(once() for _ in range(REPEATS))


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--models", type=int, default=20)
    flags.add_argument("--dbt", type=Path, help="dbt's command, with dbt-duckdb beside it")
    flags.add_argument("--only", nargs="+", metavar="VERB", help="compile, say, instead of every verb")
    given = flags.parse_args()
    with tempfile.TemporaryDirectory(prefix="synth-latency-") as temporary:
        ours, theirs = Path(temporary) / "synth", Path(temporary) / "dbt"
        generate(ours, given.models)
        generate_dbt(theirs, given.models)
        synth = Path(sys.executable).with_name("synth")

        def cold() -> float:
            """What was compiled is moved away: ext4 makes files slowly for minutes after many were deleted."""
            if (ours / "target").exists():
                (ours / "target").rename(tempfile.mkdtemp(dir=temporary))
            return cpu(synth, "compile", folder=ours)

        def changed(verb: str) -> Callable[[], float]:
            def once() -> float:
                file = ours / "metadata" / "table_1.yml"
                file.write_text(file.read_text() + "# changed\n")
                return cpu(synth, verb, folder=ours)

            return once

        def again(verb: str) -> Callable[[], float]:
            """Nothing has changed since the last time but for the first of the repeats, of which the median takes no notice."""
            return lambda: cpu(synth, verb, folder=ours)

        def tested() -> float:
            if not list(ours.glob("target/*.duckdb")):
                cpu(synth, "run", "--empty", *TESTED, folder=ours)
            return cpu(synth, "test", "--no-docs", *TESTED, folder=ours)

        def dbt(*command: str) -> Callable[[], float] | None:
            return (lambda: cpu(given.dbt.resolve(), *command, folder=theirs)) if given.dbt else None

        bare = timed(lambda: cpu(sys.executable, "-c", "pass"))
        print(f"CPU seconds, medians of {REPEATS}; a bare start of Python takes {bare:.3f}\n")
        print(f"{'':40}{'synth':>8}{'of bare':>9}" + (f"{'dbt':>8}{'of synth':>10}" if given.dbt else ""))
        lines: list[tuple[str, Callable[[], float], Callable[[], float] | None]] = [
            ("--version", lambda: cpu(synth, "--version"), dbt("--version")),
            ("--help", lambda: cpu(synth, "--help"), dbt("--help")),
            (f"compile, {given.models} models, nothing known yet", cold, None),
            (f"compile, {given.models} models, one changed", changed("compile"), None),
            (f"compile, {given.models} models, nothing changed", again("compile"), dbt("compile")),
            (f"ls, {given.models} models, one changed", changed("ls"), None),
            (f"ls, {given.models} models, nothing changed", again("ls"), dbt("ls")),
            (f"plan, {given.models} models, one changed", changed("plan"), None),
            (f"plan, {given.models} models, nothing changed", again("plan"), None),
            ("test of three tables, without Data Docs", tested, None),
        ]
        for what, once, other in lines:
            if given.only and what.replace(",", " ").split()[0] not in given.only:
                continue
            mine = timed(once)
            beside = timed(other) if other else None
            said = f"{beside:8.2f}{beside / mine:8.1f} x" if beside else ""
            print(f"{what:40}{mine:8.2f}{mine / bare:7.1f} x{said}", flush=True)


if __name__ == "__main__":
    main()
