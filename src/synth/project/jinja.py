"""Sandboxed Jinja over YAML values and model SQL. A template sees names and settings, never data."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment


class RenderError(Exception):
    """A template that cannot be rendered; ``line`` counts from 1 within the template, 0 where Jinja does not say."""

    def __init__(self, what: str, line: int = 0, needle: str = "") -> None:
        super().__init__(what)
        self.what, self.line, self.needle = what, line, needle


_MISSING = object()


def _env_var(name: str, default: Any = _MISSING) -> Any:
    value = os.environ.get(name, default)
    if value is _MISSING:
        raise RenderError(f"the environment variable {name} is not set and env_var gives no default", needle=name)
    return value


def _var(variables: Mapping[str, Any]) -> Callable[..., Any]:
    def var(name: str, default: Any = _MISSING) -> Any:
        value = variables.get(name, default)
        if value is _MISSING:
            raise RenderError(f"the variable '{name}' is neither in vars nor given a default", needle=name)
        return value

    return var


@dataclass
class Renderer:
    """Renders with ``var``, ``env_var`` and, in SQL, the project's macros and what the caller adds."""

    variables: Mapping[str, Any]
    macros: str = ""  # the text of every macro file, put before each SQL template on its own first lines
    _environment: ImmutableSandboxedEnvironment = field(
        default_factory=lambda: ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    )

    def value(self, text: str) -> str:
        """A string of a YAML file."""
        return self._render(text, {}, with_macros=False) if "{{" in text or "{%" in text else text

    def sql(self, text: str, names: Mapping[str, Any]) -> str:
        """A model or a test."""
        return self._render(text, names, with_macros=True)

    def _render(self, text: str, names: Mapping[str, Any], with_macros: bool) -> str:
        known = {"var": _var(self.variables), "env_var": _env_var, **names}
        try:
            if with_macros and self.macros:
                known |= self._macro_names(known)
            return self._environment.from_string(text).render(known)
        except TemplateSyntaxError as error:
            raise RenderError(f"Jinja: {error.message}", error.lineno) from None
        except TemplateError as error:
            raise RenderError(f"Jinja: {error.message}", needle=_quoted(error.message or "")) from None
        except TypeError as error:
            raise RenderError(f"Jinja: {error}") from None

    def _macro_names(self, names: dict[str, Any]) -> dict[str, Any]:
        module = self._environment.from_string(self.macros, globals=names).make_module(names)
        return {name: getattr(module, name) for name in dir(module) if not name.startswith("_")}


def _quoted(message: str) -> str:
    parts = message.split("'")
    return parts[1] if len(parts) >= 3 else ""
