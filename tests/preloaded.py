"""Real synth processes without the seconds of their imports: each is the fork of one that has imported everything.

Orders come as lines of JSON on standard input. Each process is its own, with its own standard output and error, and ends as
Python ends: what nobody caught is printed, what waits for the end is called, and a signal kills it. Only what was imported
beforehand is not taken down piece by piece, which would take longer than most commands.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Any, NoReturn

import dp_accounting.pld  # noqa: F401
import duckdb  # noqa: F401
import great_expectations  # noqa: F401
import opacus.accountants.analysis.prv  # noqa: F401
import pandas  # noqa: F401
import torch

import synth.build
import synth.console
import synth.generator.dp_sgd
import synth.generator.store
import synth.generator.synthesis
import synth.runtime.runner  # noqa: F401
from synth.cli import main


def become(order: dict[str, Any]) -> None:
    """Runs synth once for each of ``commands``, or the Python text ``code``, after the Python text ``plant``."""
    for number, file in ((1, order["out"]), (2, order["err"])):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.chdir(order["folder"])
    os.environ.update(order["environment"])
    exec(order["plant"], {})
    if order["code"]:
        exec(order["code"], {})
        return
    *earlier, last = order["commands"]
    for command in earlier:
        sys.argv = ["synth", *command]
        with suppress(SystemExit):
            main()
    sys.argv = ["synth", *last]
    main()


def end(order: dict[str, Any]) -> NoReturn:
    """Becomes what is ordered, and ends."""
    code = 0
    try:
        become(order)
    except SystemExit as asked:
        code = asked.code if isinstance(asked.code, int) else int(asked.code is not None)
        if isinstance(asked.code, str):
            sys.stderr.write(f"{asked.code}\n")
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        code = -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    gc.collect()  # what is in a circle closes its files, and says so where it cannot
    for stream in (sys.stdout, sys.stderr):
        with suppress(BrokenPipeError):
            stream.flush()
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def serve() -> None:
    for line in sys.stdin:
        process = os.fork()
        if not process:
            end(json.loads(line))
        _, status = os.waitpid(process, 0)
        say(str(os.waitstatus_to_exitcode(status)))


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


torch.optim.Adam([torch.zeros(1)])  # the rest of torch comes with the first optimizer
gc.freeze()  # what is imported is not looked through again in each process
say("ready")
serve()
