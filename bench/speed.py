"""How long synth keeps a person waiting: compiling ten models, --version and ls, each in fresh processes.

``python bench/speed.py``: medians of five, and how many times a bare Python start that is.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

MODELS = 10
REPEATS = 5

PROJECT = """
name: speed
budgets: {patients: {epsilon: 10, approver: "nobody needs to: there are no rows"}}
models: {speed: {+epsilon: 1.0}}
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


def generate(folder: Path) -> None:
    """A project of ten tables with different caps, so that each has a noise multiplier of its own to calibrate."""
    (folder / "sources").mkdir(parents=True)
    (folder / "metadata").mkdir()
    (folder / "synth_project.yml").write_text(PROJECT)
    names = [f"table_{number}" for number in range(1, MODELS + 1)]
    (folder / "sources/clinic.yml").write_text(SOURCE + "".join(f"      - {{name: {name}}}\n" for name in names))
    for number, name in enumerate(names, 1):
        (folder / f"metadata/{name}.yml").write_text(TABLE.replace("NUMBER", str(number)))


def seconds(*command: str | Path) -> float:
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"Error: {' '.join(map(str, command))} failed:\n{done.stderr.strip()}")
    return time.perf_counter() - started


def timed(what: str, once: Callable[[], float], bare: float | None = None) -> float:
    """Prints and returns the median of five, with the range and the ratio to a bare start of Python."""
    found = sorted(once() for _ in range(REPEATS))
    middle = median(found)
    ratio = f"{middle / bare:6.1f} x" if bare else ""
    print(f"{what:42}{middle:8.2f} s  ({found[0]:.2f} to {found[-1]:.2f}) {ratio}", flush=True)
    return middle


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="synth-speed-") as temporary:
        project = Path(temporary) / "project"
        generate(project)

        def synth(*command: str) -> float:
            return seconds("-m", "synth", *command, "--project-dir", project)

        def cold() -> float:
            shutil.rmtree(project / "target", ignore_errors=True)
            return synth("compile")

        bare = timed("python -c pass", lambda: seconds("-c", "pass"))
        timed("synth --version", lambda: seconds("-m", "synth", "--version"), bare)
        slow = timed(f"synth compile, {MODELS} models, cold", cold, bare)
        fast = timed(f"synth compile, {MODELS} models, calibrated", lambda: synth("compile"), bare)
        timed(f"synth ls, {MODELS} models", lambda: synth("ls"), bare)
        print(
            f"\nCold means without target/: every noise multiplier is calibrated anew, {slow / fast:.1f} times as long."
        )


if __name__ == "__main__":
    main()
