"""The starter project with a fit that takes a second or two."""

from __future__ import annotations

from pathlib import Path

from synth.starter import write_starter

QUICK = "hidden: 8, steps: 20, warm_start: false"


def quick_starter(folder: Path) -> Path:
    root = write_starter(folder)
    table = root / "metadata" / "members.yml"
    text = table.read_text()
    assert "config: {epsilon" in text
    table.write_text(text.replace("config: {epsilon", f"config: {{generator: {{{QUICK}}}, epsilon"))
    return root
