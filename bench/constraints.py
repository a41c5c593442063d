"""What constraints cost: rows that break one, how long rows take, how far shares move, and how much is drawn in vain.

``python bench/constraints.py``: a simulated table in which every rule holds, fitted at epsilon 1 with its rules and without;
a million rows of each. ``--rows`` and ``--people`` change that. Exit code 1 where a row breaks a rule.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

RULES = {
    "admitted < discharged": "admitted < discharged",
    "died >= discharged": "died >= discharged",
    "(outcome = 'dead') = (died is not null)": "(outcome = 'dead') = (died is not null)",
    "{if: sex = 'M', then: not pregnant}": "sex <> 'M' or not pregnant",
    "{if: pregnant, then: age between 12 and 55}": "not pregnant or age between 12 and 55",
    "0 < dose <= 40": "dose > 0 and dose <= 40",
    "diastolic < systolic": "diastolic < systolic",
    "day_part + night_part <= total": "day_part + night_part <= total",
    "day_part % 2 = night_part % 2": "day_part % 2 = night_part % 2",
    "weight / (height * height) between 10 and 70": "weight / (height * height) between 10 and 70",
}
REGIONS = {
    "north": ["Alder", "Birch", "Cedar"],
    "south": ["Dogwood", "Elm"],
    "east": ["Fir", "Hazel", "Ivy"],
    "west": ["Juniper"],
}
METADATA = """
tables:
  - name: visits
    source: clinic.visits
    primary_key: person
    config: {epsilon: 1.0, rows: ROWS}
    columns:
      - {name: person, type: key}
      - {name: region, type: categorical, values: [north, south, east, west]}
      - {name: hospital, type: categorical, values: [Alder, Birch, Cedar, Dogwood, Elm, Fir, Hazel, Ivy, Juniper]}
      - {name: sex, type: categorical, values: [F, M]}
      - {name: age, type: integer, bounds: [0, 110]}
      - {name: pregnant, type: boolean}
      - {name: outcome, type: categorical, values: [home, ward, dead]}
      - {name: admitted, type: datetime, bounds: [2015-01-01, 2025-01-01], resolution: minute}
      - {name: discharged, type: datetime, bounds: [2015-01-01, 2026-01-01], resolution: minute}
      - {name: died, type: datetime, bounds: [2015-01-01, 2028-01-01], resolution: minute, nullable: true}
      - {name: dose, type: number, bounds: [0, 100], rounding: 0.1}
      - {name: systolic, type: integer, bounds: [50, 260]}
      - {name: diastolic, type: integer, bounds: [20, 160]}
      - {name: day_part, type: integer, bounds: [0, 5000]}
      - {name: night_part, type: integer, bounds: [0, 5000]}
      - {name: total, type: integer, bounds: [0, 9000]}
      - {name: weight, type: number, bounds: [30, 200], rounding: 0.5}
      - {name: height, type: number, bounds: [1.2, 2.1], rounding: 0.01}
