"""What a command read elsewhere, replaced and said, as Python's audit hooks and its two streams tell while it runs."""

from __future__ import annotations

import os
import sys

from synth.cli.stamps import Stamp, outside

TYPE_CHECKING = False  # as typing has it, which takes as long to import as an answer
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import IO, Any

_READ = ("open", "os.listdir", "os.scandir", "synth.place")
_REMOVED = ("os.remove", "os.rmdir")
_BEYOND = ("subprocess.Popen", "socket.connect")  # whose answers nobody can know again
_EVENTS = {*_READ, *_REMOVED, *_BEYOND, "os.rename", "os.mkdir", "synth.env_var"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND
_LOGS = (".wal", "-wal")  # beside a database: what was written last
UNHEEDED = {"_", "OLDPWD", "SHLVL"}  # variables of the environment that a shell changes by itself


class Witness:
    """Hears from ``with`` on. ``covered``: whether a path is looked at by others, as it was before and will be after.

    ``synth.place`` (a path that may be looked at without being opened, as sources are) and ``synth.env_var`` (a variable that is
    asked for) are events of synth's own.
    """

    def __init__(self, covered: Callable[[str], bool]) -> None:
        self.whole = True  # whether all that mattered could be noted
        self.opened: set[str] = set()
        self.read: dict[str, Stamp] = {}  # files and folders that are not covered, as they were before
        self.wrote: dict[str, Stamp | None] = {}  # size and inode of what took its place there; None: it was removed
        self.said: list[list[str]] = []  # stream and text
        self._covered = covered
        self._here = os.getcwd()
        self._listens = False

    def __enter__(self) -> Witness:
        sys.addaudithook(self._hear)  # for good: a hook cannot be taken away
        self._listens = True
        for name in ("stdout", "stderr"):
            self._overhear(name, getattr(sys, name))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listens = False
        for stream in (sys.stdout, sys.stderr):
            vars(stream).pop("write", None)

    def _overhear(self, name: str, stream: IO[str]) -> None:
        write = stream.write

        def noted(text: str) -> int:
            written = write(text)  # which refuses bytes, by which click tells what stream it is
            if self.said and self.said[-1][0] == name:
                self.said[-1][1] += text
            else:
                self.said.append([name, text])
            return written

        stream.write = noted  # type: ignore[method-assign]

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if self._listens and event in _EVENTS:
            self._listens = False  # to what noting it does
            try:
                self._note(event, args)
            except Exception:  # which nobody may notice
                self.whole = False
            self._listens = True

    def _note(self, event: str, args: tuple[Any, ...]) -> None:
        if event in _READ:
            self._reads(event, args)
        elif event == "os.rename":
            status = os.stat(args[0])
            self.wrote[self._path(args[1])] = (status.st_size, status.st_ino)
            self.wrote[self._path(args[0])] = None
        elif event in _REMOVED:
            self.wrote[self._path(args[0])] = None
        elif event == "os.mkdir":
            self.wrote[self._path(args[0])] = ()
        elif event in _BEYOND or args[0] in UNHEEDED:
            self.whole = False

    def _reads(self, event: str, args: tuple[Any, ...]) -> None:
        if isinstance(args[0], int) or args[0] == os.devnull:
            return
        path = self._path(args[0])
        self.opened.add(path)
        if self._covered(path):
            return
        if event == "open" and args[2] & _WRITES:
            self.whole = False
        for found in (path, *(path + log for log in _LOGS)) if event == "synth.place" else (path,):
            if found not in self.read:
                self.read[found] = outside(found)

    def _path(self, given: Any) -> str:
        return os.path.join(self._here, os.fsdecode("." if given is None else given))
