"""A command that would say the same once more is known again before anything that takes time is imported.

``ls``, ``compile`` and ``plan`` read no row, and what they do is said and lies in target/. What one said is kept in
target/internal/said/ with a digest of all that it depends on; while that stays the same, so does the answer. Whatever cannot
be told is no error: the command runs. ``SYNTH_REMEMBER=0`` has every command run.

The digest is keyed, as is the name of the file, by a random key of its own: the command line and the environment hold secrets
and the size of a file is a fact about its rows, and nobody shall test a guess by them. All of the environment counts but what a
shell changes by itself, since Python, its libraries and the project may each ask for any of it. Answers lie in the private zone,
for they may say where sources are.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from synth.cli.stamps import Stamp, Unknowable, installed, newest, outside, stamps
from synth.cli.witness import UNHEEDED, Witness
from synth.version import __version__

KEPT = 20  # answers
_PROJECT = "synth_project.yml"
_COMPILED = "compiled.sha256"  # in the folder that is target/
_LOG_BYTES = 10_000_000  # of a log that is full, as in synth.console.sinks: what runs turns it over
_SECRET = "SYNTH_ENV_SECRET_"  # as synth.errors has it, whose import takes longer than an answer
_RACY = 50_000_000  # nanoseconds within which two changes of a file may have one time
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_WRONG = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, Unknowable)


def once(run: Callable[[], None]) -> None:
    """Says what the command said the last time; else runs it, and keeps what it says where it does not fail."""
    question = _asked()
    if question is None:
        run()
    elif (said := question.answer()) is not None:
        question.log()
        _say(said)
    else:
        with Witness(question.covers) as witness:
            run()
        with suppress(*_WRONG, KeyboardInterrupt):
            question.keep(witness)


class Question:
    """A command and all that was there before it ran."""

    def __init__(self, root: str, target: str) -> None:
        self.time = time.time_ns()
        self.root, self.target = root, target
        self.internal = os.path.join(target, "internal")
        self.folder = os.path.join(self.internal, "said")
        self._skipped = {os.path.join(root, "logs"), self.internal}
        libraries = (f for f in sys.path if f.startswith((sys.prefix, sys.base_prefix)) or f.endswith("-packages"))
        self._python = (_PACKAGE, *libraries)
        environment = sorted((name, value) for name, value in os.environ.items() if name not in UNHEEDED)
        self._circumstances = repr(
            (
                sys.argv[1:], os.getcwd(), root, os.geteuid(), environment, [_terminal(s) for s in (1, 2)],
                sys.version, sys.executable, sys.flags, __version__,
            )
        )  # fmt: skip
        self.before = self._found()

    def covers(self, path: str) -> bool:
        """Whether a path is among what is looked at, or belongs to Python and its libraries."""
        if ".." in path.split(os.sep):
            return False
        if any(_below(path, folder) for folder in self._python):
            return True
        return _below(path, self.root) and not any(_below(path, folder) for folder in self._skipped)

    def answer(self) -> list[list[str]] | None:
        """What was said, stream by stream; None where that is not known to be said again."""
        try:
            key = self._key()
            with open(self._file(key), encoding="utf-8") as file:
                kept = json.load(file)
            elsewhere = {path: outside(path) for path in kept["elsewhere"]}
            said: list[list[str]] = kept["said"]
            return said if kept["signature"] == self._signature(key, self.before, elsewhere, said) else None
        except _WRONG:
            return None

    def keep(self, witness: Witness) -> None:
        """Keeps what was said, unless something was changed meanwhile, or may have been. Raises what ``_WRONG`` names."""
        elsewhere = witness.read | {path: outside(path) for path in _modules() if not self.covers(path)}
        secrets = [value for name, value in os.environ.items() if name.startswith(_SECRET) and value]
        if any(secret in path for secret in secrets for path in elsewhere):
            return  # paths are kept as they are
        inputs = max(newest(self.before), newest(elsewhere))
        opened = os.path.join(self.root, _PROJECT) in witness.opened and os.path.isfile(f"{self.target}/{_COMPILED}")
        if not (witness.whole and opened and inputs < self.time - _RACY):
            return
        if witness.wrote:
            time.sleep(2 * _RACY / 1e9)  # until a change of what was just written would have another time
        now, after = time.time_ns(), self._found()
        changed = {path for path in self.before | after if self.before.get(path) != after.get(path)}
        same = all(outside(path) == stamp for path, stamp in elsewhere.items())
        if same and newest(after) < now - _RACY and all(_own(witness, path, after.get(path)) for path in changed):
            self._write(after, elsewhere, witness.said)

    def log(self) -> None:
        """A line in the log, as ``synth.console.sinks`` writes them."""
        with suppress(OSError):
            path, now, name = os.path.join(self.root, "logs", "synth.log"), time.time(), os.urandom(16).hex()
            os.makedirs(os.path.dirname(path), exist_ok=True)
            info = {
                "name": "answered", "level": "info", "msg": f"Nothing has changed since the last synth {sys.argv[1]}",
                "ts": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03}+00:00",
                "invocation_id": f"{name[:8]}-{name[8:12]}-4{name[13:16]}-a{name[17:20]}-{name[20:]}",
            }  # fmt: skip
            with open(path, "a", encoding="utf-8") as file:
                if file.tell() < _LOG_BYTES:
                    file.write(
                        json.dumps({"info": info, "data": {"command": sys.argv[1], "version": __version__}}) + "\n"
                    )

    def _found(self) -> dict[str, Stamp]:
        found = stamps(self.root, self._skipped) | stamps(
            _PACKAGE, set()
        )  # virtual environments below the root are skipped
        return found | {f"{folder} of Python": stamp for folder, stamp in installed().items() if folder not in found}

    def _signature(
        self, key: bytes, found: dict[str, Stamp], elsewhere: dict[str, Stamp], said: list[list[str]]
    ) -> str:  # fmt: skip
        digest = hashlib.blake2b(self._circumstances.encode(), key=key)
        for part in (sorted(found.items()), sorted(elsewhere.items()), said):
            digest.update(repr(part).encode())
        return digest.hexdigest()

    def _file(self, key: bytes) -> str:
        asked = repr((sys.argv[1:], os.getcwd())).encode()
        return os.path.join(self.folder, hashlib.blake2b(asked, key=key, digest_size=32).hexdigest() + ".json")

    def _key(self) -> bytes:
        with open(os.path.join(self.folder, "key"), "rb") as file:
            found = bytes.fromhex(file.read().decode())
        if len(found) != 32:
            raise ValueError
        return found

    def _write(self, found: dict[str, Stamp], elsewhere: dict[str, Stamp], said: list[list[str]]) -> None:
        from synth.files import write_whole  # an answer does without

        for folder in (self.internal, self.folder):
            os.makedirs(folder, 0o700, exist_ok=True)
            os.chmod(folder, 0o700)
        try:
            key = self._key()
        except (OSError, ValueError):
            key = os.urandom(32)
            write_whole(os.path.join(self.folder, "key"), key.hex(), 0o600)
        kept = {"signature": self._signature(key, found, elsewhere, said), "elsewhere": sorted(elsewhere), "said": said}
        write_whole(self._file(key), json.dumps(kept), 0o600)
        answers = [entry for entry in os.scandir(self.folder) if entry.name.endswith(".json")]
        for entry in sorted(answers, key=lambda entry: entry.stat().st_mtime_ns)[:-KEPT]:
            os.unlink(entry.path)


def _asked() -> Question | None:
    """None where nobody can tell what the command depends on."""
    arguments = sys.argv[1:]
    if os.environ.get("SYNTH_REMEMBER") == "0":
        return None
    if "SYNTH_LOG_PATH" in os.environ or any(argument.startswith("--log-path") for argument in arguments):
        return None  # who names a log wants what is done in it
    try:
        if any(type(s) is not io.TextIOWrapper or s.encoding.lower() != "utf-8" for s in (sys.stdout, sys.stderr)):
            return None  # click would write past what is heard
        root = _root(os.path.realpath(_project_dir(arguments)))
        return Question(root, os.path.join(root, _target_path(root)))
    except _WRONG:
        return None


def _project_dir(arguments: list[str]) -> str:
    found = os.environ.get("SYNTH_PROJECT_DIR") or "."
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name, sign, value = argument.partition("=")
        if name == "--project-dir":
            found = value if sign else following
    return found


def _root(folder: str) -> str:
    """The folder with synth_project.yml, or the nearest above it; ValueError where there is none."""
    while not os.path.isfile(os.path.join(folder, _PROJECT)):
        folder, below = os.path.dirname(folder), folder
        if folder == below:
            raise ValueError
    return folder


def _target_path(root: str) -> str:
    """As it stands in plain YAML; ValueError where it does not."""
    with open(os.path.join(root, _PROJECT), encoding="utf-8") as file:
        text = file.read()
    found = re.findall(r"^target-path: *[\"']?([\w-][\w./-]*)[\"']? *$", text, re.MULTILINE)
    if len(found) != text.count("target-path") or len(found) > 1 or any(".." in name for name in found):
        raise ValueError
    return found[0].rstrip("/") if found else "target"


def _terminal(stream: int) -> tuple[int, int] | None:
    return tuple(os.get_terminal_size(stream)) if os.isatty(stream) else None  # type: ignore[return-value]


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + os.sep)


def _modules() -> set[str]:
    """The files of all that is imported, whose bytecode alone may have been opened."""
    files = (getattr(module, "__dict__", {}).get("__file__") for module in list(sys.modules.values()))
    return {os.path.abspath(file) for file in files if isinstance(file, str)}


def _own(witness: Witness, path: str, stamp: Stamp | None) -> bool:
    """Whether it is as the command itself left it."""
    if path not in witness.wrote:
        return False
    wrote = witness.wrote[path]
    if not wrote:
        return (stamp is None) == (wrote is None)
    return stamp is not None and len(stamp) == 6 and (stamp[2], stamp[4]) == wrote


def _say(said: list[list[str]]) -> None:
    try:
        for name, text in said:
            stream = sys.stderr if name == "stderr" else sys.stdout
            stream.write(text)
            stream.flush()
    except OSError as error:  # as where a command runs
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"Error: {error.strerror}\n")
        sys.exit(1)
