"""What a compiled project is compared with in golden files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from synth.artifacts.compiled import Compiled, SyntheticModel

GOLDEN = Path(__file__).parent / "golden"
STEPS = ("prepare", "oddities", "restore", "land", "rows")


def compare(
    compiled: Compiled, folder: Path, golden: Callable[[Path, str], None], request: pytest.FixtureRequest
) -> None:
    """Every compiled text beside its golden file, and no file besides."""
    texts = dict(golden_texts(compiled))
    for name, text in texts.items():
        golden(folder / name, text)
    left_over = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - set(texts)
    if request.config.getoption("--rewrite-golden"):
        for name in left_over:
            (folder / name).unlink()
    else:
        assert not left_over


def golden_texts(compiled: Compiled) -> Iterator[tuple[str, str]]:
    for name, model in compiled.synthetic.items():
        for step in STEPS:
            if sql := getattr(model, f"{step}_sql"):
                yield f"{name}/{step}.sql", sql
        checks = compiled.expectations[name]
        yield f"{name}/expectations.sql", "\n".join(f"-- {c.id}: {c.description!r}\n{c.sql}" for c in checks)
        listed = [check.model_dump(mode="json", exclude={"sql"}) for check in checks]
        yield f"{name}/expectations.json", "".join(f"{json.dumps(c, ensure_ascii=False)}\n" for c in listed)
        yield f"{name}/model.json", json.dumps(decided(model), indent=1, ensure_ascii=False) + "\n"
    for name, public in compiled.public.items():
        yield f"{name}.sql", f"-- {public.materialized}\n{public.sql}"
    project = compiled.manifest.metadata.project_name
    for name, test in compiled.tests.items():
        yield f"{name}.sql", f"-- reads {', '.join(compiled.parents[f'test.{project}.{name}'])}\n{test.sql}"
    manifest = compiled.manifest.model_dump(mode="json")
    for node in manifest["nodes"].values():
        node["fingerprint"] = node["fingerprint"] and "set"  # it hashes the whole plan
        node["checksums"] = [*node["checksums"]]
    nodes = ",\n".join(json.dumps(node, ensure_ascii=False) for node in manifest["nodes"].values())
    yield "manifest.json", f"[\n{nodes}\n]\n"


def decided(model: SyntheticModel) -> dict[str, Any]:
    """A model without what the sizing of its network decides, and without the keys it comes from: see test_plan."""
    apart = {"plan", "sql", "declared", "landed_sql", *(f"{step}_sql" for step in STEPS)}
    data = model.model_dump(mode="json", exclude=apart)
    plan = model.plan.model_dump(mode="json", include={"model", "layout", "parent", "rows"})
    data["plan"] = plan | {"privacy": model.plan.privacy.model_dump(mode="json", exclude={"events"})}
    return data
