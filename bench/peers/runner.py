"""What every peer's script shares: its flags, the table that goes in and the table that comes out."""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

MEGABYTE = 1 << 20 if sys.platform == "darwin" else 1 << 10  # in the unit of ru_maxrss
EPOCH, SECOND = pd.Timestamp(0), pd.Timedelta(seconds=1)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fits one peer to one table and prints seconds and megabytes as JSON.")
    for name in ("train", "spec", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("epsilon", "delta"):
        parser.add_argument(f"--{name}", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    return parser.parse_args()


def read(train: Path, kinds: dict[str, str]) -> pd.DataFrame:
    """Categories as text, numbers as numbers, dates as seconds since 1970; missing values stay missing."""
    texts = {name: str for name, kind in kinds.items() if kind == "categorical"}
    table = pd.read_csv(train, usecols=list(kinds), dtype=texts)[list(kinds)]
    for name, kind in kinds.items():
        if kind == "datetime":
            table[name] = (pd.to_datetime(table[name], format="mixed") - EPOCH) / SECOND
    return table


def whole(column: pd.Series) -> bool:
    return bool((column.dropna() % 1 == 0).all())


def write(synthetic: pd.DataFrame, table: pd.DataFrame, kinds: dict[str, str], out: Path) -> None:
    """As the train part is written: numbers that are whole there are rounded, seconds become dates again."""
    for name, kind in kinds.items():
        if kind == "numeric" and whole(table[name]):
            synthetic[name] = synthetic[name].astype(float).round()
        elif kind == "datetime":
            synthetic[name] = EPOCH + synthetic[name].astype(float) * SECOND
    synthetic.to_csv(out, index=False)


def main(synthesize: Callable[[pd.DataFrame, argparse.Namespace], pd.DataFrame]) -> None:
    """Times ``synthesize`` alone: imports, reading and writing cost a peer nothing. Memory is the whole process's."""
    given = arguments()
    spec = json.loads(given.spec.read_text(encoding="utf-8"))
    kinds = {name: kind for name, kind in spec["kinds"].items() if name != spec.get("group")}
    table = read(given.train, kinds)
    start = time.perf_counter()
    synthetic = synthesize(table.copy(), given)
    seconds = time.perf_counter() - start
    write(synthetic, table, kinds, given.out)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE
    print(json.dumps({"seconds": round(seconds, 1), "peak_mb": round(peak)}))
