"""The internal report on disk: in the private zone, for its owner alone."""

from __future__ import annotations

from pathlib import Path

from synth.artifacts.compiled import SyntheticModel
from synth.artifacts.evaluation import Evaluation
from synth.files import write_whole
from synth.report.page import internal_page
from synth.runtime.evaluations import evaluation_file


def write_internal_report(model: SyntheticModel, found: Evaluation, internal: Path) -> Path:
    """The path of the page."""
    path = evaluation_file(internal, found.model).with_suffix(".html")
    write_whole(path, internal_page(model, found), 0o600)
    return path
