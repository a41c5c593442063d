"""One server of processes for all tests of privacy."""

from __future__ import annotations

import pytest

from processes import Processes, shared


@pytest.fixture(scope="session")
def processes() -> Processes:
    return shared()
