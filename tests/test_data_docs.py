"""Data Docs: great_expectations' own objects, pages that need no network, nothing of a row in them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from synth.artifacts.results import Expectation, ExpectationResult, SuiteResult
from synth.errors import RunError
from synth.validation import data_docs
from synth.validation.data_docs import write_data_docs
from synth.validation.gx import ExpectationSuite, ExpectationSuiteValidationResult
from synth.validation.pages import index_page, table_page
from synth.validation.suites import to_expectation_suite, to_validation_result

pytestmark = pytest.mark.filterwarnings("error")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = "<script>alert(1)</script> {{ 7*7 }} {% raw %} {# \"double\" 'single' $param ${x} $$ &amp; `tick` \\ a/b\n-->"
TYPES: list[tuple[str | None, str, dict[str, Any]]] = [
    ("hadm_id", "expect_column_values_to_be_of_type", {"type_": "BIGINT"}),
    ("hadm_id", "expect_column_values_to_not_be_null", {}),
    ("hadm_id", "expect_column_values_to_be_unique", {}),
    ("insurance", "expect_column_values_to_be_in_set", {"value_set": ["Medicare", "Self Pay", 3, True]}),
    ("age", "expect_column_values_to_be_between", {"min_value": 0, "max_value": 120}),
    ("weight", "expect_column_values_to_be_between", {"min_value": 0.5, "strict_min": True}),
    ("born", "expect_column_values_to_be_between", {"min_value": "2100-01-01", "max_value": "2220-01-01"}),
    ("admittime", "expect_column_values_to_be_between", {"max_value": "2220-01-01 12:30:00"}),
    ("admittime", "expect_column_values_to_match_strftime_format", {"strftime_format": "%Y-%m-%d %H:%M:%S"}),
    (None, "expect_table_row_count_to_equal", {"value": 58976}),
    (None, "expect_table_row_count_to_be_between", {"min_value": 1000}),
    (
        None,
        "unexpected_rows_expectation",
        {"unexpected_rows_query": "from {batch} where not (a = {'k': 1}.k)", "description": "dischtime >= admittime"},
    ),
]


def result(
    column: str | None,
    type_: str,
    kwargs: dict[str, Any],
    status: str = "pass",
    text: str | None = None,
    **changes: Any,
) -> ExpectationResult:
    """``text`` takes the place of every text that a user may write."""
    expectation = Expectation(
        id=text or f"admissions.{column}.{type_}",
        model=text or "admissions",
        column=column,
        type=type_,
        kwargs=kwargs,
        description=text or f"{column or 'the table'} is as declared",
        sql=text or 'select *\nfrom "synthetic"."admissions"\nwhere a < b',
        sql_path=text or f"target/compiled/tests/{type_}.sql",
        severity="warn" if status == "warn" else "error",
    )
    message = text or ("no such column" if status == "error" else None)
    values = {"rows": 58976, "failures": 0 if status == "pass" else 712, "seconds": 0.5, "message": message} | changes
    return ExpectationResult.model_validate({"expectation": expectation, "status": status, **values})


def suite_of(*results: ExpectationResult, model: str = "admissions", text: str | None = None) -> SuiteResult:
    return SuiteResult(
        model=model,
        relation=text or f"synthetic.{model}",
        description=text or "One row per hospital stay",
        source="synthetic rows",
        run_time="2026-05-04T21:11:21+00:00",
        results=results,
    )


def test_a_report_says_what_its_figures_come_from() -> None:
    """A figure without a source, or of real rows, is no value that a report could be made of."""
    said = suite_of().model_dump()
    assert "counted on synthetic rows" in table_page(suite_of(), "demo")
    for wrong in ({}, {"source": "real rows"}, {"source": ""}):
        with pytest.raises(ValidationError, match="source"):
            SuiteResult.model_validate({key: value for key, value in said.items() if key != "source"} | wrong)


def every_type(status: str = "pass", model: str = "admissions") -> SuiteResult:
    return suite_of(*(result(*declared, status=status) for declared in TYPES), model=model)


def mixed() -> SuiteResult:
    statuses = ["pass", "fail", "warn", "error"]
    return suite_of(*(result(*declared, status=statuses[i % 4]) for i, declared in enumerate(TYPES)))


class Page(HTMLParser):
    """Tags with their attributes, and all text, of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def nothing_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """great_expectations logs what it could not render, and leaves it out."""
    yield
    assert [record.message for record in caplog.records] == []


# The objects


