"""The documents say what is true: every key is listed, every relative link leads somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from synth.project import spec

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "bench" / "README.md",
]


def keys() -> Iterator[str]:
    columns, formats = (get_args(get_args(union)[0]) for union in (spec.Column, spec.Format))
    for model in (spec.ProjectSpec, spec.BudgetSpec, spec.TargetSpec, spec.Source, spec.SourcePrivacy, spec.SourceTable,
                  spec.Freshness, spec.FreshnessAfter,
                  spec.Table, spec.ModelConfig, spec.ForeignKey, spec.Constraint, *columns, *formats):  # fmt: skip
        for name, field in model.model_fields.items():
            yield field.alias or name


@pytest.mark.parametrize("key", sorted(set(keys())))
def test_every_key_is_documented(key: str) -> None:
    assert re.search(rf"[`{{ .:]{re.escape(key)}\b", (ROOT / "docs" / "yaml.md").read_text())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert target.startswith("http") or (page.parent / target).exists(), target
