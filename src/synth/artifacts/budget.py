"""What a population may be asked, and who said so."""

from __future__ import annotations

from pydantic import Field

from synth.artifacts.plan import Artifact


class Budget(Artifact):
    """The cap on everything that is ever released about one population, at one delta."""

    epsilon: float = Field(gt=0, allow_inf_nan=False)
    delta: float = Field(gt=0, lt=1)
    approver: str
