"""The command line: flags in, one verb of the API called, exit code out. Heavy imports wait until a verb needs them."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
from click.core import ParameterSource

from synth.errors import LedgerError, SynthError, UsageError, where
from synth.version import __version__

if TYPE_CHECKING:
    from synth.api import Project
    from synth.artifacts.results import Results
    from synth.console import Console
    from synth.privacy.ledger import Ledger

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
    click.option("--selector", default=None, metavar="NAME", help="A selection of selectors.yml."),
    click.option(
        "--indirect-selection",
        default="eager",
        envvar="SYNTH_INDIRECT_SELECTION",
        type=click.Choice(["eager", "cautious", "buildable", "empty"]),
        help="Which tests come with what they test.",
    ),
    click.option(
        "--state",
        default=None,
        envvar="SYNTH_STATE",
        metavar="DIR",
        help="Where an earlier manifest.json and run_results.json are, for state: and result:.",
    ),
]
_population = click.option("--population", metavar="NAME", help="Only of this population.")
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


@cli.command()
@click.argument("table", metavar="[SOURCE.TABLE]", required=False)
@_with(_project_options)
@click.option(
    "--epsilon",
    type=click.FloatRange(1e-3, 100),
    help="Pay for what rows tell, so that noise protects the people in them.",
)
@click.option(
    "--from", "metadata", metavar="FILE", help="Metadata of NHSSynth (YAML) or SDV (JSON); rows fill its gaps."
)
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
def draft(
    project_dir: str, target: str | None, variables: str | None, quiet: bool,
    table: str | None, epsilon: float | None, metadata: str | None, force: bool,
) -> None:  # fmt: skip
    """Write metadata/TABLE.yml from a private table, from the metadata of another tool, or from both.

    Without --epsilon, what the rows of SOURCE.TABLE tell is exact: each such column is marked drafted: true, and no run
    takes it until somebody has checked that it is public knowledge and removes the mark. Where no SOURCE.TABLE is named,
    no row is read.

    \b
    Example:
      synth draft mimic.admissions                             private: to be reviewed
      synth draft mimic.admissions --epsilon 0.5               paid: bounds and categories passed noise
      synth draft --from support_metadata.yaml                 NHSSynth's or SDV's metadata, with TODO for what they lack
      synth draft nhs.support --from support_metadata.yaml --epsilon 0.5
    """
    from synth.draft import draft as write_draft

    for one in write_draft(table, epsilon, metadata, force, project_dir, target, _variables(variables)):
        todo = f"; to be filled in: {one.todo} lines with TODO" if one.todo else ""
        if not quiet:
            click.echo(f"Wrote {one.file}: {one.columns} columns{one.paid}{todo}")
        _warn(one.warning)


@cli.command("compile")
@_with(_project_options)
def compile_(project_dir: str, target: str | None, variables: str | None, quiet: bool) -> None:
    """Turn YAML and SQL into DuckDB SQL, plans and expectations in target/. Reads no row."""
    project = _project(project_dir, target, variables)
    compiled = project.compile()
    _warn(project.unprotected({*compiled.synthetic, *compiled.public}))
    _warn(project.drafted(compiled.synthetic))
    if not quiet:
        counts = (
            f"{len(compiled.synthetic)} synthetic, {len(compiled.public)} public, {len(compiled.tests)} singular tests"
        )
        click.echo(f"Compiled {counts} to {project.settings.target_path}/")


@cli.command()
@_with([*_project_options, *_selection_options, _refresh])
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def plan(
    project_dir: str,
    target: str | None,
    variables: str | None,
    quiet: bool,
    select: Any,
    exclude: Any,
    full_refresh: bool,
    as_json: bool,
    **how: Any,
) -> None:
    """Show what a run would reuse, fit and spend, why, and what its tables would be good for. Reads no row.

    Exit code 3 where the budget would refuse a model.
    """
    from synth.console import plan_text

    project = _project(project_dir, target, variables)
    forecast = project.plan(select, exclude, full_refresh, **how)
    _warn(project.unprotected({model.model for model in forecast.models}))
    _warn(project.drafted({model.model for model in forecast.models}))
    if not quiet:
        click.echo(forecast.model_dump_json(indent=1) if as_json else plan_text(forecast))
    if forecast.refused:
        sys.exit(3)


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
    **how: Any,
) -> None:
    """Reserve budget, prepare, fit, sample and land the selected models.

    Example: synth run --select admissions
    """
    project, console = _project(project_dir, target, variables), _console(quiet)
    _close(console, project.run(select, exclude, full_refresh, console, **how))


@cli.command()
@_with([*_project_options, *_selection_options])
def test(
    project_dir: str, target: str | None, variables: str | None, quiet: bool, select: Any, exclude: Any, **how: Any
) -> None:
    """Judge the tables that landed: declared expectations and singular tests, as SQL and as Data Docs."""
    project, console = _project(project_dir, target, variables), _console(quiet)
    results = project.test(select, exclude, console, **how)
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
    **how: Any,
) -> None:
    """Run and test in order; children of a failure are skipped.

    Example: synth build --select +admissions
    """
    project, console = _project(project_dir, target, variables), _console(quiet)
    results = project.build(select, exclude, full_refresh, console, **how)
    _say_docs(project, console, results)
    _close(console, results)


@cli.command()
@_with(_project_options)
@click.option("--state", default=None, envvar="SYNTH_STATE", metavar="DIR", help="Where its run_results.json is.")
def retry(project_dir: str, target: str | None, variables: str | None, quiet: bool, state: str | None) -> None:
    """Do again what failed or was skipped in the last run, test or build, with the same flags."""
    from synth.api import Project, last_results

    previous = last_results(project_dir, state)
    said = previous.args.vars if variables is None else _variables(variables)
    project, console = Project(project_dir, target or previous.args.target, said), _console(quiet)
    results = project.retry(previous, console)
    _say_docs(project, console, results)
    _close(console, results)


@cli.command("check-sql")
@_with([*_project_options, *_selection_options])
@click.option(
    "--units", default=20, show_default=True, type=click.IntRange(1, 10_000), help="How many units to leave out."
)
def check_sql(
    project_dir: str, target: str | None, variables: str | None, quiet: bool, select: Any, exclude: Any, units: int,
    **how: Any,
) -> None:  # fmt: skip
    """Run the SQL before the mechanism without one person, for some persons, and see that no other's rows move.

    Reads private rows and spends nothing: what it says is for those who may read them.
    """
    project, console = _project(project_dir, target, variables), _console(quiet)
    results = project.check_sql(select, exclude, units, console, **how)
    if any(result.status != "pass" for result in results):
        sys.exit(1)


@cli.command()
@_with(_project_options + _selection_options)
@click.option(
    "--resource-type",
    "resource_types",
    multiple=True,
    type=click.Choice(["source", "model", "test"]),
    help="Only of this kind.",
)
@click.option(
    "--output",
    default="selector",
    show_default=True,
    type=click.Choice(["selector", "name", "path", "json"]),
    help="What a line says of a node.",
)
def ls(
    project_dir: str, target: str | None, variables: str | None, quiet: bool, select: Any, exclude: Any,
    resource_types: Any, output: str, **how: Any,
) -> None:  # fmt: skip
    """List the selected sources, models and tests, one a line, whatever is quiet."""
    from synth.console import listed

    project = _project(project_dir, target, variables)
    nodes = project.ls(select, exclude, resource_types, **how)
    _warn(project.unprotected({node.name for node in nodes}))
    for node in nodes:
        click.echo(listed(node, output))


@cli.command()
@_with(_project_options)
@click.option("-s", "--select", required=True, metavar="MODEL", help="One synthetic or public model.")
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 10_000), help="Rows to show.")
def show(project_dir: str, target: str | None, variables: str | None, quiet: bool, select: str, limit: int) -> None:
    """Show a few rows of a synthetic or public table."""
    from synth.console import table

    project = _project(project_dir, target, variables)
    nodes = project.ls(select, resource_types=["model"])
    if len(nodes) == 1 and nodes[0].zone == "private":
        raise UsageError(
            f"{nodes[0].name} is private: its rows are never shown", "Show the synthetic model that reads it."
        )
    nodes = [node for node in nodes if node.zone != "private"]
    if len(nodes) != 1:
        raise UsageError(f"'{select}' is not one synthetic or public model", "See them with: synth ls")
    names, rows = project.rows(nodes[0].name, limit)
    _warn(project.unprotected({nodes[0].name}))
    click.echo(table(names, rows, shutil.get_terminal_size((140, 24)).columns))


@cli.command()
@_with(_project_options)
@click.option("-s", "--select", required=True, metavar="MODEL", help="One synthetic model, fitted.")
@click.option("--rows", default=10, show_default=True, type=click.IntRange(1, 10_000_000), help="Rows to make.")
@click.option("--where", multiple=True, metavar="SQL", help="What holds in each: 'age > 80'.")
@click.option("--given", multiple=True, metavar="COLUMN=VALUE", help="A column's value; nothing after = means missing.")
@click.option("--per", default=None, metavar="COLUMN", help="So many rows for each value of this column.")
@click.option("--seed", default=1, show_default=True, help="The same seed makes the same rows.")
@click.option("--out", default=None, metavar="FILE", help="A .csv or .parquet file to write, instead of showing rows.")
def sample(
    project_dir: str, target: str | None, variables: str | None, quiet: bool, select: str, rows: int, where: tuple[str, ...],
    given: tuple[str, ...], per: str | None, seed: int, out: str | None,
) -> None:  # fmt: skip
    """Make more rows of a fitted model, on any condition. Spends nothing.

    Example: synth sample --select members --rows 100 --where "age > 80" --per sex --out old.csv
    """
    from synth.console import table

    if out is not None and Path(out).suffix not in (".csv", ".parquet"):
        raise UsageError(f"--out {out} is neither .csv nor .parquet", "Name the file rows.csv, say.")
    if wrong := [text for text in given if "=" not in text]:
        raise UsageError(f"--given takes COLUMN=VALUE, not '{wrong[0]}'", "For example --given sex=F.")
    project = _project(project_dir, target, variables)
    values = {name: value for name, _, value in (text.partition("=") for text in given)}
    names, found = project.sample(select, rows, where, values, per, seed, out)
    if out is None:
        click.echo(table(names, found, shutil.get_terminal_size((140, 24)).columns))
    elif not quiet:
        click.echo(f"Wrote synthetic rows to {out}")


@cli.group(invoke_without_command=True)
@_with(_project_options)
@click.pass_context
def ledger(context: click.Context, /, **_: Any) -> None:
    """Show what each population has spent of its cap. The ledger checks itself each time it is read.

    \b
    Example:
      synth ledger                       what is spent and left
      synth ledger verify                is every entry as it was written? Note the hash elsewhere
    """
    from synth.console import ledger_summary

    if context.invoked_subcommand is None:
        project = _project_of(context)
        click.echo(ledger_summary(project.ledger.summary(project.budgets), project.budgets))


@ledger.command()
@_with([*_project_options, _population])
@click.pass_context
def history(context: click.Context, /, population: str | None, **_: Any) -> None:
    """Show every entry, oldest first, and who approved which cap, and when."""
    from synth.console import ledger_history

    click.echo(ledger_history(_known(_project_of(context), population).history(population)))


@ledger.command()
@_with(_project_options)
@click.option("--hash", "noted", metavar="HASH", help="A last hash noted earlier, which must still be in the chain.")
@click.pass_context
def verify(context: click.Context, /, noted: str | None, **_: Any) -> None:
    """Check every entry, and show the last hash: write it down elsewhere.

    With --hash, also check that an entry noted earlier is still there, which finds a ledger that was put back to an
    older copy or rewritten. Exit code 1 where something is wrong.
    """
    from synth.console import ledger_verdict

    wanted = noted.strip().lower() if noted is not None else None
    if wanted is not None and not re.fullmatch("[0-9a-f]{64}", wanted):
        raise UsageError("--hash takes the 64 hexadecimal digits that synth ledger verify shows")
    found = _project_of(context).ledger
    try:
        verdict = ledger_verdict(found.path, found.verify(wanted))
    except LedgerError as error:
        _fail(str(error), 1)
    if not _flag(context, "quiet"):
        click.echo(verdict)


@ledger.command()
@_with([*_project_options, _population])
@click.option("--out", metavar="FILE", help="Write it there instead.")
@click.pass_context
def export(context: click.Context, /, population: str | None, out: str | None, **_: Any) -> None:
    """Write the ledger as JSON: for an auditor, and as records for a public registry of deployments."""
    from synth.privacy.export import export as plain

    exported = plain(_known(_project_of(context), population), population)
    text = json.dumps(exported, indent=1, ensure_ascii=False, allow_nan=False)
    if out is None:
        click.echo(text)
        return
    Path(out).write_text(text + "\n", encoding="utf-8")
    if not _flag(context, "quiet"):
        click.echo(f"Wrote {exported['chain']['entries']} entries to {out}")


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


def _flag(context: click.Context, name: str) -> Any:
    """A flag of a subcommand, which may also stand before it."""
    typed = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    above = context.parent.params if context.parent else {}
    return context.params[name] if typed or name not in above else above[name]


def _project_of(context: click.Context) -> Project:
    return _project(*(_flag(context, name) for name in ("project_dir", "target", "variables")))


def _known(project: Project, population: str | None) -> Ledger:
    """The project's ledger, for a population that it or a budget knows."""
    from synth.project.nearest import nearest

    known = {*project.settings.budgets, *(entry.population for entry in project.ledger.history())}
    if population is not None and population not in known:
        raise UsageError(f"no budget and no entry of the ledger is of '{population}'", nearest(population, known))
    return project.ledger


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


def _warn(text: str) -> None:
    """A red line on stderr, whatever is quiet or read by a program."""
    if text:
        click.secho(text, fg="red", err=True, color=COLOR)


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


def _fail(text: str, code: int) -> NoReturn:
    click.echo(f"{click.style('Error', fg='red')}: {text}", err=True, color=COLOR)
    sys.exit(code)
