"""The pages of Data Docs, rendered by great_expectations and complete without a network.

great_expectations renders what was expected and found; the page around it is ours, because its own loads scripts and
styles from elsewhere. Its views insert most text unescaped and read ``$`` as a template. So every character that means
something to HTML or to a template is hidden before it renders, and shown again, escaped, after.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from jinja2 import ChoiceLoader, PackageLoader

from synth.artifacts.results import STATUSES, SuiteResult
from synth.validation.gx import (
    VERSION,
    CollapseContent,
    DefaultJinjaPageView,
    ExpectationConfiguration,
    ExpectationSuiteValidationResult,
    ExpectationValidationResult,
    LegacyRendererType,
    RenderedDocumentContent,
    RenderedTableContent,
    ValidationResultsPageRenderer,
    ValidationResultsTableContentBlockRenderer,
    get_renderer_impl,
)
from synth.validation.suites import SEVERITY, to_validation_result

GENERATOR = '<meta name="generator" content="synth data docs">'  # says that a folder is ours to replace
TABLE_LEVEL = "Table-Level Expectations"  # great_expectations' name of the section of what has no column

# Hidden characters lie in the last private plane of Unicode, which no text uses.
_HIDE = {ord(char): 0x100000 + ord(char) for char in "&<>\"'`$\\{}\n\r\t"}
_SHOW = {hidden: escape(chr(char)) for char, hidden in _HIDE.items()}


def table_page(suite: SuiteResult, title: str, home: str | None = None) -> str:
    """The page of one table: HTML without scripts, that loads nothing; ``home``: a page to lead back to."""
    suite = SuiteResult.model_validate(_hidden(suite.model_dump()))
    outcome = _by_column(suite)
    statuses = _statuses_by_section(outcome)
    facts = {"suite": suite, "counts": _counts(suite), "marks": {name: _worst(of) for name, of in statuses.items()}}
    document = _document(outcome, order=list(statuses))
    page: str = _view().render(document, **_shared(title), home=home, **facts)  # type: ignore[no-untyped-call]
    return page.translate(_SHOW)


def index_page(suites: Sequence[SuiteResult], paths: Sequence[str], title: str, home: str | None = None) -> str:
    """The page of all tables; ``paths`` are their pages, as seen from this one."""
    hidden = [SuiteResult.model_validate(_hidden(suite.model_dump())) for suite in suites]
    tables = [(suite, path, _counts(suite)) for suite, path in zip(hidden, paths, strict=True)]
    total = sum((counts for *_, counts in tables), Counter[str]())
    page = _view().env.get_template("index_page.j2").render(**_shared(title), home=home, tables=tables, total=total)
    return page.translate(_SHOW)


def _hidden(value: Any) -> Any:
    match value:
        case str():
            return value.translate(_HIDE)
        case dict():
            return {key: _hidden(item) for key, item in value.items()}
        case list() | tuple():
            return [_hidden(item) for item in value]
    return value


def _shared(title: str) -> dict[str, Any]:
    return {"title": _hidden(title), "labels": STATUSES, "version": VERSION, "generator": GENERATOR, "worst": _worst}


def _counts(suite: SuiteResult) -> Counter[str]:
    return Counter(result.status for result in suite.results)


def _by_column(suite: SuiteResult) -> ExpectationSuiteValidationResult:
    """As great_expectations has it, but SQL about a column stands among what is expected of that column."""
    outcome = to_validation_result(suite)
    for result, ours in zip(outcome.results, suite.results, strict=True):
        if result.expectation_config is not None and ours.expectation.column is not None:
            result.expectation_config.kwargs["column"] = ours.expectation.column
    return outcome


def _statuses_by_section(outcome: ExpectationSuiteValidationResult) -> dict[str, list[str]]:
    """In the order of the declaration, what concerns the whole table first."""
    statuses: dict[str, list[str]] = {TABLE_LEVEL: []}
    for result in outcome.results:
        assert result.expectation_config is not None
        section = result.expectation_config.kwargs.get("column", TABLE_LEVEL)
        statuses.setdefault(section, []).append(result.meta["status"])
    return statuses


def _worst(statuses: Sequence[str] | Counter[str]) -> str:
    return next((status for status in STATUSES if status in statuses), "pass")


class _View(DefaultJinjaPageView):
    """great_expectations' view; what lies in assets/ takes the place of its templates of the same name."""

    _template = "table_page.j2"

    def __init__(self) -> None:
        super().__init__()
        theirs = self.env.loader
        assert theirs is not None
        self.env.loader = ChoiceLoader([PackageLoader("synth.validation", "assets"), theirs])