def test_objects_are_great_expectations_own_and_serialise() -> None:
    suite, outcome = to_expectation_suite(mixed()), to_validation_result(mixed())
    assert isinstance(suite, ExpectationSuite) and isinstance(outcome, ExpectationSuiteValidationResult)
    declared = json.loads(json.dumps(suite.to_json_dict()))
    assert [expectation["type"] for expectation in declared["expectations"]] == [type_ for _, type_, _ in TYPES]
    loaded = json.loads(str(outcome))
    assert [row["success"] for row in loaded["results"]] == [True, False, False, False] * 3
    assert loaded["statistics"] == {
        "evaluated_expectations": 12,
        "successful_expectations": 3,
        "unsuccessful_expectations": 9,
        "success_percent": 25.0,
    }
    severities = {row["meta"]["status"]: row["expectation_config"]["severity"] for row in loaded["results"]}
    assert severities == {"pass": "critical", "fail": "critical", "warn": "warning", "error": "critical"}
    assert outcome.get_max_severity_failure() == "critical"


@pytest.mark.parametrize(("status", "success"), [("pass", True), ("warn", True), ("fail", False), ("error", False)])
def test_a_warning_does_not_fail_the_suite(status: str, success: bool) -> None:
    assert to_validation_result(every_type(status)).success is success


def test_results_hold_counts_and_nothing_of_a_row() -> None:
    for row in to_validation_result(mixed()).results:
        assert set(row.result) <= {"element_count", "unexpected_count", "unexpected_percent", "observed_value"}
        assert all(isinstance(value, int | float) for value in row.result.values())
    (failed,) = to_validation_result(suite_of(result(*TYPES[3], status="fail", rows=200, failures=3))).results
    assert failed.result == {"element_count": 200, "unexpected_count": 3, "unexpected_percent": 1.5}


def test_sql_with_braces_and_without_batch_is_taken_silently(capsys: pytest.CaptureFixture[str]) -> None:
    sql = "select {'a': 1} from t where x ~ 'b{2}'"
    declared = to_expectation_suite(
        suite_of(result(None, "unexpected_rows_expectation", {"unexpected_rows_query": sql}))
    )
    (expectation,) = declared.expectations
    assert expectation.configuration.kwargs["unexpected_rows_query"].format() == sql
    assert capsys.readouterr().out == ""


# The pages


@pytest.mark.parametrize("status", ["pass", "fail", "warn", "error"])
@pytest.mark.usefixtures("nothing_logged")
def test_every_type_renders_in_every_status(status: str) -> None:
    text = Page(table_page(every_type(status), "Tests")).text
    for _, type_, _ in TYPES:
        assert type_ in text
    label = {"pass": "Passed", "fail": "Failed", "warn": "Warning", "error": "Error"}[status]
    assert text.count(label) == len(TYPES) + 1  # each row, and the table
    for declared in ("BIGINT", "Self Pay", "120", "2220-01-01 12:30:00", "%Y-%m-%d %H:%M:%S", "58976", "{'k': 1}"):
        assert declared in text


def test_a_failure_says_how_many_what_share_how_grave_and_where_the_sql_is() -> None:
    text = Page(table_page(suite_of(result(*TYPES[3], status="fail", failures=712)), "Tests")).text
    assert "712 of 58,976 unexpected (1.207%)" in text
    assert "Severity error, SQL in target/compiled/tests/expect_column_values_to_be_in_set.sql" in text
    assert "insurance is as declared" in text
    few = Page(table_page(suite_of(result(*TYPES[3], status="fail", failures=1)), "Tests")).text
    assert "1 of 58,976 unexpected (<0.01%)" in few
    more_than_rows = result(*TYPES[-1], status="fail", rows=0, failures=5)
    assert "5 unexpected rows" in Page(table_page(suite_of(more_than_rows), "Tests")).text


def test_columns_come_in_the_order_of_the_declaration() -> None:
    page = table_page(suite_of(*(result(name, TYPES[1][1], {}) for name in ("zeta", "alpha", "mid"))), "Tests")
    links = re.findall(r'href="#section-\d+">([^<]+)<', page)
    assert links == ["Overview", "zeta", "alpha", "mid"]


def test_sql_about_a_column_stands_under_it() -> None:
    suite = suite_of(result("age", "unexpected_rows_expectation", {"description": "age in whole years"}))
    assert len(to_expectation_suite(suite).expectations) == 1  # great_expectations refuses a column there
    page = table_page(suite, "Tests")
    assert re.findall(r'href="#section-\d+">([^<]+)<', page) == ["Overview", "age"]
    assert "age is as declared: age in whole years" in page


def test_a_type_of_our_own_shows_its_declaration() -> None:
    text = Page(table_page(suite_of(result("a", "expect_what_nobody_knows", {"limit": HOSTILE}, text=None)), "T")).text
    assert "expect_what_nobody_knows" in text and "<script>alert(1)</script>" in text


