"""Sandboxed Jinja over YAML values and model SQL. A template sees names and settings, never data."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from types import TracebackType
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, UndefinedError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Context, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment

from synth.errors import SECRET, Place, no_secrets
from synth.project.nearest import nearest
from synth.project.sql_file import SqlFile

_TEMPLATE, _MACROS = "<template>", "<macros>"  # Jinja's name of a template from a string, and ours of the macros


class RenderError(Exception):
    """A template that cannot be rendered.

    ``line`` counts from 1 within the template, 0 where Jinja does not say; ``needle`` is a word to look for on it;
    ``place`` is given where the mistake is in a macro.
    """

    def __init__(self, what: str, fix: str, needle: str = "", line: int = 0, place: Place | None = None) -> None:
        super().__init__(what)
        self.what, self.fix, self.needle, self.line, self.place = what, fix, needle, line, place


TEST = "test_"  # before the name of a generic test, in that of its macro
_MISSING = object()


class _Returned(Exception):
    """``return()`` within a macro: its call is this value, and not the text that it has printed."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class _Environment(ImmutableSandboxedEnvironment):
    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().call(__context, __obj, *args, **kwargs)
        except _Returned as returned:
            if isinstance(__obj, Macro):
                return returned.value
            raise


class _TestBlock(Extension):
    """``{% test name(model, column_name) %} ... {% endtest %}``: a macro that makes the SQL of a generic test."""

    tags = {"test"}  # noqa: RUF012

    def parse(self, parser: Parser) -> nodes.Macro:
        node = nodes.Macro(lineno=next(parser.stream).lineno)
        node.name = TEST + parser.parse_assign_target(name_only=True).name
        parser.parse_signature(node)
        node.body = parser.parse_statements(("name:endtest",), drop_needle=True)
        return node


def _env_var(name: str, default: Any = _MISSING, instead: Mapping[str, Any] | None = None) -> Any:
    sys.audit("synth.env_var", name)
    value = (instead or {}).get(name, os.environ.get(name, default))
    if value is _MISSING:
        fix = f"Set it, or give a default: env_var('{name}', 'default')."
        raise RenderError(f"the environment variable {name} is not set", fix, name)
    return value


def _no_secret(name: str, default: Any = _MISSING, instead: Mapping[str, Any] | None = None) -> Any:
    if name.startswith(SECRET):
        what = f"{name} is a secret, and this is written to target/"
        raise RenderError(what, "A secret may stand in a source's location.", name)
    return _env_var(name, default, instead)


def _var(variables: Mapping[str, Any]) -> Callable[..., Any]:
    def var(name: str, default: Any = _MISSING) -> Any:
        value = variables.get(name, default)
        if value is _MISSING:
            fix = f"Add it to vars in synth_project.yml, or give a default: var('{name}', 'default')."
            raise RenderError(f"there is no variable '{name}'", f"{nearest(name, variables)} {fix}".strip(), name)
        return value

    return var


def _return(value: Any = None) -> None:
    raise _Returned(value)


def _raise_compiler_error(message: Any) -> None:
    raise RenderError(str(message), "A macro or a model of the project says so.")


def _log(message: Any, info: bool = False) -> str:
    if info:
        sys.stderr.write(f"{no_secrets(str(message))}\n")
    return ""


class _Exceptions:
    """dbt's namespace of that name."""

    raise_compiler_error = staticmethod(_raise_compiler_error)

    @staticmethod
    def warn(message: Any) -> str:
        return _log(f"Warning: {message}", info=True)


def _asks(name: str) -> Callable[..., Any]:
    """What asks the target's database, where nothing may: a run operation gives another of that name."""

    def refuse(*_: Any, **__: Any) -> Any:
        what = f"{name}() has no place here: compiling reads no row"
        raise RenderError(what, "Ask in a macro that you run by: synth run-operation.", name)

    return refuse


def _from_json(text: str, default: Any = None) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return default


_CALLED, _KEEP = "_called_with", "_keep"  # names within the template that calls a macro
_CONSTANT = (
    "{%% macro %s() %%}{%% do [varargs, kwargs] %%}{{ return(_constants['%s']) }}{%% endmacro %%}"  # takes anything
)
_ALWAYS = {
    "env_var": _env_var, "return": _return, "exceptions": _Exceptions(), "log": _log, "execute": False, "zip": zip,
    **{name: _asks(name) for name in ("run_query", "statement", "load_result")},
    "set": set, "tojson": lambda value, sort_keys=False: json.dumps(value, sort_keys=sort_keys), "fromjson": _from_json,
}  # fmt: skip


