"""How pages are made of templates: by every room that makes HTML pages of its own."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def environment(package: str, autoescape: bool = True, **more: Any) -> Environment:
    """Over the folder ``assets`` of a package; a name that a template does not know is an error."""
    return Environment(
        loader=PackageLoader(package, "assets"), autoescape=autoescape, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, **more,
    )  # fmt: skip


def source(templates: Environment, name: str) -> str:
    """The text of an asset, as it is."""
    assert templates.loader is not None
    return templates.loader.get_source(templates, name)[0]
