"""What a release holds besides its tables: figures that were paid for, and the digest by which a bundle is known."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from synth.artifacts.plan import Artifact


class ReleaseFigure(Artifact):
    """One figure of how well a table fits, and where the noise that was paid for leaves its true value, with 95% confidence.

    ``noisy measurements``: against the noisy tables that the table was fitted to, which cost nothing more. ``paid release
    metric``: against people who were held out of the fit, for a share of the epsilon.
    """

    metric: str  # "marginal_2": 1 - total variation distance, the mean over what was measured
    of: str = ""  # a column, "age × sex"; "" for the whole table
    value: float
    low: float | None = None  # of an interval of confidence
    high: float | None = None
    source: Literal["noisy measurements", "paid release metric"]
    note: str = ""


class ReleaseFigures(Artifact):
    """The figures of one table. The report shows them under "How well the table fits"; without any it has no such section."""

    model: str
    figures: tuple[ReleaseFigure, ...] = ()


class Association(Artifact):
    """How strongly two columns of synthetic rows go together: Cramér's V, corrected for bias (Bergsma 2013), 0 to 1."""

    first: str
    second: str
    value: float | None  # None where a column has one value only


class Bundle(Artifact):
    """``bundle.json``: whoever knows ``sha256`` by another way knows that no file of the bundle is another."""

    schema_version: Literal["synth/release/v1"] = "synth/release/v1"
    manifest: Literal["MANIFEST.sha256"] = "MANIFEST.sha256"
    sha256: str = Field(pattern="^[0-9a-f]{64}$")  # of the manifest
