"""The attacks of `synth evaluate` beside Anonymeter's own, on one table that cannot leak and on one that does.

``python bench/anonymeter.py``: on people of the shipped SUPPORT study. In the place of the synthetic table stand as many
other people, then the same with a fifth of the rows copied. `make audit` makes the environment that Anonymeter needs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from audit.attacks import COLUMNS, attacked, installed  # noqa: E402

COPIED = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--people", type=int, default=1640, help="of the fit, and of the table in the synthetic one's place"
    )
    parser.add_argument("--control", type=int, default=860, help="people who are in neither")
    given = parser.parse_args()
    if not installed():
        sys.exit("Error: Anonymeter is not installed here\n    Run: make audit, which makes .anonymeter-venv")
    names = COLUMNS.split(", ")
    people = pandas.read_csv(ROOT / "sources" / "support" / "support.csv.gz", usecols=names)[names]
    people = people.iloc[np.random.default_rng(1).permutation(len(people))]
    size = given.people
    original, others, control = people.iloc[:size], people.iloc[size : 2 * size], people.iloc[2 * size :]
    copied = original.iloc[: round(COPIED * size)]
    tables = {"no leak": others, f"{COPIED:.0%} copied": pandas.concat([copied, others.iloc[len(copied) :]])}
    print(f"{size:,} people of the fit, {given.control:,} of the control; risk and its 95% interval\n")
    for name, synthetic in tables.items():
        with tempfile.TemporaryDirectory(prefix="synth-attacks-") as folder:
            files = {"original": original, "control": control.iloc[: given.control], "synthetic": synthetic}
            for file, table in files.items():
                table.to_csv(Path(folder, f"{file}.csv"), index=False)
            print(f"{name:34}{'Anonymeter':>24}{'synth':>24}")
            for found in attacked(Path(folder)):
                print(f"  {found.attack:32}{_risk(found.risk, found.low, found.high)}{_risk(*found.own)}", flush=True)


def _risk(value: float, low: float, high: float) -> str:
    return f"{f'{value:.2f} ({low:.2f} to {high:.2f})':>24}"


if __name__ == "__main__":
    main()
