"""The command line's root: verbs that are loaded when one is asked for, and what is said of errors."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

import click

from synth.version import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COLOR = False if os.environ.get("NO_COLOR") else None  # None: where it is a terminal
_YES = ("1", "true", "t", "yes", "y", "on")  # as click reads a flag of the environment
INTERRUPTED = "Interrupted. Tables are as they were; a reservation that was made counts as spent."


# the first sentence of each verb: nobody who reads the list waits for what verbs and options import
VERBS = {
    "init": "Start a project in a new FOLDER: one small simulated table that builds at once.",
    "debug": "Check the installation, the project, the database, the ledger and the randomness.",
    "draft": "Write metadata/TABLE.yml from a private table, from the metadata of another tool, or from both.",
    "schema": "Write JSON Schemas of the project's YAML files, with which editors complete and check what you type.",
    "compile": "Turn YAML and SQL into DuckDB SQL, plans and expectations in target/. Reads no row.",
    "plan": "Show what a run would reuse, fit and spend, why, and what its tables would be good for. Reads no row.",
    "ls": "List the selected sources, models and tests, one a line, whatever is quiet.",
    "dbt-sources": "Write the tables that synth makes as sources of a dbt project, with what is promised of them as data tests.",
    "run": "Reserve budget, prepare, fit, sample and land the selected models.",
    "test": "Judge the tables that landed: what metadata promise and the project's own tests, as SQL and as Data Docs.",
    "build": "Run and test in order; children of a failure are skipped.",
    "retry": "Do again what failed or was skipped in the last run, test or build, with the same flags.",
    "check-sql": "Run the SQL before the mechanism without one person, for some persons, and see that no other's rows move.",
    "evaluate": "Judge synthetic tables beside real rows: fidelity, use, fairness, attacks. For those who may read the rows.",
    "experiment": "Fit a model by several generators, epsilons and seeds, as experiments/NAME.yml says, and compare their "
    "tables.",
    "run-operation": "Call a macro of the project. Its run_query() asks the target's database, where no private row is.",
    "show": "Show a few rows of a synthetic or public table.",
    "sample": "Make more rows of a fitted model, on any condition. Spends nothing.",
    "clean": "Remove from target/ what can be made again for nothing. The ledger always stays.",
    "docs": "A site of the project: lineage, columns, plans, distributions, tests.",
    "ledger": "Show what each population has spent of its cap. The ledger checks itself each time it is read.",
    "release": "Write the selected tables as a bundle that leaves the house: Parquet and CSV, a report, the guarantee, digests.",
    "source": "Look at sources without reading a row: are they fresh?",
}
# of the flags that every verb has: those that take a value
WITH_VALUE = ("--project-dir", "-t", "--target", "--vars", "--threads", "--log-format", "--log-path")
GROUPS = ("docs", "ledger", "release", "source")  # of verbs, each in a module of its name; the others are in verbs


class _Verbs(click.Group):
    """Verbs are loaded when one is asked for: nobody waits for them who wants the version, or the list of them."""

    def list_commands(self, context: click.Context) -> list[str]:
        """In the order in which one meets them."""
        return list(VERBS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        if name in GROUPS:
            import_module(f"synth.cli.{name}")
        from synth.cli.verbs import verbs

        return verbs.commands.get(name)

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """What stands before the verb belongs to it: ``synth -q run`` is ``synth run -q``."""
        known = iter(enumerate(args))
        for i, argument in known:
            if argument in ("--help", "-h", "--version"):
                break
            if argument in WITH_VALUE:
                next(known, None)
            elif not argument.startswith("-"):
                args = [argument, *args[:i], *args[i + 1 :]]
                break
        return super().parse_args(context, args)

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not (context.resilient_parsing or args[0].startswith("-") or args[0] in VERBS):
            from synth.project.nearest import nearest

            raise click.UsageError(f"No such command '{args[0]}'. {nearest(args[0], VERBS)}", context)
        return super().resolve_command(context, args)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        found = [CompletionItem(name, help=VERBS[name]) for name in VERBS if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, context, incomplete)]


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
        if os.environ.get("SYNTH_DEBUG", "").lower() in _YES:
            raise
        _told(error)


def _told(error: Exception) -> NoReturn:
    from synth.errors import SynthError, where

    if isinstance(error, SynthError):
        _fail(str(error), error.exit_code, error.word)
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    if isinstance(error, OSError):
        what = error.strerror or type(error).__name__
        _fail(f"{error.filename}: {what}" if error.filename else what, 1)
    from synth.runtime.duckdb_errors import interrupted

    if interrupted(error):
        _fail(INTERRUPTED, 1)
    # a bug: its message could quote data, so only its place is shown
    _fail(f"synth has a bug: {where(error)}. Please report it; --debug shows all, which may show data.", 1)


def _fail(text: str, code: int, word: str = "Error") -> NoReturn:
    click.echo(f"{click.style(word, fg='red' if code else None)}: {text}", err=True, color=COLOR)
    sys.exit(code)
