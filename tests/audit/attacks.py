"""T12: Anonymeter's attacks (Giomi et al. 2022, arXiv 2211.10459) on a table of real people, and on one that leaks.

Singling out, linkability and inference, each against people who were not in the data: what works as well on them is no
leak. Attacks that were tried are no proof of anything; that they find a table of copied rows shows that they can find one.
Beside each stands the same attack of ``synth evaluate``, on the same tables: both must find a leak, and neither may find
one where there is none.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pandas

import synth
from synth.artifacts.evaluation import EvaluationPlan
from synth.evaluation.inference import inference
from synth.evaluation.linkability import linkability
from synth.evaluation.singling_out import singling_out
from synth.evaluation.world import Found, World

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".anonymeter-venv" / "bin" / "python"
COLUMNS = "event, time, age, num_co, scoma, hday, sps, surv2m, surv6m, meanbp, hrt, resp, temp, sod"
HELD_BACK = 5  # one in so many people is in the control set
ATTACKS = 500
SAME = {  # what the attacks are called there, and in synth evaluate
    "singling out by one value": "singling out by one value",
    "singling out by four values": "singling out by several values",
    "linking two halves of a row": "linkability",
} | {f"inferring {secret} from the rest": f"inference of {secret}" for secret in ("event", "num_co", "surv2m")}
LEAK, NO_LEAK = 0.9, 0.2  # the risk that copied rows must show surely, and that of a private table is not surely above


@dataclass(frozen=True)
class Attack:
    """How often an attack, a guess, and the attack on the control set succeed; the risk that is left, with its interval."""

    attack: str
    attacks: int
    success: float
    guess: float
    control: float
    risk: float
    low: float
    high: float
    own: tuple[float, float, float]  # risk, low and high by synth evaluate


def installed() -> bool:
    return PYTHON.exists()


def audit() -> tuple[list[Attack], list[Attack]]:
    """On the synthetic table of the shipped study, one in five of whose people was held back; on a copy of their rows."""
    with tempfile.TemporaryDirectory(prefix="synth-audit-") as folder:
        root, tables = Path(folder, "project"), Path(folder, "tables")
        for name in ("sources", "metadata", "models", "macros"):
            shutil.copytree(ROOT / name, root / name)
        shutil.copy(ROOT / "synth_project.yml", root)
        tables.mkdir()
        packed, plain = (root / "sources" / "support" / f"support.csv{ending}" for ending in (".gz", ""))
        with duckdb.connect() as connection:
            connection.execute(f"create table people as from read_csv('{packed}', all_varchar=true)")
            held_back = f"hash(id) % {HELD_BACK} = 0"
            connection.execute(f"copy (from people where not {held_back}) to '{plain}'")
            for name, where in {"original": f"not {held_back}", "control": held_back}.items():
                connection.execute(f"copy (select {COLUMNS} from people where {where}) to '{tables / name}.csv'")
        packed.unlink()
        project = synth.Project(root)
        (result,) = project.run(select=["support"]).results
        if result.status != "success":
            raise RuntimeError(result.message)
        project.table("support")[COLUMNS.split(", ")].to_csv(tables / "synthetic.csv", index=False)
        private = list(attacked(tables))
        shutil.copy(tables / "original.csv", tables / "synthetic.csv")
        return private, list(attacked(tables))


def attacked(tables: Path) -> Iterator[Attack]:
    """Of the folder's original.csv, control.csv and synthetic.csv, all numbers."""
    script = Path(__file__).parent / "anonymeter" / "attack.py"
    ran = subprocess.run([PYTHON, script, tables, str(ATTACKS)], capture_output=True, text=True, check=True)
    own = _own(tables)
    for found in json.loads(ran.stdout.splitlines()[-1]):
        yield Attack(**found, own=own[SAME[found["attack"]]])


def _own(tables: Path) -> dict[str, tuple[float, float, float]]:
    """Risk and its interval, by the names of ``synth evaluate``. A row is a person; every column is a number, as it is there."""
    train, holdout, candidate = (
        pandas.read_csv(tables / f"{name}.csv").astype(float) for name in ("original", "control", "synthetic")
    )
    secrets = tuple(name.removeprefix("inference of ") for name in SAME.values() if name.startswith("inference of "))
    kinds, plan = dict.fromkeys(train, "numeric"), EvaluationPlan(secrets=secrets)
    world = World(train, holdout, np.arange(len(train)), np.arange(len(holdout)), kinds, plan)
    measures = (singling_out, linkability, inference)
    found = {(f.metric, f.of): f.value for m in measures for f in m(candidate, world) if isinstance(f, Found)}
    return {of: tuple(found[metric, of] for metric in ("risk", "risk low", "risk high")) for of in SAME.values()}


def holds(private: list[Attack], leaking: list[Attack]) -> bool:
    """Whether every attack finds copied rows, none finds what a private table must not show, and both tools agree on that."""
    quiet = all(found.low <= NO_LEAK and found.own[1] <= NO_LEAK for found in private)
    return quiet and all(found.low >= LEAK and found.own[1] >= LEAK for found in leaking)