@functools.cache
def _view() -> _View:
    return _View()


def _document(outcome: ExpectationSuiteValidationResult, order: list[str]) -> RenderedDocumentContent:
    rows = {"class_name": "ResultRows", "module_name": __name__}
    sections = {"class_name": "ValidationResultsColumnSectionRenderer", "table_renderer": rows}
    document: RenderedDocumentContent = ValidationResultsPageRenderer(column_section_renderer=sections).render(outcome)
    overview, *tables = document.sections
    overview.content_blocks.pop(0)  # a header that links to a page we do not write
    # great_expectations sorts the columns by name; readers know them in the order of the declaration.
    document.sections = [overview, *sorted(tables, key=lambda section: order.index(section.section_name))]
    return document


class ResultRows(ValidationResultsTableContentBlockRenderer):
    """A row for each result: our status and sentence; folded under it great_expectations' sentence and the SQL."""

    @classmethod
    def _process_content_block(cls, content_block: Any, has_failed_evr: Any, render_object: Any = None) -> None:
        super()._process_content_block(content_block, has_failed_evr, render_object)
        content_block.header_row = ["Status", "Expectation", "Observed"]

    @classmethod
    def _get_content_block_fn(cls, expectation_type: str, expectation_config: Any = None) -> Callable[..., Any]:
        found = get_renderer_impl(expectation_type, LegacyRendererType.PRESCRIPTIVE)

        def row(
            *, configuration: ExpectationConfiguration, result: ExpectationValidationResult, **kwargs: Any
        ) -> list[Any]:
            declared: Any = _hidden(json.dumps(configuration.kwargs, ensure_ascii=False, default=str))
            if found is not None:  # else of a type that great_expectations does not know
                runtime = kwargs["runtime_configuration"]
                declared = found.renderer(configuration=configuration, runtime_configuration=runtime)
            expectation = [_sentence(configuration, result), _details(configuration, result, declared)]
            return [[_badge(result.meta["status"]), expectation, _observed(configuration, result.result)]]

        return row


def _badge(status: str) -> str:
    return f'<span class="status {status}">{STATUSES[status]}</span>'


def _sentence(config: ExpectationConfiguration, result: ExpectationValidationResult) -> str:
    lines = [f'<p class="description">{config.description or config.type}</p>']
    if result.meta["message"]:
        lines.append(f'<p class="message">{result.meta["message"]}</p>')
    if result.meta["status"] != "pass":
        path = config.meta["sql_path"].replace("/", "/<wbr>")
        lines.append(f'<p class="where">Severity {_severity(config)}, SQL in <code>{path}</code></p>')
    return "".join(lines)


def _details(config: ExpectationConfiguration, result: ExpectationValidationResult, declared: Any) -> CollapseContent:
    facts = [
        ["Declared", declared],
        ["Expectation", f"<code>{config.type}</code>"],
        ["Identifier", f"<code>{config.meta['id']}</code>"],
        ["Severity", _severity(config)],
        ["Time", f"{result.meta['seconds']:.3f} s"],
        ["SQL file", f"<code>{config.meta['sql_path']}</code>"],
        ["SQL", f"<pre>{config.meta['sql']}</pre>"],
    ]
    table = RenderedTableContent(table=facts, styling={"body": {"classes": ["facts"]}})
    return CollapseContent(collapse_toggle_link="Details", collapse=[table])


def _severity(config: ExpectationConfiguration) -> str:
    return next(ours for ours, theirs in SEVERITY.items() if theirs == config.severity)


def _observed(config: ExpectationConfiguration, counts: dict[str, Any]) -> str:
    if not counts:
        return "not judged"
    if "observed_value" in counts:
        kind = "row" if config.type.startswith("expect_table_row_count") else "unexpected row"
        return f"{counts['observed_value']:,} {kind}{'' if counts['observed_value'] == 1 else 's'}"
    share = f" ({_percent(counts['unexpected_percent'])})" if counts["unexpected_count"] else ""
    return f"{counts['unexpected_count']:,} of {counts['element_count']:,} unexpected{share}"


def _percent(percent: float) -> str:
    """Two decimals, which never turn a few into none or most into all."""
    if 0 < percent < 0.01:
        return "&lt;0.01%"
    if 99.99 < percent < 100:
        return "&gt;99.99%"
    return f"{percent:.4g}%"
