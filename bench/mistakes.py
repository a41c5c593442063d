"""What dbt and synth say of the same mistakes: ``python bench/mistakes.py --dbt .dbt-venv/bin/dbt``.

Each mistake is made in a small project of either kind, which is compiled (or selected from). Printed are whether the command
failed, and for dbt whether it warned; what the columns mean stands in bench/README.md.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

PROFILE = "wards: {target: dev, outputs: {dev: {type: duckdb, path: dev.duckdb}}}\n"
PROJECT = "name: wards\nversion: '1.0'\n"
WARDS = "select * from (values ('A', 10), ('B', 25)) as t (ward, beds)\n"
FLOORS = "select ward, sum(beds) as beds from {{ ref('wards') }} group by ward\n"
PROPERTIES = """version: 2
models:
  - name: floors
    description: Beds
    columns:
      - name: ward
        data_tests: [not_null]
"""


@dataclass(frozen=True)
class Mistake:
    """Files laid over the project, by name; ``command``: what is said instead of compile."""

    what: str
    files: dict[str, str] = field(default_factory=dict)
    project: str = ""
    command: tuple[str, ...] = ("compile",)


def _properties(old: str, new: str) -> dict[str, str]:
    assert old in PROPERTIES
    return {"models/properties.yml": PROPERTIES.replace(old, new)}


MISTAKES = (
    Mistake("no mistake"),
    Mistake("a column that there is not", {"models/floors.sql": FLOORS.replace("sum(beds)", "sum(bed)")}),
    Mistake("a model that there is not", {"models/floors.sql": FLOORS.replace("'wards'", "'ward'")}),
    Mistake("a table in place of ref()", {"models/floors.sql": FLOORS.replace("{{ ref('wards') }}", "public.wards")}),
    Mistake("a file whose ending nobody reads", {"models/beds.SQL": "select 1 as beds\n"}),
    Mistake("a word of SQL misspelt", {"models/floors.sql": FLOORS.replace("group by", "gruop by")}),
    Mistake("a key of config() misspelt", {"models/floors.sql": "{{ config(materialised='table') }}" + FLOORS}),
    Mistake("a value of config() misspelt", {"models/floors.sql": "{{ config(materialized='tabel') }}" + FLOORS}),
    Mistake("a key of YAML misspelt", _properties("description", "descripton")),
    Mistake(
        "a key of YAML twice", _properties("    description: Beds", "    description: Beds\n    description: Rows")
    ),
    Mistake("words about a model that there is not", _properties("name: floors", "name: floor")),
    Mistake("a test of a column that there is not", _properties("name: ward\n", "name: wrd\n")),
    Mistake("a test that there is not", _properties("[not_null]", "[not_nul]")),
    Mistake(
        "an argument of a test misspelt", _properties("[not_null]", "[accepted_values: {arguments: {vales: [A]}}]")
    ),
    Mistake("a config of a test misspelt", _properties("[not_null]", "[not_null: {config: {severty: warn}}]")),
    Mistake("a threshold that is no condition", _properties("[not_null]", "[not_null: {config: {error_if: many}}]")),
    Mistake("a severity misspelt", _properties("[not_null]", "[not_null: {config: {severity: wran}}]")),
    Mistake(
        "a relationship to a column that there is not",
        _properties("[not_null]", "[relationships: {arguments: {to: ref('wards'), field: wrd}}]"),
    ),
    Mistake("config of a folder that there is not", project="models: {wards: {martz: {+enabled: true}}}\n"),
    Mistake("a variable that is not set", {"models/floors.sql": FLOORS + "-- {{ var('year') }}\n"}),
    Mistake("a selection of nothing", command=("ls", "--select", "flors")),
    Mistake("a tag that no model has", command=("ls", "--select", "tag:nightly")),
)


def write(folder: Path, mistake: Mistake, file: str, more: str) -> Path:
    (folder / "models").mkdir(parents=True)
    written = {"models/wards.sql": WARDS, "models/floors.sql": FLOORS, "models/properties.yml": PROPERTIES}
    for name, text in {**written, file: PROJECT + more + mistake.project, **mistake.files}.items():
        (folder / name).write_text(text)
    return folder


def said(command: list[str], folder: Path) -> tuple[int, str]:
    found = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=os.environ | {"NO_COLOR": "1"})
    return found.returncode, found.stdout + found.stderr


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dbt", type=Path, required=True, help="dbt's executable: make test makes .dbt-venv/bin/dbt")
    dbt = parser.parse_args().dbt.absolute()
    print(f"{'mistake':48}{'dbt':12}{'synth':8}{'what synth says'}")
    for number, mistake in enumerate(MISTAKES):
        with tempfile.TemporaryDirectory(prefix="synth-bench-") as temporary:
            theirs = write(Path(temporary) / "dbt", mistake, "dbt_project.yml", "profile: wards\n")
            (theirs / "profiles.yml").write_text(PROFILE)
            ours = write(Path(temporary) / "synth", mistake, "synth_project.yml", "")
            code, text = said([str(dbt), *mistake.command, "--profiles-dir", "."], theirs)
            warned = "WARNING" in text.upper() or "deprecat" in text.lower()
            verdict = "error" if code else "warns" if warned and number else "silent"
            mine, words = said([sys.executable, "-m", "synth", *mistake.command], ours)
        first = words.removeprefix("Error: ").splitlines()[0] if mine else ""
        print(f"{mistake.what:48}{verdict:12}{'error' if mine else 'silent':8}{first}", flush=True)


if __name__ == "__main__":
    main()
