"""Cuts the SUPPORT study (support2, 9,105 patients) out of the package SurvSet into support.csv.gz beside this file.

``pip install SurvSet==0.2.11`` in an environment of its own, then ``python sources/support/cut.py``. Nothing else needs
SurvSet: its data are pickles, which the project never loads. Values are written as SurvSet holds them, whole numbers
without a point; the gzip file carries no time, so every run writes the same bytes.
"""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pandas as pd
from SurvSet.data import SurvLoader


def support() -> pd.DataFrame:
    """support2 under its clinical names: SurvSet's ``num_`` and ``fac_`` go, its patient number becomes ``id``."""
    table = SurvLoader().load_dataset("support2")["df"].drop(columns="fac_num_co")  # there again as num_num_co
    plain = [name[4:] if name.startswith(("num_", "fac_")) else name for name in table.columns]
    return table.set_axis(["id" if name == "pid" else name for name in plain], axis="columns")


def written(value: object) -> str:
    """Empty where missing, 12 for 12.0, otherwise the shortest text of the same number."""
    if pd.isna(value):
        return ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(float(value))
    return str(value)


def main() -> None:
    table = support()
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(table.columns)
    rows.writerows([written(value) for value in row] for row in table.itertuples(index=False))
    with (
        Path(__file__).with_name("support.csv.gz").open("wb") as file,
        gzip.GzipFile("", "wb", 9, file, mtime=0) as out,
    ):
        out.write(text.getvalue().encode())


if __name__ == "__main__":
    main()
