"""Where evaluations lie: JSON and a DuckDB file in the private zone, for their owner alone."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

from synth.artifacts.evaluation import Evaluation, Figure
from synth.errors import RunError
from synth.files import write_whole
from synth.runtime.duckdb_errors import private_folder

_FIGURE = tuple(Figure.model_fields)
FOLDER, DATABASE = "evaluation", "evaluation.duckdb"
_TABLE = """
create table if not exists figures (
  run_id varchar, run_time varchar, model varchar, section varchar, metric varchar, "of" varchar, better varchar,
  synthetic double, train double, shuffled double, note varchar
)"""


def evaluation_file(internal: Path, model: str) -> Path:
    return internal / FOLDER / f"{model}.json"


def write_evaluation(internal: Path, found: Evaluation) -> None:
    """The last evaluation of the model as JSON; its figures beside those of earlier ones in DuckDB."""
    private_folder(internal)
    private_folder(internal / FOLDER)
    write_whole(evaluation_file(internal, found.model), found.model_dump_json(indent=1) + "\n", 0o600)
    mask = os.umask(0o077)
    try:
        with duckdb.connect(str(internal / FOLDER / DATABASE)) as database:
            database.execute(_TABLE)
            whose = [found.run_id, found.run_time, found.model]
            rows = [[*whose, *figure.model_dump(include=set(_FIGURE)).values()] for figure in found.figures]
            names = ", ".join(f'"{name}"' for name in ("run_id", "run_time", "model", *_FIGURE))
            marks = ", ".join("?" * (3 + len(_FIGURE)))
            database.executemany(f"insert into figures ({names}) values ({marks})", rows)
    except duckdb.IOException:
        raise RunError(f"{internal / FOLDER / DATABASE} is open elsewhere", "Close it, and evaluate again.") from None
    finally:
        os.umask(mask)
