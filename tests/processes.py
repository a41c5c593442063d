"""Real synth processes for tests, in folders of their own."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


class Processes:
    """Runs synth in ``root / "project"``; what it says is in ``root``, as are its home and its folder for temp files."""

    def __init__(self) -> None:
        paths = os.pathsep.join([str(HERE), *filter(None, sys.path)])
        environment = os.environ | {"PYTHONPATH": paths, "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
        environment.pop("SYNTH_DEBUG", None)
        self._server = subprocess.Popen(
            [sys.executable, str(HERE / "preloaded.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment,
        )  # fmt: skip
        assert self._hear() == "ready"

    def __call__(self, root: Path, *commands: list[str], plant: str = "", code: str = "", **environment: str) -> int:
        """The exit code of the last command, minus the signal where one ended it. ``plant`` and ``code`` are Python."""
        places = {name: str(root / name.lower()) for name in ("HOME", "TMPDIR")}
        for place in places.values():
            Path(place).mkdir(exist_ok=True)
        order = {
            "folder": str(root / "project"), "out": str(root / "out.txt"), "err": str(root / "err.txt"),
            "environment": places | environment, "commands": commands, "plant": plant, "code": code,
        }  # fmt: skip
        return self._obey(order)

    def run(self, folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """One command in a project's folder, as ``subprocess.run`` has it."""
        with tempfile.TemporaryDirectory() as temporary:
            out, err = (Path(temporary) / name for name in ("out.txt", "err.txt"))
            order = {
                "folder": str(folder), "out": str(out), "err": str(err), "environment": environment, "commands": [arguments],
                "plant": "", "code": "",
            }  # fmt: skip
            code = self._obey(order)
            return subprocess.CompletedProcess(["synth", *arguments], code, out.read_text(), err.read_text())

    def _obey(self, order: dict[str, Any]) -> int:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        return int(self._hear())

    def close(self) -> None:
        self._server.communicate(timeout=60)

    def _hear(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline().strip()


@cache
def shared() -> Processes:
    """One server for all tests of a worker."""
    found = Processes()
    atexit.register(found.close)
    return found


def synth(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """One command in a project's folder, in a process of its own."""
    return shared().run(project, *arguments, **environment)


def said(root: Path) -> str:
    return "".join((root / name).read_text() for name in ("out.txt", "err.txt") if (root / name).exists())
