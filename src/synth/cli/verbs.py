"""The verbs, but for those that have verbs of their own."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from synth.cli.options import (
    DEFER,
    DOCS,
    FAIL_FAST,
    REFRESH,
    SELECTION,
    STORE,
    Call,
    Decorator,
    flag,
    folder,
    read_variables,
    verb,
)
from synth.errors import UsageError

verbs = click.Group()


# begin


@verbs.command()
@click.argument("folder", metavar="FOLDER")
@click.option("--bare", is_flag=True, help="Empty folders, and a source to be filled in.")
def init(folder: str, bare: bool) -> None:
    """Start a project in a new FOLDER: one small simulated table that builds at once.

    Example: synth init clinic
    """
    from synth.starter import write_starter

    path = write_starter(Path(folder), bare)
    steps = ["synth plan     # what a run would do and cost; reads no row", "synth build"]
    if bare:
        steps = [
            "# sources/my_source.yml: where the rows are and whose; synth_project.yml: budgets",
            "synth debug                      # is all of it right?",
            "synth draft hospital.admissions  # metadata, to be reviewed",
        ]
    click.echo("\n  ".join([f"Wrote a project to {path}. Next:\n", f"cd {shlex.quote(str(path))}", *steps]) + "\n")


@verb(verbs)
def debug(call: Call) -> None:
    """Check the installation, the project, the database, the ledger and the randomness.

    Example: synth debug
    """
    from synth.diagnosis import diagnose

    checks = list(diagnose(lambda: call.project))
    for check in checks:
        if not (call.quiet and check.good):
            mark = click.style("ok   " if check.good else "FAIL ", fg="green" if check.good else "red")
            click.echo(f"{mark} {check.what}")
    if not all(check.good for check in checks):
        sys.exit(1)


@verb(
    verbs,
    click.argument("table", metavar="[SOURCE.TABLE]", required=False),
    flag(
        "--epsilon", type=click.FloatRange(1e-3, 100),
        help="Pay for what rows tell, so that noise protects the people in them.",
    ),
    click.option(
        "--from", "metadata", metavar="FILE", help="Metadata of NHSSynth (YAML) or SDV (JSON); rows fill its gaps."
    ),
    click.option("--force", is_flag=True, help="Overwrite a file that is there."),
)  # fmt: skip
def draft(call: Call, table: str | None, epsilon: float | None, metadata: str | None, force: bool) -> None:
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

    for one in write_draft(
        table, epsilon, metadata, force, call.project_dir, call.target, read_variables(call.variables)
    ):
        call.say(f"Wrote {one.file}: {one.columns} columns{one.paid}")
        call.warn(one.warning)
        steps = [f"Next, in {one.file}:", *(f"  {step}" for step in one.steps)] if one.steps else []
        call.say("\n".join([*steps, "Then: synth plan"]))


@verb(verbs, click.option("--out", default=None, metavar="DIR", help="In place of .synth in the project."))
def schema(call: Call, out: str | None) -> None:
    """Write JSON Schemas of the project's YAML files, with which editors complete and check what you type.

    \b
    Example: synth schema, and then as the first line of a file in metadata/:
      # yaml-language-server: $schema=../.synth/metadata.schema.json
    """
    from synth.project.loader import find_root
    from synth.project.schemas import write_schemas

    folder = Path(out) if out else find_root(Path(call.project_dir).resolve()) / ".synth"
    call.say(f"Wrote {len(write_schemas(folder))} schemas to {os.path.relpath(folder)}/")


# what reads no row


@verb(verbs, name="compile")
def compile_(call: Call) -> None:
    """Turn YAML and SQL into DuckDB SQL, plans and expectations in target/. Reads no row.

    Example: synth compile
    """
    project = call.project
    project.refresh()
    models = {node.name for node in project.graph.of_kind("model")}
    call.warn(project.unprotected(models))
    call.warn(project.drafted(models))
    found = project.counts()
    counts = f"{found['synthetic']} synthetic, {found['public']} public, {found['test']} tests of its own"
    many = found["unit_test"]
    counts += f", {many} unit test{'s' if many > 1 else ''}" if many else ""
    call.say(f"Compiled {counts} to {project.settings.target_path}/")


@verb(verbs, *SELECTION, REFRESH, click.option("--json", "as_json", is_flag=True, help="The same as JSON."))
def plan(call: Call, select: Any, exclude: Any, full_refresh: bool, as_json: bool, **how: Any) -> None:
    """Show what a run would reuse, fit and spend, why, and what its tables would be good for. Reads no row.

    Exit code 3 where the budget would refuse a model.

    Example: synth plan --select admissions
    """
    from synth.console.plans import plan_text

    forecast = call.project.plan(select, exclude, full_refresh, **how)
    call.warn(call.project.unprotected({model.model for model in forecast.models}))
    call.warn(call.project.drafted({model.model for model in forecast.models}))
    call.say(forecast.model_dump_json(indent=1) if as_json else plan_text(forecast))
    if forecast.refused:
        sys.exit(3)


@verb(
    verbs,
    *SELECTION,
    click.option(
        "--resource-type", "resource_types", multiple=True, type=click.Choice(["source", "model", "test", "unit_test"]),
        help="Only of this kind.",
    ),
    click.option(
        "--output", default="selector", show_default=True, type=click.Choice(["selector", "name", "path", "json"]),
        help="What a line says of a node.",
    ),
)  # fmt: skip
def ls(call: Call, select: Any, exclude: Any, resource_types: Any, output: str, **how: Any) -> None:
    """List the selected sources, models and tests, one a line, whatever is quiet.

    Example: synth ls --select tag:hospital --resource-type model
    """
    from synth.console import listed

    nodes = call.project.ls(select, exclude, resource_types, **how)
    call.warn(call.project.unprotected({node.name for node in nodes}))
    for node in nodes:
        click.echo(listed(node, output))


@verb(
    verbs,
    click.option("--name", default=None, metavar="NAME", help="Of the dbt source; by default the project's name."),
    click.option(
        "--database", default="synth", show_default=True, metavar="ALIAS", help="Under which dbt attaches the file."
    ),
    click.option("--out", default=None, metavar="FILE", help="Write it there instead."),
    name="dbt-sources",
)
def dbt_sources(call: Call, name: str | None, database: str, out: str | None) -> None:
    """Write the tables that synth makes as sources of a dbt project, with what is promised of them as data tests.

    Example: synth dbt-sources --out ../warehouse/models/synthetic.yml
    """
    from synth.files import write_whole
    from synth.project.spec import NAME

    for option, given in (("--name", name), ("--database", database)):
        if given is not None and not NAME.fullmatch(given):
            raise UsageError(f"{option} '{given}' is not a name", "Use letters, digits and _, and no digit first.")
    project = call.project
    text = project.dbt_sources(name, database)
    call.warn(project.unprotected({node.name for node in project.graph.of_kind("model")}))
    if out is None:
        click.echo(text, nl=False)
        return
    write_whole(Path(out), text)
    call.say(f"Wrote {out}")


# what makes and judges tables


@verb(
    verbs,
    *SELECTION,
    DEFER,
    REFRESH,
    FAIL_FAST,
    click.option("--empty", is_flag=True, help="Make tables without rows: nothing is read, fitted or spent."),
)
def run(
    call: Call, select: Any, exclude: Any, full_refresh: bool, fail_fast: bool, empty: bool, **how: Any
) -> None:  # fmt: skip
    """Reserve budget, prepare, fit, sample and land the selected models.

    Example: synth run --select admissions
    """
    project, console = call.project, call.console
    call.close(project.run(select, exclude, full_refresh, console, fail_fast, empty, **how))


@verb(verbs, *SELECTION, DEFER, FAIL_FAST, STORE, DOCS)
def test(call: Call, select: Any, exclude: Any, fail_fast: bool, store_failures: bool, docs: bool, **how: Any) -> None:
    """Judge the tables that landed: what metadata promise and the project's own tests, as SQL and as Data Docs.

    Unit tests judge a model's SQL on made-up rows, whether it is built or not.

    Example: synth test --select admissions
    """
    project, console = call.project, call.console
    call.close(project.test(select, exclude, console, fail_fast, store_failures, docs, **how))


@verb(verbs, *SELECTION, DEFER, REFRESH, FAIL_FAST, STORE, DOCS)
def build(
    call: Call, select: Any, exclude: Any, full_refresh: bool, fail_fast: bool, store_failures: bool, docs: bool,
    **how: Any,
) -> None:  # fmt: skip
    """Run and test in order; children of a failure are skipped.

    Example: synth build --select +admissions
    """
    project, console = call.project, call.console
    call.close(project.build(select, exclude, full_refresh, console, fail_fast, store_failures, docs, **how))


@verb(verbs, folder("--state", default=None, help="Where its run_results.json is."), FAIL_FAST)
def retry(call: Call, state: str | None, fail_fast: bool) -> None:
    """Do again what failed or was skipped in the last run, test or build, with the same flags.

    Example: synth retry
    """
    from synth.api import Project, last_results

    previous = last_results(call.project_dir, state)
    said = previous.args.vars if call.variables is None else read_variables(call.variables)
    call.project = Project(call.project_dir, call.target or previous.args.target, said, call.threads)
    call.close(call.project.retry(previous, call.console, fail_fast))


@verb(
    verbs,
    *SELECTION,
    click.option(
        "--units", default=20, show_default=True, type=click.IntRange(1, 10_000), help="How many units to leave out."
    ),
    name="check-sql",
)
def check_sql(call: Call, select: Any, exclude: Any, units: int, **how: Any) -> None:
    """Run the SQL before the mechanism without one person, for some persons, and see that no other's rows move.

    Reads private rows and spends nothing: what it says is for those who may read them.

    Example: synth check-sql --select admissions --units 50
    """
    project, console = call.project, call.console
    results = project.check_sql(select, exclude, units, console, **how)
    if any(result.status != "pass" for result in results):
        sys.exit(1)


@verb(verbs, *SELECTION)
def evaluate(call: Call, select: Any, exclude: Any, **how: Any) -> None:
    """Judge synthetic tables beside real rows: fidelity, use, fairness, attacks. For those who may read the rows.

    Needs holdout: in the metadata. Reads private rows and spends nothing: figures go to target/internal/ and are not said here.

    Example: synth evaluate --select support
    """
    missed = call.project.evaluate(select, exclude, call.console, **how)
    if any(missed.values()):  # on the terminal alone: a log may be read by others
        click.echo("A goal of the metadata is not reached: the report says which.", err=True)
        sys.exit(1)


@verb(
    verbs,
    click.argument("name", metavar="NAME"),
    click.option("--dry-run", is_flag=True, help="Tell its cells and their price, and do nothing."),
)
def experiment(call: Call, name: str, dry_run: bool) -> None:
    """Fit a model by several generators, epsilons and seeds, as experiments/NAME.yml says, and compare their tables.

    Needs holdout: in the metadata. All is paid for like a run, and what was paid for is used again. Figures are for those who
    may read the rows, unless the experiment says that these are public.

    \b
    Example:
      synth experiment support_quality --dry-run      what it would cost; reads no row
      synth experiment support_quality
    """
    from synth.console.experiments import forecast_text

    told, _ = call.project.experiment(name, dry_run, None if dry_run else call.console)
    if dry_run:
        for warning in told.warnings:
            call.warn(warning)
        call.say(forecast_text(told))
        if told.refused:
            sys.exit(3)


@verb(
    verbs,
    click.argument("macro", metavar="MACRO"),
    click.option(
        "--args", "arguments", default=None, metavar="YAML", help="What it is called with, such as '{days: 30}'."
    ),
    name="run-operation",
)
def run_operation(call: Call, macro: str, arguments: str | None) -> None:
    """Call a macro of the project. Its run_query() asks the target's database, where no private row is.

    Example: synth run-operation share_with --args '{role: analysts}'
    """
    given = call.project.run_operation(macro, read_variables(arguments, "--args"))
    text = "" if given is None else str(given).strip()
    if text:
        call.say(text)


# what looks at tables


def _one_model(what: str) -> tuple[Decorator, ...]:
    """The name of one model, as an argument or as dbt has it."""
    return (
        click.argument("model", metavar="[MODEL]", required=False),
        click.option("-s", "--select", default=None, metavar="MODEL", help=f"{what} The same as the argument."),
    )


def _named(verb: str, model: str | None, select: str | None) -> str:
    if model and select and model != select:
        raise UsageError(f"two models are named, {model} and {select}", f"Name one: synth {verb} {model}")
    if not (found := model or select):
        raise UsageError("no model is named", f"Name one: synth {verb} MODEL. See them with: synth ls")
    return found


@verb(
    verbs,
    *_one_model("One synthetic or public model."),
    click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 10_000), help="Rows to show."),
)
def show(call: Call, model: str | None, select: str | None, limit: int) -> None:
    """Show a few rows of a synthetic or public table.

    Example: synth show admissions --limit 20
    """
    from synth.console.tables import table

    select = _named("show", model, select)
    nodes = call.project.ls(select, resource_types=["model"])
    if len(nodes) == 1 and nodes[0].zone == "private":
        raise UsageError(
            f"{nodes[0].name} is private: its rows are never shown", "Show the synthetic model that reads it."
        )
    nodes = [node for node in nodes if node.zone != "private"]
    if len(nodes) != 1:
        raise UsageError(f"'{select}' is not one synthetic or public model", "See them with: synth ls")
    names, rows = call.project.rows(nodes[0].name, limit)
    call.warn(call.project.unprotected({nodes[0].name}))
    click.echo(table(names, rows, call.width))


@verb(
    verbs,
    *_one_model("One synthetic model, fitted."),
    click.option("--rows", default=10, show_default=True, type=click.IntRange(1, 10_000_000), help="Rows to make."),
    click.option("--where", multiple=True, metavar="SQL", help="What holds in each: 'age > 80'."),
    click.option(
        "--given", multiple=True, metavar="COLUMN=VALUE", help="A column's value; nothing after = means missing."
    ),
    click.option("--per", default=None, metavar="COLUMN", help="So many rows for each value of this column."),
    click.option("--seed", default=1, show_default=True, help="The same seed makes the same rows."),
    click.option(
        "--out",
        default=None,
        metavar="FILE",
        help="A .csv or .parquet file to write, instead of showing rows. In CSV, as in a release, a text that a spreadsheet "
        "would compute has an apostrophe before it.",
    ),
)
def sample(
    call: Call, model: str | None, select: str | None, rows: int, where: tuple[str, ...], given: tuple[str, ...],
    per: str | None, seed: int, out: str | None,
) -> None:  # fmt: skip
    """Make more rows of a fitted model, on any condition. Spends nothing.

    Keys count from 1 again: a row is another person than the table's row of that key. The same seed makes the same rows.

    Example: synth sample members --rows 100 --where "age > 80" --per sex --out old.csv
    """
    from synth.console.tables import table

    select = _named("sample", model, select)
    if out is not None and Path(out).suffix not in (".csv", ".parquet"):
        raise UsageError(f"--out {out} is neither .csv nor .parquet", "Name the file rows.csv, say.")
    if wrong := [text for text in given if "=" not in text]:
        raise UsageError(f"--given takes COLUMN=VALUE, not '{wrong[0]}'", "For example --given sex=F.")
    values = {name: value for name, _, value in (text.partition("=") for text in given)}
    names, found = call.project.sample(select, rows, where, values, per, seed, out)
    if out is None:
        click.echo(table(names, found, call.width))
    else:
        call.say(f"Wrote {found[0][0]:,} synthetic rows to {out}")


# what tidies


@verb(
    verbs,
    click.option(
        "--all",
        "everything",
        is_flag=True,
        help="Also fitted generators, tables and bundles: fitting again spends budget.",
    ),
)
def clean(call: Call, everything: bool) -> None:
    """Remove from target/ what can be made again for nothing. The ledger always stays.

    Example: synth clean
    """
    project = call.project
    if everything and sys.stdin.isatty():
        click.confirm("Fitted generators, tables and bundles go: fitting again spends budget. Go on?", abort=True)
    removed = project.clean(everything)
    call.say(f"Removed {', '.join(removed)}" if removed else "Nothing to remove")
