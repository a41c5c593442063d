"""The command line: flags in, one verb of the API called, exit code out. Heavy imports wait until a verb needs them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from synth.errors import SynthError, UsageError, where
from synth.version import __version__

if TYPE_CHECKING:
    from synth.api import Project
    from synth.artifacts.results import Results
    from synth.console import Console

F = TypeVar("F", bound=Callable[..., Any])
INTERRUPTED = "Interrupted. Tables are as they were; a reservation that was made counts as spent."
COLOR = False if os.environ.get("NO_COLOR") else None  # None: where it is a terminal
CONTEXT = {"help_option_names": ["-h", "--help"], "color": COLOR, "max_content_width": 100}

_project_options = [
    click.option(
        "--project-dir",
        default=".",
        envvar="SYNTH_PROJECT_DIR",
        metavar="DIR",
        help="The project's folder, or one below it.",
    ),
    click.option(
        "-t", "--target", default=None, envvar="SYNTH_TARGET", metavar="NAME", help="A target of synth_project.yml."
    ),
    click.option(
        "--vars",
        "variables",
        default=None,
        envvar="SYNTH_VARS",
        metavar="YAML",
        help="Variables, such as '{year: 2020}'.",
    ),
    click.option("-q", "--quiet", is_flag=True, envvar="SYNTH_QUIET", help="Print errors only."),
]
_selection_options = [
    click.option(
        "-s", "--select", multiple=True, metavar="SELECTOR", help="Such as: admissions, +admissions, tag:hospital."
    ),
    click.option("--exclude", multiple=True, metavar="SELECTOR", help="What to leave out of the selection."),
]
_refresh = click.option("-f", "--full-refresh", is_flag=True, help="Fit again where a paid generator could be reused.")


def _with(options: list[Callable[[F], F]]) -> Callable[[F], F]:
    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


@click.group(context_settings=CONTEXT)
@click.version_option(__version__, prog_name="synth")
def cli() -> None:
    """Turn private tables into differentially private synthetic tables, declared like a dbt project.

    \b
    Example:
      synth compile                      read no row, write SQL and plans to target/
      synth build --select admissions    fit, sample, land and test one table
    """


@cli.command()
@click.argument("folder", metavar="FOLDER")
def init(folder: str) -> None:
    """Start a project in a new FOLDER: one small simulated table that builds at once."""
    from synth.starter import write_starter

    path = write_starter(Path(folder))
    click.echo(f"Wrote a project to {path}. Next:\n\n  cd {path}\n  synth build\n")


@cli.command()
@_with(_project_options)
def debug(project_dir: str, target: str | None, variables: str | None, quiet: bool) -> None:
    """Check the installation, the project, the database, the ledger and the randomness."""
    from synth.diagnosis import diagnose

    checks = list(diagnose(lambda: _project(project_dir, target, variables)))
    for check in checks:
        if not (quiet and check.good):
            mark = click.style("ok   " if check.good else "FAIL ", fg="green" if check.good else "red")
            click.echo(f"{mark} {check.what}")
    if not all(check.good for check in checks):
        sys.exit(1)


@cli.command("compile")
@_with(_project_options)
def compile_(project_dir: str, target: str | None, variables: str | None, quiet: bool) -> None:
    """Turn YAML and SQL into DuckDB SQL, plans and expectations in target/. Reads no row."""
    project = _project(project_dir, target, variables)
    compiled = project.compile()
    if not quiet:
        counts = (
            f"{len(compiled.synthetic)} synthetic, {len(compiled.public)} public, {len(compiled.tests)} singular tests"
        )
        click.echo(f"Compiled {counts} to {project.settings.target_path}/")


@cli.command()
@_with(_project_options + _selection_options)
def plan(project_dir: str, target: str | None, variables: str | None, quiet: bool, select: Any, exclude: Any) -> None:
    """Show what a run would spend, and what its tables would be good for. Reads no row."""
    from synth.console import price

    project = _project(project_dir, target, variables)
    models = project.plan(select, exclude)
    for model in models:
        click.echo(f"{model.relation}\n  {price(model)}")
        for sentence in model.plan.why:
            click.echo(f"  {sentence}")
    for found in project.forecast(models):
        verdict = "within the cap" if found.after <= found.budget.epsilon else "the budget would REFUSE it"
        click.echo(
            f"{found.population}: {found.spent:.2f} of {found.budget.epsilon:.2f} spent; fitting this anew would bring it "
            f"to {found.after:.2f}: {verdict}. An unchanged plan over an unchanged source is reused for nothing."
        )


@cli.command()
@_with([*_project_options, *_selection_options, _refresh])
def run(
    project_dir: str,
    target: str | None,
    variables: str | None,
    quiet: bool,
    select: Any,
    exclude: Any,
    full_refresh: bool,
) -> None:
    """Reserve budget, prepare, fit, sample and land the selected models.

    Example: synth run --select admissions
    """
    project, console = _project(project_dir, target, variables), _console(quiet)
    _close(console, project.run(select, exclude, full_refresh, console))


@cli.command()
@_with([*_project_options, *_selection_options])
def test(project_dir: str, target: str | None, variables: str | None, quiet: bool, select: Any, exclude: Any) -> None:
    """Judge the tables that landed: declared expectations and singular tests, as SQL and as Data Docs."""
    project, console = _project(project_dir, target, variables), _console(quiet)
    results = project.test(select, exclude, console)
    _say_docs(project, console, results)
    _close(console, results)


@cli.command()
@_with([*_project_options, *_selection_options, _refresh])
def build(
    project_dir: str,
    target: str | None,
    variables: str | None,
    quiet: bool,
    select: Any,
    exclude: Any,
    full_refresh: bool,
) -> None:
    """Run and test in order; children of a failure are skipped.

    Example: synth build --select +admissions
    """
    project, console = _project(project_dir, target, variables), _console(quiet)
    results = project.build(select, exclude, full_refresh, console)
    _say_docs(project, console, results)
    _close(console, results)


@cli.command()
@_with(_project_options + _selection_options)
def ls(project_dir: str, target: str | None, variables: str | None, quiet: bool, select: Any, exclude: Any) -> None:
    """List the selected sources, models and singular tests."""
    for node in _project(project_dir, target, variables).ls(select, exclude):
        prefix = {"source": "source:", "test": "test:"}.get(node.kind, "")
        what = node.materialized if node.kind == "model" else node.kind
        click.echo(prefix + node.name if quiet else f"{prefix + node.name:40} {what}")


@cli.command()
@_with(_project_options)
@click.option("-s", "--select", required=True, metavar="MODEL", help="One synthetic or public model.")
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 10_000), help="Rows to show.")
def show(project_dir: str, target: str | None, variables: str | None, quiet: bool, select: str, limit: int) -> None:
    """Show a few rows of a synthetic or public table."""
    from synth.console import table

    project = _project(project_dir, target, variables)
    nodes = [n for n in project.ls([select]) if n.kind == "model" and n.zone != "private"]
    if len(nodes) != 1:
        raise UsageError(f"'{select}' is not one synthetic or public model", "See them with: synth ls")
    names, rows = project.rows(nodes[0].name, limit)
    click.echo(table(names, rows, shutil.get_terminal_size((140, 24)).columns))


@cli.command()
@_with(_project_options)
@click.option("--history", is_flag=True, help="Every entry, oldest first.")
def ledger(project_dir: str, target: str | None, variables: str | None, quiet: bool, history: bool) -> None:
    """Show what each population has spent of its cap. The ledger checks itself each time it is read."""
    from synth.console import table

    found = _project(project_dir, target, variables).ledger
    if history:
        rows = [(e.time, e.kind, e.population, e.model, e.id) for e in found.history()]
        click.echo(table(["time", "kind", "population", "model", "id"], rows))
        return
    names = ["population", "spent", "left", "cap", "delta", "set by", "open"]
    click.echo(
        table(
            names,
            [
                (s.population, f"{s.spent:.4f}", f"{s.left:.4f}", f"{s.cap:g}", f"{s.delta:g}", s.approver, s.reserved_open)
                for s in found.summary()
            ],
        )
    )  # fmt: skip


@cli.command()
@_with(_project_options)
@click.option(
    "--all", "everything", is_flag=True, help="Also fitted generators and the tables: fitting again spends budget."
)
def clean(project_dir: str, target: str | None, variables: str | None, quiet: bool, everything: bool) -> None:
    """Remove from target/ what can be made again for nothing. The ledger always stays."""
    project = _project(project_dir, target, variables)
    if everything and sys.stdin.isatty():
        click.confirm("Fitted generators and tables go: fitting again spends budget. Go on?", abort=True)
    removed = project.clean(everything)
    if not quiet:
        click.echo(f"Removed {', '.join(removed)}" if removed else "Nothing to remove")


def _project(folder: str, target: str | None, variables: str | None) -> Project:
    from synth.api import Project

    return Project(folder, target, _variables(variables))


def _variables(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    from synth.project.yaml import read

    document, problems = read("--vars", text)
    if problems or not isinstance(document.data, dict):
        raise UsageError("--vars is not a YAML mapping", "For example: --vars '{year: 2020}'")
    return dict(document.data)


def _console(quiet: bool) -> Console:
    from synth.console import Console

    console = Console(quiet)
    console.line(f"Running with synth {__version__}")
    return console


def _say_docs(project: Project, console: Console, results: Results) -> None:
    if not results.suites:
        return
    console.line(f"Data Docs: {os.path.relpath(project.folder.data_docs / 'index.html', project.root)}")


def _close(console: Console, results: Results) -> None:
    console.summary(results)
    if results.failed:
        sys.exit(3 if results.refused else 1)


def main() -> None:
    """Runs the command line; the exit code is 0, 1 failed, 2 usage or project error, 3 refused by the budget."""
    if os.environ.get("SYNTH_DEBUG"):
        cli()
        return
    try:
        cli(prog_name="synth", standalone_mode=False)
    except SynthError as error:
        _fail(str(error), error.exit_code)
    except click.UsageError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        _fail(INTERRUPTED, 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(f"{error.filename or 'a file'}: {error.strerror}", 1)
    except Exception as error:  # a bug: its message could quote data, so only its place is shown
        from synth.runtime.duckdb_errors import interrupted

        if interrupted(error):
            _fail(INTERRUPTED, 1)
        _fail(
            f"synth has a bug: {where(error)}. Please report it; set SYNTH_DEBUG=1 to see all, which may show data.", 1
        )


def _fail(text: str, code: int) -> None:
    click.echo(f"{click.style('Error', fg='red')}: {text}", err=True, color=COLOR)
    sys.exit(code)
