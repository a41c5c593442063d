"""How both pipelines of dpmm are run: with their own binning and their own way with missing values."""

from __future__ import annotations

import argparse
from typing import Any

import pandas as pd
from dpmm.pipelines.base import MMPipeline

BINNING = 0.1  # the part of epsilon that cuts numbers into bins (PrivTree); dpmm adds it to the model's epsilon


def domain(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Bounds and categories, read off the data."""
    numbers = table.select_dtypes("number").columns
    return {
        name: {"lower": column.min(), "upper": column.max()}
        if name in numbers
        else {"categories": sorted(column.dropna().unique())}
        for name, column in table.items()
    }


def fit_and_sample(
    pipeline: type[MMPipeline], table: pd.DataFrame, given: argparse.Namespace, **settings: Any
) -> pd.DataFrame:
    model = pipeline(
        epsilon=(1 - BINNING) * given.epsilon,
        proc_epsilon=BINNING * given.epsilon,
        delta=given.delta,
        n_jobs=1,
        **settings,
    )
    model.fit(table, domain(table), random_state=given.seed)
    return model.generate(n_records=len(table), random_state=given.seed)