def test_index_counts_and_links(tmp_path: Path) -> None:
    index = write_data_docs([mixed(), every_type(model="patients")], tmp_path / "docs", "Hospital")
    page = Page(index.read_text(encoding="utf-8"))
    assert "2 tables, 24 expectations, 15 passed, 3 warning, 3 failed, 3 error" in page.text
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert links == ["tables/admissions.html", "tables/patients.html"]
    assert all((index.parent / str(link)).is_file() for link in links)


def test_no_tables() -> None:
    assert "No table has been tested." in index_page([], [], "Tests")
    assert "admissions" in table_page(suite_of(), "Tests")


def test_pages_load_nothing_and_run_nothing(tmp_path: Path) -> None:
    write_data_docs([mixed(), every_type(model=HOSTILE)], tmp_path / "docs", "Hospital")
    files = [path for path in (tmp_path / "docs").rglob("*") if path.is_file()]
    assert len(files) == 3
    for path in files:
        html = path.read_text(encoding="utf-8")
        for tag, attributes in Page(html).tags:
            assert tag not in {"script", "iframe", "img", "object", "embed", "base", "form"}
            assert not any(name == "src" or name.startswith("on") for name in attributes)
            target = attributes.get("href") or ""
            assert target == "data:," if tag == "link" else not re.match(r"\s*[\w+.-]+:|\s*//", target), target
        assert not re.search(r"https?://|url\(|@import", html)
        assert "default-src 'none'" in html


@pytest.mark.usefixtures("nothing_logged")
def test_hostile_text_is_shown_as_it_is_and_means_nothing() -> None:
    kwargs = {
        "type_": HOSTILE,
        "value_set": [HOSTILE, "b"],
        "strftime_format": HOSTILE,
        "unexpected_rows_query": HOSTILE,
    }
    used = [(None if column is None else HOSTILE, type_, kwargs) for column, type_, _ in TYPES]
    suite = suite_of(*(result(*one, status="fail", text=HOSTILE) for one in used), model=HOSTILE, text=HOSTILE)
    page = Page(table_page(suite, HOSTILE))
    assert "script" not in [tag for tag, _ in page.tags]
    flat = re.sub(r"\s+", " ", page.text)
    assert flat.count(HOSTILE.replace("\n", " ")) > 5 * len(used)
    assert "49" not in flat  # 7*7 was not worked out
    index = Page(index_page([suite], ["tables/a.html"], HOSTILE))
    assert "script" not in [tag for tag, _ in index.tags] and HOSTILE in index.text


MARKUP = [
    "<b>",
    "</div>",
    "<!--",
    "&lt;",
    '" onload="',
    "$param",
    "${v__0}",
    "$$",
    "{{ 1 }}",
    "{% raw %}",
    "\\1",
    "`",
    "\n",
]
PLAIN = st.text(st.characters(exclude_categories=["Cs", "Co", "Cc"]), min_size=1)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(MARKUP) | PLAIN, min_size=1).map("".join))
def test_no_text_changes_the_page(text: str) -> None:
    def page_of(name: str) -> Page:
        row = result(name, "expect_column_values_to_be_in_set", {"value_set": [name]}, status="fail")
        return Page(table_page(suite_of(row, model=name, text=name), name))

    page, plain = page_of(text), page_of("plain")
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert [set(attributes) for _, attributes in page.tags] == [set(attributes) for _, attributes in plain.tags]
    assert page.text.count(text) >= plain.text.count("plain")


# The folder


