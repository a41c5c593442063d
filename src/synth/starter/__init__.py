"""``synth init``: a small project with simulated rows that builds at once, or an empty one to be filled in."""

from __future__ import annotations

import csv
import shutil
from datetime import date, timedelta
from pathlib import Path
from random import Random

from synth.errors import UsageError
from synth.project.schemas import write_schemas

FOLDER = Path(__file__).parent / "project"
BARE = Path(__file__).parent / "bare"
EMPTY = ("metadata", "models", "macros", "tests")  # folders of a bare project
MEMBERS = 4_000
_IGNORED = """target/
logs/
privacy_ledger.db*
# rows of people do not belong into version control
sources/*/
"""


def write_starter(folder: Path, bare: bool = False) -> Path:
    """Writes the starter project, or an empty one, into a new or empty folder. UsageError where there is something already."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not empty", "Name a folder that does not exist yet.")
    name = "".join(c if c.isalnum() and c.isascii() else "_" for c in folder.resolve().name.lower()).strip("_")
    name = name if name and not name[0].isdigit() else f"project_{name}".rstrip("_")
    shutil.copytree(BARE if bare else FOLDER, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    settings = folder / "synth_project.yml"
    settings.write_text(settings.read_text(encoding="utf-8").replace("starter_name", name), encoding="utf-8")
    write_schemas(folder / ".synth")
    (folder / ".gitignore").write_text(_IGNORED, encoding="utf-8")
    if not bare:
        _simulate(folder / "sources" / "clinic" / "members.csv")
    for name in EMPTY if bare else ():
        (folder / name).mkdir()
        (folder / name / ".gitkeep").touch()  # git keeps no empty folder
    return folder


def _simulate(path: Path) -> None:
    """SIMULATED members of a clinic: no real person is behind them. The same bytes each time."""
    random = Random(20260101)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["member_id", "sex", "age", "smoker", "region", "systolic", "first_visit", "last_visit"])
        for number in range(1, MEMBERS + 1):
            writer.writerow([f"M{number:05d}", *_member(random)])


def _member(random: Random) -> list[str | int]:
    age = min(99, max(18, round(random.gauss(52, 18))))
    smoker = random.random() < (0.32 if age < 50 else 0.18)
    systolic = round(random.gauss(102 + 0.5 * age + 8 * smoker, 13))
    first = date(2015, 1, 1) + timedelta(days=random.randrange(3000))
    last = first + timedelta(days=round(random.expovariate(1 / 400)))
    region = random.choices(["north", "south", "east", "west"], [4, 3, 2, 1 + age / 60])[0]
    sex = random.choice(["F", "M"])
    return [
        sex,
        age,
        int(smoker),
        region,
        systolic if random.random() < 0.93 else "",
        first.isoformat(),
        last.isoformat(),
    ]
