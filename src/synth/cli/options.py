"""The flags that verbs share, each also a variable of the environment: ``--full-refresh`` is ``SYNTH_FULL_REFRESH``."""

from __future__ import annotations

import functools
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from synth.cli.root import COLOR
from synth.errors import SynthError, UsageError, no_secrets
from synth.version import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from synth.api import Project
    from synth.artifacts.results import Results
    from synth.console import Console
    from synth.console.sinks import LogFile

F = TypeVar("F", bound=Callable[..., Any])
Decorator = Callable[[Callable[..., Any]], Any]
LOG = "logs/synth.log"
_SEVERAL = "synth.several"  # of a click context: the flag that what comes next is a value of


def flag(*names: str, **how: Any) -> Callable[[F], F]:
    """A click option that the environment can set as well."""
    return click.option(*names, envvar=f"SYNTH_{names[-1].lstrip('-').upper().replace('-', '_')}", **how)


def folder(*names: str, **how: Any) -> Callable[[F], F]:
    return flag(*names, metavar="DIR", **how)


def _options(*flags: Callable[[F], F]) -> list[click.Parameter]:
    """What options are once they are made: those that all verbs have are made once."""

    def bearer() -> None: ...

    for one in reversed(flags):
        bearer = one(bearer)
    found: list[click.Parameter] = bearer.__click_params__  # type: ignore[attr-defined]
    return found[::-1]


def _completed(context: click.Context, parameter: click.Parameter, typed: str) -> list[str]:
    """Selectors that begin so, of the project as it was compiled last: nothing is compiled while somebody types."""
    from synth.api import compiled_selectors

    head = typed[: len(typed) - len(typed.lstrip("+@0123456789"))]
    known = compiled_selectors(context.params.get("project_dir") or ".")
    found = [head + name for name in known if name.startswith(typed[len(head) :])]
    return [name for name in found if "." in typed or "." not in name] or found  # what is promised has many names


_CALL = _options(
    folder("project_dir", "--project-dir", default=".", help="The project's folder, or one below it."),
    flag("-t", "--target", default=None, metavar="NAME", help="A target of synth_project.yml."),
    flag("variables", "--vars", default=None, metavar="YAML", help="Variables, such as '{year: 2020}'."),
    flag("--threads", default=None, type=click.IntRange(1, 256), help="Threads of DuckDB, instead of the target's."),
    flag("-q", "--quiet", is_flag=True, help="Print errors only."),
    flag("--log-format", default="text", type=click.Choice(["text", "json"]), help="Lines for a reader, or JSON."),
    flag("--log-path", default=None, metavar="FILE", help=f"The log, in place of {LOG} in the project."),
    flag("--debug", is_flag=True, help="Show where in synth a mistake of its own lies. May show data."),
)
SELECTION = [
    flag(
        "-s", "--select", multiple=True, metavar="SELECTOR", shell_complete=_completed,
        help="Such as: admissions, +admissions, tag:hospital.",
    ),
    flag(
        "--exclude", multiple=True, metavar="SELECTOR", shell_complete=_completed,
        help="What to leave out of the selection.",
    ),
    flag("--selector", default=None, metavar="NAME", help="A selection of selectors.yml."),
    flag(
        "--indirect-selection", default="eager", type=click.Choice(["eager", "cautious", "buildable", "empty"]),
        help="Which tests come with what they test.",
    ),
    folder(
        "--state", default=None,
        help="Where an earlier manifest.json and run_results.json are, for state: and result:.",
    ),
]  # fmt: skip
DEFER = flag("--defer", is_flag=True, help="Read what is neither selected nor built where --state has it.")
REFRESH = flag("-f", "--full-refresh", is_flag=True, help="Fit again where a paid generator could be reused.")
STORE = flag(
    "--store-failures", is_flag=True, help="Keep the synthetic rows that break a test, in the schema test_failures."
)
DOCS = click.option(
    "--docs/--no-docs", default=True, show_default=True, envvar="SYNTH_DOCS",
    help="Write Data Docs of what was judged; without them a test takes a second.",
)  # fmt: skip
FAIL_FAST = flag("-x", "--fail-fast", is_flag=True, help="Stop at the first failure.")


