"""The command line's root: verbs that are loaded when one is asked for, and what is said of errors."""

from __future__ import annotations

import gc
import os
import sys
from typing import NoReturn

import click

from synth.version import __version__

COLOR = False if os.environ.get("NO_COLOR") else None  # None: where it is a terminal
INTERRUPTED = "Interrupted. Tables are as they were; a reservation that was made counts as spent."


class _Verbs(click.Group):
    """Verbs are loaded when one is asked for: nobody waits for them who wants the version."""

    def list_commands(self, context: click.Context) -> list[str]:
        """In the order in which one meets them."""
        return list(self._loaded())

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        return self._loaded().get(name)

    def _loaded(self) -> dict[str, click.Command]:
        if not self.commands:
            from synth.cli import docs, ledger, release, source  # noqa: F401  (groups of verbs)
            from synth.cli.verbs import verbs

            self.commands = verbs.commands
        return dict(self.commands)


@click.group(
    cls=_Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "color": COLOR, "max_content_width": 100},
)
@click.version_option(__version__, prog_name="synth")
def cli() -> None:
    """Turn private tables into differentially private synthetic tables, declared like a dbt project.

    \b
    Example:
      synth compile                      read no row, write SQL and plans to target/
      synth build --select admissions    fit, sample, land and test one table

    Every flag is also a variable of the environment, --full-refresh SYNTH_FULL_REFRESH. For completion in bash, zsh or fish:
    eval "$(_SYNTH_COMPLETE=bash_source synth)".
    """


def run() -> None:
    """Calls a verb, and turns what it raises into an exit code."""
    gc.set_threshold(100_000, 20, 20)  # a compiled project is many small objects, none of which is garbage
    try:
        cli(prog_name="synth", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        _fail(INTERRUPTED, 1)
    except Exception as error:
        if os.environ.get("SYNTH_DEBUG"):
            raise
        _told(error)


def _told(error: Exception) -> NoReturn:
    from synth.errors import SynthError, where

    if isinstance(error, SynthError):
        _fail(str(error), error.exit_code)
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    if isinstance(error, OSError):
        _fail(f"{error.filename or 'a file'}: {error.strerror}", 1)
    from synth.runtime.duckdb_errors import interrupted

    if interrupted(error):
        _fail(INTERRUPTED, 1)
    # a bug: its message could quote data, so only its place is shown
    _fail(f"synth has a bug: {where(error)}. Please report it; --debug shows all, which may show data.", 1)


def _fail(text: str, code: int) -> NoReturn:
    click.echo(f"{click.style('Error', fg='red')}: {text}", err=True, color=COLOR)
    sys.exit(code)
