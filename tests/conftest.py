"""Options of the test suite."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import figures

signal.signal(
    signal.SIGINT, signal.default_int_handler
)  # a shell's background jobs ignore it, and so would all they start
os.environ.setdefault("OMP_NUM_THREADS", "1")  # as many workers as cores: threads would only wait for each other


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-golden", action="store_true", help="write what is produced into the golden files")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The test that takes longest comes first: at the end one worker would wait for the other."""
    items.sort(key=lambda item: item.path.name != "test_tutorial.py")


@pytest.fixture(autouse=True)
def shown(request: pytest.FixtureRequest) -> Iterator[None]:
    """Gives the figures of a test to its JUnit report, where one is written."""
    figures.found.clear()
    yield
    request.node.user_properties += [(name, float(value)) for name, value in figures.found.items()]


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Compares text with a golden file, or writes the file where --rewrite-golden is given."""

    def compare(path: Path, text: str) -> None:
        if request.config.getoption("--rewrite-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), f"differs from {path}; see make golden"

    return compare
