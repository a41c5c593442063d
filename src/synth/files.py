"""Text files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: str | Path, text: str, mode: int = 0o666) -> None:
    """A file of this text, with the folders above it; until it is whole, what was there stays. ``mode``: before the umask."""
    part = f"{path}.{os.getpid()}.part"  # two processes may write the same
    file = _new(part, mode)
    try:
        rest = memoryview(text.encode())
        while rest:
            rest = rest[os.write(file, rest) :]
    finally:
        os.close(file)
    os.replace(part, path)


def _new(path: str, mode: int) -> int:
    """The descriptor of a file that was not there, so that nobody else's mode or link is taken over."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(path, flags, mode)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    except FileExistsError:
        os.unlink(path)
    return os.open(path, flags, mode)