@dataclass
class Renderer:
    """Renders with ``var``, ``env_var`` and, in SQL, the project's macros and what the caller adds."""

    variables: Mapping[str, Any]
    macros: tuple[SqlFile, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)  # in place of variables of the environment
    constants: Mapping[str, Any] = field(default_factory=dict)  # what some macros give instead, by their names
    target: Mapping[str, Any] = field(default_factory=dict)  # as YAML calls it; in SQL the caller says it
    _environment: ImmutableSandboxedEnvironment = field(
        default_factory=lambda: _Environment(
            undefined=StrictUndefined, keep_trailing_newline=True, extensions=["jinja2.ext.do", _TestBlock]
        )
    )

    def overridden(
        self, variables: Mapping[str, Any], environment: Mapping[str, Any], constants: Mapping[str, Any]
    ) -> Renderer:  # fmt: skip
        """The same with other variables, another environment, and macros that are constants."""
        macros = tuple(SqlFile(name, "", _CONSTANT % (name, name), ()) for name in constants)
        return Renderer({**self.variables, **variables}, (*self.macros, *macros), environment, constants)

    def value(self, text: str, secret: bool = False) -> str:
        """A string of a YAML file; ``secret``: it is nothing that is written elsewhere."""
        names = {"target": self.target, **({} if secret else {"env_var": _no_secret})}
        return self._render(text, names, with_macros=False) if "{{" in text or "{%" in text else text

    def sql(self, text: str, names: Mapping[str, Any]) -> str:
        """A model or a test."""
        here = {"env_var": partial(_no_secret, instead=self.environment), "_constants": self.constants}
        return self._render(text, {**here, **names}, with_macros=True)

    def macro(self, name: str, arguments: Mapping[str, Any], names: Mapping[str, Any]) -> Any:
        """What a macro of the project gives. Raises RenderError, also where there is none of that name."""
        if name not in self.macro_names:
            shown = [known for known in self.macro_names if not known.startswith(TEST)]
            raise RenderError(f"there is no macro '{name}'", nearest(name, shown) or "Macros stand in macros/.")
        known = {**self._known({"env_var": _no_secret, **names}), _CALLED: dict(arguments)}
        found: list[Any] = []
        known[_KEEP] = found.append
        self._render(f"{{%- do {_KEEP}({name}(**{_CALLED})) -%}}", known, with_macros=True)
        return found[0]

    @cached_property
    def macro_names(self) -> frozenset[str]:
        """Of all macros; those of generic tests begin with ``TEST``."""
        parsed = self._environment.parse("\n".join(m.text for m in self.macros))
        return frozenset(macro.name for macro in parsed.find_all(nodes.Macro))

    def check(self, text: str) -> None:
        """Raises RenderError where the text is not a template."""
        try:
            self._environment.parse(text)
        except TemplateSyntaxError as error:
            raise _syntax(error) from None

    def _render(self, text: str, names: Mapping[str, Any], with_macros: bool) -> str:
        known = self._known(names)
        try:
            if with_macros and self.macros:
                known |= self._macro_names(known)
            return self._environment.from_string(text).render(known)
        except TemplateSyntaxError as error:
            raise _syntax(error) from None
        except Exception as error:  # whatever the user's expression raises
            raise self._failure(error, text, known) from None

    def _known(self, names: Mapping[str, Any]) -> dict[str, Any]:
        return {**_ALWAYS, "var": _var(self.variables), **names}

    def _macro_names(self, names: dict[str, Any]) -> dict[str, Any]:
        """The macros of all files, as of one, so that each can call any other."""
        code = self._environment.compile("\n".join(m.text for m in self.macros), filename=_MACROS)
        template = Template.from_code(self._environment, code, self._environment.make_globals(names))
        context = template.new_context(names)
        for _ in template.root_render_func(context):
            pass
        private = {name for name in context.vars if name.startswith("_")} - self.macro_names
        return {name: value for name, value in context.vars.items() if name not in private}

    def _failure(self, error: Exception, text: str, known: Mapping[str, Any]) -> RenderError:
        file, line = _frame(error.__traceback__)
        if isinstance(error, RenderError):
            made = RenderError(error.what, error.fix, error.needle, error.line or line)
        else:
            message = re.sub(r"\w+\.<locals>\.", "", getattr(error, "message", None) or str(error)).rstrip(".")
            if isinstance(error, RecursionError):  # Python says it in several ways
                message = "a macro calls itself without an end"
            words = re.findall(r"'([^']+)'|(\w+)\(\)", message)
            source = "\n".join(m.text for m in self.macros) if file == _MACROS else text
            needle = next((word for pair in words for word in pair if word and word in source), "")
            shown = [name for name in known if not name.startswith(("_", TEST))]
            fix = nearest(needle, shown) if isinstance(error, UndefinedError) and needle else "Mend the template."
            made = RenderError(f"Jinja: {message}", fix, needle, line)
        made.place = self._macro_place(made.line, made.needle) if file == _MACROS else None
        return made

    def _macro_place(self, line: int, needle: str) -> Place | None:
        for macro in self.macros:
            lines = macro.text.count("\n") + 1
            if line <= lines:
                return macro.find(needle, line)
            line -= lines
        return None


def _syntax(error: TemplateSyntaxError) -> RenderError:
    token = re.search("unexpected '(.+)'", error.message or "")
    fix = "Check the braces, quotes and blocks."
    return RenderError(f"Jinja: {error.message}", fix, token[1] if token else "", error.lineno)


def _frame(trace: TracebackType | None) -> tuple[str, int]:
    """The innermost template that a traceback goes through, and the line in it; 0 where there is none."""
    file, line = "", 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in (_TEMPLATE, _MACROS):
            file, line = trace.tb_frame.f_code.co_filename, trace.tb_lineno
        trace = trace.tb_next
    return file, line
