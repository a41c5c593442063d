"""What constraints cost: rows that break one (none), how long rows take, how far shares move, and what rejection rejects.

``python bench/constraints.py``: a simulated table in which every rule holds, fitted at epsilon 1 with its rules and without;
a million rows of each. ``--rows`` and ``--people`` change that.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import combinations
from pathlib import Path

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
    "day_part + night_part = total": "day_part + night_part = total",
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
CUT = {"admitted": 12, "discharged": 12, "died": 6, "age": 20, "dose": 20, "systolic": 20, "diastolic": 20}
CUT |= {"day_part": 20, "night_part": 20, "total": 20, "weight": 20, "height": 20}  # bins of equal mass in the source


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
        "day_part": day, "night_part": night, "total": day + night, "weight": weight, "height": height,
    }  # fmt: skip
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")


def _written(moments: np.ndarray) -> list[str]:
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
            self.notes += [text] if text.startswith("rejection") else []

    clock = Clock()
    results = Project(folder).run(listener=clock)
    assert not results.failed, results.results[0].message
    ended = time.perf_counter()
    return clock.sampling - clock.began, ended - clock.sampling, clock.notes


def distances(folder: Path) -> tuple[float, float]:
    """Mean total variation distance of columns and of pairs of columns, synthetic from source."""
    with duckdb.connect(str(folder / "target/dev.duckdb"), read_only=True) as connection:
        source = f"read_csv('{folder}/sources/data/visits.csv', all_varchar = true)"
        names = [row[0] for row in connection.execute("describe synthetic.visits").fetchall() if row[0] != "person"]
        edges = {
            name: connection.execute(
                f"select quantile_disc(cast(x.{name} as {kind}), [{', '.join(str(i / CUT[name]) for i in range(1, CUT[name]))}]) "
                f"from {source} as x"
            ).fetchone()[0]  # type: ignore[index]
            for name, kind in connection.execute(
                "select column_name, data_type from duckdb_columns() where table_name = 'visits'"
            ).fetchall()
            if name in CUT
        }

        def codes(table: str, typed: bool) -> dict[str, np.ndarray]:
            kinds = dict(
                connection.execute(
                    "select column_name, data_type from duckdb_columns() where table_name = 'visits'"
                ).fetchall()
            )
            chosen = ", ".join(f"cast({n} as {kinds[n]}) as {n}" if typed else n for n in names)
            found = connection.execute(f"select {chosen} from {table}").fetchnumpy()
            return {n: _codes(found[n], edges.get(n)) for n in names}

        a, b = codes(source, True), codes("synthetic.visits", False)
    singles = [_distance(a[n], b[n]) for n in names]
    pairs = [_distance(a[m] * 32 + a[n], b[m] * 32 + b[n]) for m, n in combinations(names, 2)]
    return float(np.mean(singles)), float(np.mean(pairs))


def _codes(values: np.ma.MaskedArray, edges: list | None) -> np.ndarray:
    known = np.ma.getmaskarray(values)
    if edges is None:
        listed = np.unique(np.ma.compressed(values))
        found = np.searchsorted(listed, values.filled(listed[0]) if np.ma.isMaskedArray(values) else values)
    else:
        limits = np.array(sorted(set(edges)), dtype=values.dtype)
        found = np.searchsorted(limits, np.ma.getdata(values), side="left")
    return np.where(known, 31, found).astype(np.int64)


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    size = int(max(a.max(), b.max())) + 1
    shares = [np.bincount(x, minlength=size) / len(x) for x in (a, b)]
    return 0.5 * float(np.abs(shares[0] - shares[1]).sum())


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--rows", type=int, default=1_000_000)
    flags.add_argument("--people", type=int, default=50_000)
    given = flags.parse_args()
    with tempfile.TemporaryDirectory(prefix="synth-constraints-") as temporary:
        found = {}
        for what, rules in (("with rules", True), ("without", False)):
            folder = project(Path(temporary) / what.replace(" ", "_"), given.people, given.rows, rules)
            found[what] = (folder, *built(folder))
        from synth import Project

        folder = found["with rules"][0]
        held = {c.name: ", ".join(c.held) for c in Project(folder).compile().synthetic["visits"].constraints}
        listed = [f"('{r}', '{h}')" for r, hospitals in REGIONS.items() for h in hospitals]
        checked = {**RULES, "combinations": f"(region, hospital) in ({', '.join(listed)})"}
        print(f"{given.people:,} simulated people, epsilon 1, {given.rows:,} synthetic rows\n")
        print(f"{'rule':48}{'held by':22}{'broken':>10}{'broken without':>16}")
        for (rule, sql), how in zip(checked.items(), held.values(), strict=False):
            broken = [
                duckdb.connect(str(place / "target/dev.duckdb"), read_only=True)
                .execute(f"select count(*) from synthetic.visits where not coalesce(({sql}), true)")
                .fetchone()[0]  # type: ignore[index]
                for place, *_ in found.values()
            ]
            print(f"{rule:48}{how:22}{broken[0]:>10,}{broken[1]:>16,}")
        print()
        for what, (place, fit, draw, notes) in found.items():
            one, two = distances(place)
            print(
                f"{what:12} fit {fit:5.0f} s, rows {draw:5.0f} s, distance from the source: columns {one:.4f}, pairs {two:.4f}"
            )
            for note in notes:
                print(f"  {note}")


if __name__ == "__main__":
    main()