@dataclass
class Call:
    """How synth was called: the flags that every verb takes, and what they open."""

    project_dir: str = "."
    target: str | None = None
    variables: str | None = None
    threads: int | None = None
    quiet: bool = False
    log_format: str = "text"
    log_path: str | None = None
    debug: bool = False

    def below(self, context: click.Context) -> Call:
        """With the flags that stand before the name of a subcommand, where it has not its own."""
        above = context.parent.obj if context.parent else None
        if isinstance(above, Call):
            typed = {
                f.name for f in fields(self) if context.get_parameter_source(f.name) == ParameterSource.COMMANDLINE
            }
            found = replace(self, **{f.name: getattr(above, f.name) for f in fields(self) if f.name not in typed})
        else:
            found = self
        context.obj = found
        return found

    @cached_property
    def project(self) -> Project:
        from synth.api import Project

        return Project(self.project_dir, self.target, read_variables(self.variables), self.threads)

    @cached_property
    def console(self) -> Console:
        """Which says, and logs, that synth began."""
        import uuid

        from synth.console import Console
        from synth.console.sinks import JsonLines, Terminal

        name = str(uuid.uuid4())
        shown = JsonLines(name, self.quiet) if self.log_format == "json" else Terminal(self.quiet)
        console = Console([shown], self._log(name))
        console.invocation_id = name
        console.say("began", f"Running with synth {__version__}", argv=_told(sys.argv[1:]), version=__version__)
        return console

    def _log(self, name: str) -> Sequence[LogFile]:
        from synth.console.sinks import LogFile
        from synth.project.loader import find_root

        if self.log_path:
            return [LogFile(Path(self.log_path), name)]
        try:
            return [LogFile(find_root(Path(self.project_dir).resolve()) / LOG, name)]
        except SynthError:  # without a project there is no place for it
            return []

    def failed(self, error: SynthError) -> None:
        """Logs it where there is a log; a program that reads JSON lines is told there, and nowhere else."""
        line = (f"{error.word}: {error}", "red" if error.exit_code else None)
        if self.log_format == "json":
            self.console.say("failed", line, exit_code=error.exit_code)
            sys.exit(error.exit_code)
        if "console" in vars(self):
            self.console.log("failed", line, exit_code=error.exit_code)

    def say(self, text: str) -> None:
        if not self.quiet:
            click.echo(no_secrets(text))

    def warn(self, text: str) -> None:
        """A red line on stderr, whatever is quiet or read by a program."""
        if text:
            click.secho(_wrapped(no_secrets(text), self.width), fg="red", err=True, color=COLOR)

    @property
    def width(self) -> int:
        return shutil.get_terminal_size((140, 24)).columns

    def close(self, results: Results) -> None:
        """The last lines of a run, and its exit code."""
        if results.suites and results.args.docs:
            index = self.project.folder.data_docs / "index.html"
            self.console.say("data_docs", f"Data Docs: {os.path.relpath(index, self.project.root)}")
        self.console.summary(results)
        if results.failed:
            sys.exit(3 if results.refused else 1)


class Verb(click.Command):
    """Whose flags that may be said several times take several values, too, as dbt's do: ``-s admissions icustays``."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        arguments = [parameter for parameter in self.params if isinstance(parameter, click.Argument)]
        if not arguments:  # whose values would be taken for the flag's
            args = list(self._said_each(context, args))
        return super().parse_args(context, args)

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem]:
        """Also of further values of such a flag."""
        several = context.meta.get(_SEVERAL)
        option = next((p for p in self.params if several in p.opts), None)
        if option is not None and not incomplete.startswith("-"):
            return option.shell_complete(context, incomplete)
        return super().shell_complete(context, incomplete)

    def _said_each(self, context: click.Context, args: Sequence[str]) -> Iterator[str]:
        """The same arguments, with a flag's name before each of its values; the last such flag is kept for completion."""
        several = {name for p in self.params if isinstance(p, click.Option) and p.multiple for name in p.opts}
        last = None  # such a flag, after whose value this stands
        for i, argument in enumerate(args):
            if isinstance(self, click.Group) and argument in self.commands:
                yield from args[i:]
                return
            if argument.startswith("-"):
                name = argument.partition("=")[0]
                last = name if name in several else None
            elif last and args[i - 1] != last:
                yield last
            yield argument
        context.meta[_SEVERAL] = last


class VerbGroup(Verb, click.Group):
    """With verbs of its own."""


def verb(group: click.Group, *options: Callable[[Any], Any], name: str | None = None, **how: Any) -> Decorator:
    """A command whose first argument is the Call; ``options``: those that it has besides. A group of commands is one, too."""

    def add(function: Callable[..., Any]) -> click.Command:
        @functools.wraps(function)
        def called(**given: Any) -> Any:
            context = click.get_current_context()
            call = Call(**{field.name: given.pop(field.name) for field in fields(Call)}).below(context)
            if isinstance(context.command, click.Group) and context.invoked_subcommand is not None:
                return None
            if call.debug:
                os.environ["SYNTH_DEBUG"] = "1"
            try:
                return function(call, **given)
            except SynthError as error:
                call.failed(error)
                raise

        command: Any = called
        for option in reversed(options):
            command = option(command)
        short = (function.__doc__ or "").partition("\n\n")[0].strip()
        how.setdefault("cls", Verb)
        made: click.Command = group.command(name, params=[*_CALL], short_help=" ".join(short.split()), **how)(command)
        return made

    return add


def _wrapped(text: str, width: int) -> str:
    """Lines that a terminal would break within a word, broken between words."""
    wrapper = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
    return "\n".join(line if len(line) <= width else wrapper.fill(line) for line in text.split("\n"))


def read_variables(text: str | None, named: str = "--vars") -> dict[str, Any]:
    if text is None:
        return {}
    from synth.project.yaml import read

    document, problems = read(named, text)
    if problems or not isinstance(document.data, dict):
        raise UsageError(f"{named} is not a YAML mapping", f"For example: {named} '{{year: 2020}}'")
    return dict(document.data)


def digest_said(option: str, text: str | None, verb: str) -> str | None:
    """A hash as somebody noted it; ``verb``: which shows it."""
    found = text.strip().lower() if text is not None else None
    if found is not None and not re.fullmatch("[0-9a-f]{64}", found):
        raise UsageError(f"{option} takes the 64 hexadecimal digits that {verb} shows")
    return found


def _told(arguments: Sequence[str]) -> list[str]:
    """What was typed, without the values of --vars and --args, which may be secrets."""
    found = list(arguments)
    for i, argument in enumerate(found):
        name, sign, _ = argument.partition("=")
        if name in ("--vars", "--args"):
            if sign:
                found[i] = f"{name}=***"
            elif i + 1 < len(found):
                found[i + 1] = "***"
    return found