"""
BINS = 20  # of equal mass in the source, of a column with more values; a pair of columns has so many squared


def simulate(path: Path, people: int) -> None:
    """A table in which every rule holds, written as CSV."""
    random = np.random.default_rng(1)
    age = np.clip(random.normal(52, 24, people), 0, 110).astype(int)
    female = random.random(people) < 0.55
    pregnant = female & (age >= 16) & (age <= 45) & (random.random(people) < 0.15)
    region = random.choice(list(REGIONS), people, p=[0.4, 0.3, 0.2, 0.1])
    hospital = [random.choice(REGIONS[r]) for r in region]
    outcome = np.where(
        random.random(people) < 0.002 * age, "dead", random.choice(["home", "ward"], people, p=[0.8, 0.2])
    )
    start = np.datetime64("2015-01-01") + random.integers(0, 3652 * 1440, people).astype("timedelta64[m]")
    stay = np.maximum(random.lognormal(8, 1.1, people), 1).astype(int).clip(1, 300_000)
    end = start + stay.astype("timedelta64[m]")
    after = np.where(random.random(people) < 0.7, 0, random.integers(0, 200_000, people)).astype("timedelta64[m]")
    died = [str(d).replace("T", " ") + ":00" if o == "dead" else "" for d, o in zip(end + after, outcome, strict=True)]
    systolic = np.clip(random.normal(128, 22, people), 60, 255).astype(int)
    diastolic = np.clip(systolic - random.gamma(6, 8, people), 20, np.minimum(systolic - 1, 160)).astype(int)
    day, night = (
        random.gamma(3, 300, people).astype(int).clip(0, 4999),
        random.gamma(2, 200, people).astype(int).clip(0, 4000),
    )
    height = np.clip(random.normal(1.68, 0.11, people), 1.2, 2.1).round(2)
    weight = np.clip((random.normal(26, 5, people).clip(12, 60) * height**2 * 2).round() / 2, 30, 200)
    columns = {
        "person": np.arange(people), "region": region, "hospital": hospital, "sex": np.where(female, "F", "M"), "age": age,
        "pregnant": pregnant, "outcome": outcome, "admitted": _written(start), "discharged": _written(end), "died": died,
        "dose": np.clip(random.gamma(2, 6, people), 0.1, 40).round(1), "systolic": systolic, "diastolic": diastolic,
        "day_part": day, "night_part": night, "total": day + night + random.gamma(1, 100, people).astype(int).clip(0, 900),
        "weight": weight, "height": height,
    }  # fmt: skip
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")


def _written(moments: Any) -> list[str]:
    return [str(m).replace("T", " ") + ":00" for m in moments]


def project(folder: Path, people: int, rows: int, rules: bool) -> Path:
    (folder / "metadata").mkdir(parents=True)
    (folder / "sources/data").mkdir(parents=True)
    simulate(folder / "sources/data/visits.csv", people)
    (folder / "synth_project.yml").write_text(
        'name: bench\nbudgets: {people: {epsilon: 1, approver: "nobody needs to: the rows are simulated"}}\n'
        "targets: {dev: {database: target/dev.duckdb, threads: 2, memory_limit: 3GB}}\n"
    )
    (folder / "sources/clinic.yml").write_text(
        "sources:\n  - name: clinic\n    location: sources/data\n"
        f"    privacy: {{population: people, unit: person, units: {people}}}\n    tables: [{{name: visits}}]\n"
    )
    listed = "".join(f"      - {rule}\n" for rule in RULES)
    listed += "      - combinations: [region, hospital]\n        values:\n"
    listed += "".join(f"          - [{region}, {name}]\n" for region, names in REGIONS.items() for name in names)
    said = f"    constraints:\n{listed}" if rules else ""
    (folder / "metadata/visits.yml").write_text(METADATA.replace("ROWS", str(rows)) + said)
    return folder


def built(folder: Path) -> tuple[float, float, list[str]]:
    """Seconds of the fit and of sampling and landing, and what the run said of rejection."""
    from synth import Project
    from synth.runtime.listener import Listener

    class Clock(Listener):
        def __init__(self) -> None:
            self.began, self.sampling, self.notes = time.perf_counter(), 0.0, list[str]()

        def progress(self, model: str, stage: str, step: int, steps: int) -> None:
            if stage == "sampling" and not self.sampling:
                self.sampling = time.perf_counter()

        def note(self, text: str) -> None:
            self.notes += [text] if "as they were drawn" in text else []

    clock = Clock()
    results = Project(folder).run(listener=clock)
    assert not results.failed, results.results[0].message
    ended = time.perf_counter()
    return clock.sampling - clock.began, ended - clock.sampling, clock.notes


def distances(folder: Path) -> dict[str, float]:
    """Total variation distance of each column, synthetic from source, and the mean of pairs of columns."""
    with duckdb.connect(str(folder / "target/dev.duckdb")) as connection:
        connection.execute("create temp table source as select * from synthetic.visits limit 0")
        connection.execute(f"insert into source by name from read_csv('{folder}/sources/data/visits.csv')")
        source, synthetic = (
            connection.execute(f"select * from {t}").fetchnumpy() for t in ("source", "synthetic.visits")
        )
    coded = {name: coded_alike(source[name], synthetic[name]) for name in source if name != "person"}
    found = {name: distance(*pair) for name, pair in coded.items()}
    pairs = [
        distance(coded[a][0] * 32 + coded[b][0], coded[a][1] * 32 + coded[b][1]) for a, b in combinations(coded, 2)
    ]
    return found | {"pairs": float(np.mean(pairs))}


def coded_alike(source: Any, synthetic: Any) -> list[Any]:
    """Values, or bins of them, as numbers below 32; a missing value is 31."""
    values = np.unique(np.ma.compressed(np.ma.asarray(source)))
    if len(values) > BINS:
        values = np.unique(np.sort(np.ma.compressed(np.ma.asarray(source)))[:: max(len(source) // BINS, 1)])
    found = []
    for column in map(np.ma.asarray, (source, synthetic)):
        places = np.searchsorted(values, column.filled(values[0]), side="right") - 1
        found.append(np.where(np.ma.getmaskarray(column), 31, np.clip(places, 0, 30)).astype(np.int64))
    return found


def distance(a: Any, b: Any) -> float:
    size = int(max(a.max(), b.max())) + 1
    return 0.5 * float(np.abs(np.bincount(a, minlength=size) / len(a) - np.bincount(b, minlength=size) / len(b)).sum())


def broken(folder: Path, rule: str) -> int:
    with duckdb.connect(str(folder / "target/dev.duckdb"), read_only=True) as connection:
        found = connection.execute(
            f"select count(*) from synthetic.visits where not coalesce(({rule}), true)"
        ).fetchone()
    return int(found[0]) if found else 0


def main() -> None:
    from synth import Project

    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--rows", type=int, default=1_000_000)
    flags.add_argument("--people", type=int, default=50_000)
    given = flags.parse_args()
    with tempfile.TemporaryDirectory(prefix="synth-constraints-") as temporary:
        folders = {
            rules: project(Path(temporary) / str(rules), given.people, given.rows, rules) for rules in (True, False)
        }
        took = {rules: built(folder) for rules, folder in folders.items()}
        constraints = Project(folders[True]).compile().synthetic["visits"].constraints
        listed = ", ".join(f"('{region}', '{name}')" for region, names in REGIONS.items() for name in names)
        checked = [*RULES.values(), f"(region, hospital) in ({listed})"]
        print(
            f"{given.people:,} simulated people, epsilon 1, {given.rows:,} synthetic rows; rows that break each rule:\n"
        )
        print(f"{'rule':46}{'held by':16}{'with rules':>12}{'without':>12}")
        wrong = 0
        for constraint, rule in zip(constraints, checked, strict=False):
            counts = [broken(folder, rule) for folder in folders.values()]
            wrong += counts[0]
            print(f"{constraint.name:46}{', '.join(constraint.held):16}{counts[0]:>12,}{counts[1]:>12,}")
        print(f"\n{'':16}{'fit':>8}{'rows':>8}{'columns':>10}{'pairs':>8}  worst column")
        for rules, folder in folders.items():
            fit, draw, notes = took[rules]
            found = distances(folder)
            pairs = found.pop("pairs")
            worst = max(found, key=lambda name: found[name])
            what = "with rules" if rules else "without"
            print(
                f"{what:16}{fit:6.0f} s{draw:6.0f} s{np.mean([*found.values()]):>10.4f}{pairs:>8.4f}  {worst} {found[worst]:.3f}"
            )
            print("".join(f"  {note}\n" for note in notes), end="")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
