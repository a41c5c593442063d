"""The command line: flags in, one verb of the API called, exit code out. Heavy imports wait until a verb needs them."""

from __future__ import annotations

import os
import sys

from synth.version import __version__

_REMEMBERED = ("ls", "compile", "plan")  # they read no row, and what they do is said and lies in target/


def process() -> None:
    """``main``, and the end of the process: at once where nothing is left open, for Python takes itself down slowly."""
    main()
    if sys.argv[1:2] and sys.argv[1] in _REMEMBERED:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        os._exit(0)


def main() -> None:
    """Runs the command line; the exit code is 0, 1 failed, 2 usage or project error, 3 refused by the privacy budget."""
    if sys.argv[1:] == ["--version"]:  # which needs nothing, not even click
        sys.stdout.write(f"synth, version {__version__}\n")
        return
    if sys.argv[1:2] and sys.argv[1] in _REMEMBERED:
        from synth.cli.unchanged import once

        once(_run)
    else:
        _run()


def _run() -> None:
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # else pydantic looks through all that is installed
    from synth.cli.root import run

    run()