def test_writing_twice_gives_the_same_bytes_and_drops_old_pages(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    write_data_docs([mixed(), every_type(model="patients")], docs, "Tests")
    before = {path.name: path.read_bytes() for path in docs.rglob("*.html")}
    write_data_docs([mixed(), every_type(model="patients")], docs, "Tests")
    assert {path.name: path.read_bytes() for path in docs.rglob("*.html")} == before
    write_data_docs([mixed()], docs, "Tests")
    assert sorted(path.name for path in docs.rglob("*.html")) == ["admissions.html", "index.html"]
    assert [path.name for path in tmp_path.iterdir()] == ["docs"]


def test_names_that_a_file_system_mixes_up_get_pages_of_their_own(tmp_path: Path) -> None:
    models = ["admissions", "Admissions", "ADMISSIONS", "../../etc", "a/b", "a\\b", "con.", "x" * 300, "é", "è"]
    write_data_docs([every_type(model=model) for model in models], tmp_path / "docs", "Tests")
    names = [path.name for path in (tmp_path / "docs" / "tables").iterdir()]
    assert len({name.lower() for name in names}) == len(models)
    assert all(re.fullmatch(r"[\w-]{1,110}\.html", name, re.ASCII) for name in names)


def test_a_crash_leaves_the_old_pages_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docs = tmp_path / "docs"
    write_data_docs([mixed()], docs, "Old")
    with monkeypatch.context() as patch:
        patch.setattr(data_docs, "index_page", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            write_data_docs([every_type(model="patients")], docs, "New")
    assert (docs / "tables" / "admissions.html").is_file() and "Old" in (docs / "index.html").read_text()

    docs.rename(tmp_path / ".docs.old")  # as a crash between the two renames would leave it
    with monkeypatch.context() as patch:
        patch.setattr(data_docs, "index_page", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            write_data_docs([every_type(model="patients")], docs, "New")
    assert "Old" in (docs / "index.html").read_text()
    write_data_docs([every_type(model="patients")], docs, "New")
    assert "New" in (docs / "index.html").read_text() and [path.name for path in tmp_path.iterdir()] == ["docs"]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(RunError, match="something else than Data Docs"):
        write_data_docs([mixed()], tmp_path, "Tests")
    assert (tmp_path / "index.html").read_text() == "mine"


def test_nothing_is_written_elsewhere_and_no_network_is_asked(tmp_path: Path) -> None:
    code = """
import socket, sys
from pathlib import Path
def refuse(*_, **__): raise AssertionError("network")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from synth.artifacts.results import SuiteResult
from synth.validation.data_docs import write_data_docs
from synth.validation.gx import ExpectationSuite, ExpectationSuiteValidationResult
write_data_docs([SuiteResult.model_validate_json(sys.stdin.read())], Path("docs"), "Tests")
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "GX_"))}
    environment |= {"HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-W", "error", "-c", code]
    ran = subprocess.run(
        command, input=mixed().model_dump_json(), cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert written == ["docs/index.html", "docs/tables/admissions.html"]


# A browser

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (Debian: apt-get install chromium)")


def chromium(tmp_path: Path, *arguments: str) -> str:
    return _browser(tmp_path, *arguments).stdout


def console(tmp_path: Path, page: Path) -> str:
    """What the browser's console, and the browser, say of a page."""
    return _browser(tmp_path, "--enable-logging=stderr", "--dump-dom", page.as_uri()).stderr


def _browser(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    quiet = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
    quiet += " --disable-component-update --disable-sync --hide-scrollbars"
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    command = [str(CHROMIUM), *quiet.split(), profile, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)


def raw_pixels(png: bytes) -> bytes:
    """The filtered rows of a PNG: all zero but for its first line where the picture has one colour."""
    data, at = b"", 8
    while at < len(png):
        length = int.from_bytes(png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            data += png[at + 8 : at + 8 + length]
        at += length + 12
    return zlib.decompress(data)


@needs_browser
def test_a_browser_shows_the_pages(tmp_path: Path) -> None:
    index = write_data_docs([mixed(), every_type(model="patients")], tmp_path / "docs", "Hospital")
    dom = Page(chromium(tmp_path, "--dump-dom", index.as_uri())).text
    for shown in ("Hospital", "admissions", "patients", "Passed", "Failed"):
        assert shown in dom
    table = index.parent / "tables" / "admissions.html"
    dom = Page(chromium(tmp_path, "--dump-dom", table.as_uri())).text
    for shown in ("Passed", "Failed", "Warning", "Error", "insurance", "712 of 58,976 unexpected", "Table-Level"):
        assert shown in dom
    for page, width in ((index, 1280), (table, 1280), (table, 500)):
        picture = tmp_path / "page.png"
        chromium(tmp_path, f"--screenshot={picture}", f"--window-size={width},900", page.as_uri())
        assert len(set(raw_pixels(picture.read_bytes()))) > 100, f"{page.name} is blank at {width} px"


@needs_browser
def test_a_browser_runs_no_hostile_name_and_no_page_is_wider_than_a_telephone(tmp_path: Path) -> None:
    wide = [result("column_" * 30, *TYPES[3][1:], status="fail"), result(HOSTILE, *TYPES[3][1:], text=HOSTILE)]
    suite = suite_of(*wide, model="W" * 120, text=HOSTILE)
    # The probe is the only script: it frames the page at 400 px, and says how wide the page then is. The framed page
    # is the same but for its policy, so that a hostile script would run.
    page = table_page(suite, HOSTILE).replace("default-src 'none'; ", "").replace("<details>", "<details open>")
    (tmp_path / "page.html").write_text(page.replace("alert(1)", "parent.document.title='ran'"), encoding="utf-8")
    probe = """<title>quiet</title><iframe src="page.html" style="width:400px;height:900px;border:0"></iframe><p></p>
<script>onload = () => { document.querySelector("p").textContent =
  "width " + document.querySelector("iframe").contentDocument.documentElement.scrollWidth }</script>"""
    (tmp_path / "probe.html").write_text(probe, encoding="utf-8")
    dom = chromium(tmp_path, "--allow-file-access-from-files", "--dump-dom", (tmp_path / "probe.html").as_uri())
    assert "<title>quiet</title>" in dom
    width = re.search(r"<p>width (\d+)</p>", dom)
    assert width is not None and int(width[1]) <= 400
