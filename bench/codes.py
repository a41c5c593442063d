"""A column of ten thousand codes, as ICD-9 or a formulary has them: seconds, memory, and what stays of the codes.

``python bench/codes.py``: simulated stays with a diagnosis code, listed in a CSV file of the project with its chapter, fitted at
epsilon 1 once for each number of codes, in a process of its own. ``--values`` and ``--people`` change that.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np

PER_CHAPTER = 50
METADATA = """
tables:
  - name: stays
    source: clinic.stays
    primary_key: person
    config: {epsilon: 1.0}
    columns:
      - {name: person, type: key}
      - {name: code, type: categorical, values: {file: codes.csv, column: code, groups: chapter}}
      - {name: sex, type: categorical, values: [F, M]}
      - {name: age, type: integer, bounds: [0, 110]}
      - {name: days, type: number, bounds: [0, 400], rounding: 0.1}
      - {name: ward, type: categorical, values: [A, B, C, D, E]}
"""


def project(folder: Path, values: int, people: int) -> None:
    """A few codes are most of all stays (Zipf); a chapter has its ages and its wards."""
    random = np.random.default_rng(1)
    for name in ("metadata", "sources/data"):
        (folder / name).mkdir(parents=True)
    names = [f"{i:05}" for i in range(values)]
    (folder / "codes.csv").write_text(
        "code,chapter\n" + "".join(f"{name},{i // PER_CHAPTER}\n" for i, name in enumerate(names))
    )
    (folder / "synth_project.yml").write_text(
        'name: bench\nbudgets: {people: {epsilon: 1, approver: "nobody needs to: the rows are simulated"}}\n'
    )
    (folder / "sources/clinic.yml").write_text(
        "sources:\n  - name: clinic\n    location: sources/data\n"
        f"    privacy: {{population: people, unit: person, units: {people}}}\n    tables: [{{name: stays}}]\n"
    )
    (folder / "metadata/stays.yml").write_text(METADATA)
    shares = 1 / np.arange(1, values + 1)
    code = random.permutation(values)[random.choice(values, people, p=shares / shares.sum())]
    chapter = code // PER_CHAPTER
    age = np.clip(random.normal(20 + 10 * (chapter % 7), 12), 0, 110).astype(int)
    ward = np.where(random.random(people) < 0.7, chapter % 5, random.integers(0, 5, people))
    days = np.clip(random.lognormal(1.2 + 0.2 * (chapter % 4), 0.8), 0.1, 400).round(1)
    sex = random.random(people) < 0.5
    rows = zip(code.tolist(), sex.tolist(), age.tolist(), days.tolist(), ward.tolist(), strict=True)
    lines = (f"{i},{names[c]},{'FM'[s]},{a},{d},{'ABCDE'[w]}\n" for i, (c, s, a, d, w) in enumerate(rows))
    (folder / "sources/data/stays.csv").write_text("person,code,sex,age,days,ward\n" + "".join(lines))


def one(folder: Path) -> dict[str, float]:
    """What this process took for compile and run, and how far the synthetic table lies from the source."""
    from synth import Project

    began = time.perf_counter()
    Project(folder).compile()
    compiled = time.perf_counter()
    results = Project(folder).run()
    assert not results.failed, results.results[0].message
    ran = time.perf_counter()
    with duckdb.connect(str(folder / "target/dev.duckdb"), read_only=True) as connection:
        source = f"read_csv('{folder}/sources/data/stays.csv', types = {{'code': 'VARCHAR'}})"

        def distance(columns: str) -> float:
            counted = "select {0}, count(*)::double / sum(count(*)) over () as share from {1} group by all"
            joined = f"({counted.format(columns, source)}) a full join ({counted.format(columns, 'synthetic.stays')}) b"
            found = connection.execute(
                f"select sum(abs(coalesce(a.share, 0) - coalesce(b.share, 0))) / 2 from {joined} using ({columns})"
            ).fetchone()
            return float(found[0]) if found else 1.0

        top = f"(select code from {source} group by code order by count(*) desc limit 20)"
        said = connection.execute(
            f"select (select count(*) filter (code in {top}) / count(*) from {source}),"
            f" (select count(*) filter (code in {top}) / count(*) from synthetic.stays)"
        ).fetchone()
        assert said
        return {
            "compile_s": compiled - began, "run_s": ran - compiled,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "code_tvd": distance("code"),
            "ward_tvd": distance("ward"), "top_source": said[0], "top_synthetic": said[1],
        }  # fmt: skip


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--values", type=int, nargs="+", default=[100, 1_000, 10_000])
    flags.add_argument("--people", type=int, default=50_000)
    flags.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = flags.parse_args()
    if given.folder:
        print(json.dumps(one(given.folder)))
        return
    print(
        "codes    compile s   run s   peak MB   TVD of code   of ward   share of the 20 most frequent: source, synthetic"
    )
    for values in given.values:
        with tempfile.TemporaryDirectory(prefix="synth-codes-") as temporary:
            project(Path(temporary), values, given.people)
            command = [sys.executable, __file__, "--folder", temporary]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(
            f"{values:>6,}   {found['compile_s']:>8.1f}   {found['run_s']:>5.0f}   {found['peak_mb']:>7,.0f}   "
            f"{found['code_tvd']:>11.3f}   {found['ward_tvd']:>7.3f}   {found['top_source']:.3f}, {found['top_synthetic']:.3f}"
        )


if __name__ == "__main__":
    main()
