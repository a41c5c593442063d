"""A task of one's own for ``synth evaluate``: what an analyst would do with the table."""

from __future__ import annotations

import pandas


def age_of_the_dead(train: pandas.DataFrame, test: pandas.DataFrame) -> dict[str, float]:
    """How near the mean age of those who died, as the candidate has it, is to that of the held-out rows, in years (at most 0)."""
    of = [rows.loc[rows["event"] == "1", "age"].mean() for rows in (train, test)]
    return {"minus the distance in years": -abs(of[0] - of[1])}
