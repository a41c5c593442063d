"""What tells that a file was changed, of a whole project within milliseconds. Nothing is imported that Python has not."""

from __future__ import annotations

import os
import stat
import sys

MOST = 20_000  # files; a project of more is not looked through
Stamp = tuple[object, ...]  # its first item is when what it is of was changed last, in nanoseconds; 0: it does not say
_NO_INPUT = (".git", "__pycache__")


class Unknowable(Exception):
    """Nobody can tell cheaply whether it is as it was."""


def stamps(top: str, skipped: set[str]) -> dict[str, Stamp]:
    """By path, of every file and folder below ``top``, also where links lead. OSError, or Unknowable where there are too many.

    ``skipped``: folders that are left out; those of Git and virtual environments are added. A folder's own times say nothing
    that its entries do not say.
    """
    found: dict[str, Stamp] = {}
    folders, followed = [top], set()
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as listed:
                entries = list(listed)
        except PermissionError:  # synth cannot read it either; its mode is in its stamp
            continue
        if folder != top and any(entry.name == "pyvenv.cfg" for entry in entries):
            skipped.add(folder)
            del found[folder]
            continue
        for entry in entries:
            if entry.path in skipped or entry.name in _NO_INPUT:
                skipped.add(entry.path)
                continue
            found[entry.path] = _entry(entry)
            if entry.is_dir():
                status = entry.stat()
                if not entry.is_symlink():
                    folders.append(entry.path)
                elif (status.st_dev, status.st_ino) not in followed:  # once, for links may go round
                    followed.add((status.st_dev, status.st_ino))
                    folders.append(entry.path)
        if len(found) > MOST:
            raise Unknowable
    return found


def outside(path: str) -> Stamp:
    """Of one file, or of a folder and its entries; where there is none, that there is none. OSError, Unknowable."""
    real = os.path.realpath(path)
    try:
        status = os.stat(real)
    except (FileNotFoundError, NotADirectoryError):
        return (0, real)
    if stat.S_ISREG(status.st_mode):
        return (status.st_ctime_ns, real, _stamp(status))
    if not stat.S_ISDIR(status.st_mode):
        raise Unknowable
    with os.scandir(real) as listed:
        entries = sorted((entry.name, _entry(entry)) for entry in listed)
    if len(entries) > MOST:
        raise Unknowable
    return (newest(dict(entries)), real, _stamp(status), entries)


def installed() -> dict[str, Stamp]:
    """Of the folders that modules are found in: another one is there as soon as something is installed."""
    return {folder: (0, _stamp(os.stat(folder))) for folder in sys.path if os.path.isdir(folder)}


def newest(found: dict[str, Stamp]) -> int:
    """When the file that was changed last was changed, in nanoseconds."""
    return max((time for time, *_ in found.values() if isinstance(time, int)), default=0)


def _entry(entry: os.DirEntry[str]) -> Stamp:
    status = entry.stat(follow_symlinks=False)
    if stat.S_ISDIR(status.st_mode):
        return (0, status.st_ino, status.st_mode)
    if not stat.S_ISLNK(status.st_mode):
        return _stamp(status)
    try:
        led = entry.stat()
    except OSError:  # to nowhere
        return (status.st_ctime_ns, _stamp(status))
    if stat.S_ISDIR(led.st_mode):
        return (status.st_ctime_ns, _stamp(status), led.st_ino, led.st_mode)
    return (max(status.st_ctime_ns, led.st_ctime_ns), _stamp(status), _stamp(led))


def _stamp(status: os.stat_result) -> Stamp:
    return (
        status.st_ctime_ns, status.st_mtime_ns, status.st_size, status.st_dev, status.st_ino, status.st_mode,
    )  # fmt: skip
