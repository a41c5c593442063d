"""``synth release``: what leaves the house, what does not, and that a bundle tells when it was changed."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest

import canary
from compiling import compile_folder, write
from family import PROJECT
from processes import synth
from synth import Project
from synth.artifacts.catalog import Bar, Distribution
from synth.artifacts.evaluation import Curve
from synth.artifacts.release import ReleaseFigure, ReleaseFigures
from synth.errors import RunError, UsageError
from synth.privacy.chain import hash_of
from synth.release.gather import gather
from synth.release.pages import model_card, report
from synth.release.pictures import bar_list
from synth.release.promise import promises
from synth.release.refusals import Asked, refuse
from synth.release.seal import seal
from synth.release.told import Name, Told, in_html, in_text
from synth.release.verify import verify
from synth.report.pictures import bars
from synth.runtime.associations import associations
from synth.runtime.built import Made, Verdict
from synth.runtime.warehouse import Warehouse
from synth.site.templates import environment, source
from test_data_docs import chromium, console, needs_browser, raw_pixels

pytestmark = pytest.mark.slow

SHARES = {"synthetic": (0.5,), "holdout": (0.4,)}
FORMULAS = ["=1+1", "+1", "-1", "@sum(a)", "\t=1", "\r=1", "\n=1"]
TEXTS = [*FORMULAS, "a=1", "'"]
SIGNS = " union all\n".join(
    f'select {i} as place, {" || ".join(f"chr({ord(char)})" for char in text)} as said, -{i} as "-below"'
    for i, text in enumerate(TEXTS, 1)
)
EXTRA = {
    "models/signs.sql": "{{ config(materialized='table') }}\n"
    f"select * from ({SIGNS}) where exists (from {{{{ ref('stays') }}}})\n",
    "tests/nobody_is_old.sql": "select age from {{ ref('stays') }} where age > 120\n",
}
FORMAT = "{name: seen, type: datetime, bounds: [2000-01-01, 2030-01-01], format: '%d/%m/%Y %H:%M',"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project of canaries, built and tested; its sex is mostly unknown, so that test goes."""
    root = canary.write_project(tmp_path_factory.mktemp("release") / "wards")
    (root / "tests" / "nobody_is_other.sql").unlink()
    write(root, EXTRA)
    edit(root / "metadata" / "stays.yml", "{name: seen, type: datetime, bounds: [2000-01-01, 2030-01-01],", FORMAT)
    done = synth(root, "build", "--no-docs")
    assert done.returncode == 0, done.stdout + done.stderr
    return root


@pytest.fixture(scope="module")
def bundle(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "below" / "wards"
    done = synth(built, "release", "--out", str(folder))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def project(built: Path, tmp_path: Path) -> Path:
    """A copy, to be changed."""
    return shutil.copytree(built, tmp_path / "wards")


@pytest.fixture
def copied(bundle: Path, tmp_path: Path) -> Path:
    return shutil.copytree(bundle, tmp_path / "copied")


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def refused(project: Path, **how: str) -> str:
    """What is said; and that nothing was written."""

    def written() -> list[Path]:
        return [path for path in sorted(project.parent.rglob("*")) if "target" not in path.parts]

    before = written()
    with pytest.raises(RunError) as caught:
        Project(project).release(out=project.parent / "out" / "bundle", **how)
    assert written() == before
    return str(caught.value)


VIEW, TABLE = "{{ config(materialized='view') }}", "{{ config(materialized='table') }}"
PASTED = ReleaseFigures(
    model="stays",
    figures=(ReleaseFigure(metric="marginal_1", value=0.99, source="paid release metric"),),
).model_dump_json()


@pytest.mark.parametrize(
    "statement",
    [
        "update synthetic.stays set age = 77 where rowid = 0",
        "insert into public.doses from public.doses limit 1",  # of sexes: there may be one alone
        f"update _synth.figures set figures = '{PASTED}'",
    ],
)
def test_what_was_changed_since_it_was_made_is_refused(project: Path, statement: str) -> None:
    """A row, a public table, a figure that is told of a table: by whoever can write to the database."""
    with duckdb.connect(str(project / "target" / "dev.duckdb")) as database:
        database.execute(statement)
    assert "was changed since it was made" in refused(project)


def test_a_table_that_is_older_than_what_it_reads_by_way_of_a_view_is_refused(project: Path) -> None:
    write(
        project,
        {
            "models/adults.sql": f"{VIEW} select * from {{{{ ref('stays') }}}}",
            "models/by_sex.sql": f"{TABLE} select sex, count(*) as n from {{{{ ref('adults') }}}} group by sex",
        },
    )
    assert synth(project, "build", "--select", "adults by_sex").returncode == 0
    assert synth(project, "build", "--select", "stays adults").returncode == 0
    assert "public.by_sex is older than synthetic.stays" in refused(project, select="by_sex")


def test_tests_of_tables_that_are_not_released_are_not_waited_for() -> None:
    """The foreign key of a child reads its parent's rows; who releases the parent alone need not build the child."""
    compiled, now = compile_folder(PROJECT), datetime.now(UTC)
    people = compiled.synthetic["people"]
    own = [test for id, test in compiled.checks.items() if set(compiled.parents[id]) == {"people"}]
    assert own and len(own) < sum("people" in compiled.parents[id] for id in compiled.checks)
    asked = Asked(
        compiled=compiled, models=("people",), rows={"people": 5}, made={"people": Made(now, people.declaration())},
        verdicts={test.id: Verdict(now, "pass", 5, 0, test.digest) for test in own}, spent={people.fit_fingerprint()},
        ledger=None, drafted=(),
    )  # fmt: skip
    refuse(asked)
    with pytest.raises(RunError, match="were not run since it was made"):
        refuse(replace(asked, verdicts={}))


def test_a_test_of_what_is_not_released_besides_holds_nothing_back(project: Path) -> None:
    """It is not run, for the other table is not built; and the bundle does not speak of it."""
    both = "select s.age from {{ ref('stays') }} s join {{ ref('others') }} o using (age) where s.age < 0"
    write(project, {"models/others.sql": f"{TABLE} select 1 as age", "tests/both.sql": both})
    folder, _ = Project(project).release(select="stays", out=project.parent / "alone")
    told = json.loads((folder / "tests.json").read_text())["tables"]["stays"]
    assert told and "both" not in {test["id"].rpartition(".")[2] for test in told}


# what is in it


def test_a_bundle_has_its_files_and_is_verified_by_sha256sum_and_without_a_project(bundle: Path) -> None:
    found = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    tables = {f"tables/{name}.SYNTHETIC.{kind}" for name in ("stays", "doses", "signs") for kind in ("csv", "parquet")}
    assert found == tables | {
        "data_dictionary.csv", "data_dictionary.json", "model_card.md", "guarantee.json", "ledger_receipt.json",
        "tests.json", "registry.json", "report.html", "MANIFEST.sha256", "bundle.json",
    }  # fmt: skip
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "MANIFEST.sha256"], cwd=bundle, check=True)
    said = synth(bundle.parent, "release", "verify", str(bundle))
    assert said.returncode == 0 and verify(bundle) in said.stdout


def test_no_cell_of_a_person_is_in_it(built: Path, bundle: Path) -> None:
    assert canary.leaks([built / "sources"], []), "the scanner finds nothing"
    assert not canary.leaks([bundle], [])


def test_parquet_says_what_it_is(bundle: Path) -> None:
    for name in ("stays", "doses"):
        path = bundle / "tables" / f"{name}.SYNTHETIC.parquet"
        rows = duckdb.sql(f"select decode(key), decode(value) from parquet_kv_metadata('{path}')").fetchall()
        assert dict(rows).items() >= {
            "SYNTHETIC": "true: no row is a real person", "epsilon": "1", "delta": "1e-06", "unit": "patient",
            "population": "ward_patients", "project": "wards",
        }.items()  # fmt: skip


def test_csv_has_no_formula_keeps_numbers_and_writes_dates_as_declared(bundle: Path) -> None:
    with (bundle / "tables" / "signs.SYNTHETIC.csv").open(newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: int(row["place"]))
    assert [row["said"] for row in rows] == [*(f"'{text}" for text in FORMULAS), "a=1", "'"]
    assert [row["'-below"] for row in rows] == [str(-i) for i in range(1, 10)]
    parquet = bundle / "tables" / "signs.SYNTHETIC.parquet"
    assert duckdb.sql(f"select said from '{parquet}' order by place limit 7").fetchall() == [(t,) for t in FORMULAS]
    with (bundle / "tables" / "stays.SYNTHETIC.csv").open(newline="") as file:
        seen = [row["seen"] for row in csv.DictReader(file) if row["seen"]]
    assert all(re.fullmatch(r"\d\d/\d\d/20\d\d \d\d:\d\d", value) for value in seen)
    assert "apostrophe" in json.loads((bundle / "data_dictionary.json").read_text())["csv"]


def test_the_guarantee_is_that_of_the_plan_and_the_ledger(built: Path, bundle: Path) -> None:
    found = json.loads((bundle / "guarantee.json").read_text())
    (promise,) = found["release"]
    assert (promise["epsilon"], promise["delta"], promise["max_rows_per_unit_and_table"]) == (1.0, 1e-6, 3)
    assert promise["replace_one_unit"]["epsilon"] == 2.0
    assert promise["replace_one_unit"]["delta"] == pytest.approx(1e-6 * (1 + 2.718281828))
    assert promise["posterior_of_prior_one_half_at_most_percent"] == 73.2
    (summary,) = Project(built).ledger.summary()
    assert found["populations_to_date"][0]["spent"] == summary.spent
    assert found["tables"]["doses"][0]["fits"][0]["model"] == "stays"


def test_the_receipt_can_be_checked_against_the_ledger(built: Path, bundle: Path) -> None:
    found = json.loads((bundle / "ledger_receipt.json").read_text())
    assert Project(built).ledger.verify(found["head"]).entries == found["entries"] == 2
    before = "0" * 64
    for link in found["links"]:
        assert hash_of(before, link["body"]) == link["hash"]
        before = link["hash"]


def test_several_fits_of_the_same_people_are_composed(built: Path) -> None:
    fit = Project(built).compile().synthetic["stays"]
    (both,) = promises([fit, fit.model_copy(update={"name": "again"})])
    assert 1.0 < both.epsilon < 2.0 and both.source == "arithmetic"
    assert promises([fit, fit]) == promises([fit])


def test_the_dictionary_and_tests_tell_of_each_column(bundle: Path) -> None:
    (stays,) = [t for t in json.loads((bundle / "data_dictionary.json").read_text())["tables"] if t["name"] == "stays"]
    columns = {column["name"]: column for column in stays["columns"]}
    assert columns["sex"]["categories"] == ["F", "M"] and columns["age"]["highest"] == "120"
    assert stays["constraints"][0]["sql"].startswith("dose >= 0") and stays["constraints"][0]["held_by"]
    results = json.loads((bundle / "tests.json").read_text())["tables"]["stays"]
    assert "test.nobody_is_old" in {result["id"] for result in results}
    assert {result["status"] for result in results} == {"pass"}


def test_releases_of_a_day_are_numbered_and_none_is_overwritten(project: Path) -> None:
    first, _ = Project(project).release("stays")
    second, _ = Project(project).release("stays")
    assert second.name == f"{first.name}-2" and first.parent == project / "target" / "release"
    with pytest.raises(RunError, match="is there already"):
        Project(project).release("stays", out=first)


# what is changed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda b: edit(b / "tables" / "signs.SYNTHETIC.csv", "a=1", "a=2"), "changed: tables/signs.SYNTHETIC.csv"),
        (lambda b: (b / "report.html").unlink(), "missing: report.html"),
        (lambda b: (b / "tables" / "more.csv").write_text("x"), "added: tables/more.csv"),
        (lambda b: edit(b / "bundle.json", "{", "{ "), "changed: bundle.json"),
        (lambda b: (b / "bundle.json").unlink(), "missing: bundle.json"),
        (lambda b: (b / "MANIFEST.sha256").unlink(), "missing: MANIFEST.sha256"),
        (lambda b: edit(b / "MANIFEST.sha256", "  tests.json\n", "  tests.txt\n"), "changed: MANIFEST.sha256"),
    ],
)
def test_a_file_that_was_changed_is_told_by_name(change: Callable[[Path], None], said: str, copied: Path) -> None:
    change(copied)
    with pytest.raises(RunError, match=re.escape(said)):
        verify(copied)


def test_a_link_in_place_of_a_file_is_a_change(copied: Path) -> None:
    (copied / "report.html").rename(copied.parent / "elsewhere.html")
    (copied / "report.html").symlink_to(copied.parent / "elsewhere.html")
    assert synth(copied.parent, "release", "verify", str(copied)).returncode == 1


def test_whoever_seals_anew_is_found_by_the_noted_digest_and_by_the_chain(copied: Path) -> None:
    noted = verify(copied)
    edit(copied / "ledger_receipt.json", '\\"epsilon_alone\\":1.0', '\\"epsilon_alone\\":0.5')
    seal(copied)
    with pytest.raises(RunError, match=r"changed: ledger_receipt\.json, entry 1"):
        verify(copied)
    with pytest.raises(RunError, match="not the digest that was noted"):
        verify(copied, noted)


def test_another_folder_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no release"):
        verify(tmp_path)
    with pytest.raises(UsageError, match=r"there is no folder .*elsewhere"):
        verify(tmp_path / "elsewhere")


# what is refused


def test_what_is_not_built_is_not_released(tmp_path: Path) -> None:
    said = refused(canary.write_project(tmp_path / "wards"), select="stays")
    assert "stays is not built" in said and "synth build --select stays" in said


def test_a_table_of_an_earlier_declaration_is_not_released(project: Path) -> None:
    edit(project / "metadata" / "stays.yml", "rows: 80", "rows: 81")
    edit(project / "models" / "doses.sql", "avg(dose)", "max(dose)")
    said = refused(project)
    assert "synthetic.stays was made of an earlier declaration" in said
    assert "public.doses was made of an earlier declaration" in said


def test_tests_are_run_after_the_table_was_made_and_as_they_are_today(project: Path) -> None:
    edit(project / "tests" / "nobody_is_old.sql", "120", "119 + 1")
    assert "has tests that were not run since it was made: test.nobody_is_old\n" in refused(project, select="stays")
    assert synth(project, "run").returncode == 0
    said = refused(project)
    assert "stays.patient.type and 25 more" in said and "synth test --select stays" in said
    assert synth(project, "test", "--no-docs").returncode == 0
    Project(project).release(out=project.parent / "out")


def test_tests_that_fail_are_told(project: Path) -> None:
    (project / "tests" / "none.sql").write_text("select * from {{ ref('doses') }}\n")
    assert synth(project, "test", "--no-docs").returncode == 1
    assert "public.doses has tests that failed: test.none" in refused(project)
    Project(project).release("stays", out=project.parent / "out")


def test_drafted_metadata_are_not_released(project: Path) -> None:
    edit(
        project / "metadata" / "stays.yml",
        "{name: smoker, type: boolean,",
        "{name: smoker, type: boolean, drafted: true,",
    )
    assert re.search(r"metadata/stays.yml:\d+:\d+: .* nobody has reviewed: smoker", refused(project, select="doses"))


def test_what_is_not_private_is_not_released(project: Path) -> None:
    edit(project / "metadata" / "stays.yml", "epsilon: 1.0", "privacy: none")
    for model in ("doses", "signs"):
        edit(project / "models" / f"{model}.sql", "materialized='table'", "materialized='table', privacy='none'")
    said = refused(project)
    assert "NOT_PRIVATE_stays is made without differential privacy" in said and "--exclude stays" in said


def test_a_ledger_that_was_changed_releases_nothing(project: Path) -> None:
    with closing(sqlite3.connect(project / "privacy_ledger.db")) as ledger, ledger:
        ledger.execute("drop trigger entry_is_never_changed")
        ledger.execute("update entry set body = replace(body, '1.0', '0.5') where sequence = 1")
    assert "the ledger does not verify" in refused(project)


def test_what_the_ledger_does_not_know_is_not_paid(project: Path) -> None:
    (project / "privacy_ledger.db").unlink()
    (project / "target" / "ledger_bookmark.json").unlink()
    assert "the generator of stays is not paid" in refused(project, select="doses")


def test_a_table_that_is_older_than_what_it_reads_is_not_released(project: Path) -> None:
    assert synth(project, "build", "--no-docs", "--select", "stays").returncode == 0
    said = refused(project)
    assert "public.doses is older than synthetic.stays, whose rows it reads" in said and "2 reasons" in said


def test_a_table_without_rows_is_not_released(project: Path) -> None:
    assert synth(project, "run", "--empty").returncode == 0
    assert "synthetic.stays has no rows" in refused(project)


# what pages say


@pytest.mark.parametrize("value", [3, 3.5, True, None, "3 rows", "of 1e-6"])
def test_a_page_prints_no_number_without_its_source(value: object) -> None:
    for show in (in_html, in_text):
        with pytest.raises(TypeError, match="without its source"):
            show(value)
    assert ">3<abbr" in str(in_html(Told(3, "ledger"))).replace("&NoBreak;", "")
    assert in_html(Name("hba1c")) == "<code>hba1c</code>" and in_text(Told(0.1234567, "plan")) == "0.123457 [P]"


class Bare(HTMLParser):
    """Texts with a digit that stand neither in a told value nor in a name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.inside: list[str] = []
        self.found: list[str] = []
        self.told = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in ("meta", "link", "rect", "line"):
            return
        self.inside.append("told" if ("class", "told") in attributes else tag)
        self.told += self.inside[-1] == "told"

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("rect", "line"):
            self.inside.pop()

    def handle_data(self, text: str) -> None:
        if re.search(r"\d", text) and not {"told", "code", "style", "svg"} & {*self.inside}:
            self.found.append(text)


def test_every_number_of_the_report_has_its_mark(bundle: Path) -> None:
    page = Bare((bundle / "report.html").read_text())
    assert [text for text in page.found if "MANIFEST" not in text] == [] and page.told > 100
    for said in ("73.2%", "Adjacency", "What is not protected", "Spent to date", "Cramér", "age is between"):
        assert said in (bundle / "report.html").read_text(), said


def test_the_report_says_when_it_and_its_tables_were_made(bundle: Path) -> None:
    page, card = ((bundle / name).read_text() for name in ("report.html", "model_card.md"))
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert re.search(rf"Made on <span[^>]*>{today} \d\d:\d\d UTC", page) and f"Released on {today}" in card
    assert page.index("Made on") < page.index("What is promised") and "rows, made on 20" in card


def test_of_no_words_there_is_no_letter_either() -> None:
    nothing = Told("", "declaration")
    assert in_html(nothing) == in_text(nothing) == "" and in_text(Told(0, "plan")) == "0 [P]"


def test_figures_that_were_paid_for_have_a_section_of_their_own(built: Path) -> None:
    project = Project(built)
    figure = ReleaseFigure(metric="marginal_2", value=0.91, low=0.9, high=0.93, source="paid release metric")
    with project._warehouse(read_only=True) as warehouse:
        compiled, how = project.compile(), (warehouse, project.ledger, project.budgets, ())
        found = gather(compiled, project.graph, ["stays"], *how)
    without, given = (replace(found, tables=(replace(found.tables[0], figures=of),)) for of in ((), (figure,)))
    assert "How well the table fits" not in report(without)
    assert "0.900 to 0.930" in report(given) and "0.910 [M]" in model_card(given)


def test_associations_are_of_none_to_one() -> None:
    pictures = [Distribution(column=name, ordered=True, bars=()) for name in ("a", "b", "c")]
    pictures.append(Distribution(column="d", ordered=False, bars=()))
    with Warehouse(None, threads=1, memory_limit="1GB") as warehouse:
        rows = "select i % 8 as a, -(i % 8) as b, i // 8 % 8 as c, 'x' as d from range(6400) t(i)"
        warehouse.prepare([f"create table public.t as {rows}"])
        found = {(one.first, one.second): one.value for one in associations(warehouse, "public.t", pictures)}
    assert found[("a", "b")] == 1.0 and found[("a", "c")] == 0.0 and found[("a", "d")] is None


# a browser


LONG = "NATIVE HAWAIIAN OR OTHER PACIFIC ISLANDER, OR A_NAME_OF_MANY_LETTERS_WITHOUT_ANY_SPACE_IN_IT"


@needs_browser
@pytest.mark.parametrize(
    ("room", "drawn"),
    [
        ("release", bar_list(Distribution(column="a", ordered=False, bars=(Bar(label=LONG, rows=9),)))),
        ("report", bars(Curve(section="fidelity", name="distribution", of="a", x=(LONG,), series=SHARES))),
    ],
)
def test_no_name_of_a_category_is_cut(room: str, drawn: str, tmp_path: Path) -> None:
    css = source(environment(f"synth.{room}"), "report.css")
    for width in (300, 700):
        (tmp_path / "page.html").write_text(
            f"""<style>{css}</style><figure style="width:{width}px">{drawn}</figure><output></output><script>
const label = document.querySelector(".label"), frame = document.querySelector("figure")
const right = (element) => element.getBoundingClientRect().right
document.querySelector("output").textContent =
  [label.scrollWidth <= label.clientWidth, right(label) < right(frame), frame.scrollWidth <= frame.clientWidth]</script>"""
        )
        dom = chromium(tmp_path, "--dump-dom", (tmp_path / "page.html").as_uri())
        assert LONG in dom and "<output>true,true,true<" in dom, dom[-200:]


@needs_browser
def test_the_report_is_no_wider_than_a_telephone_says_no_error_and_loads_nothing(bundle: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    text = (bundle / "report.html").read_text()
    assert not re.search(r"""(?:src|href|url\()=?["']?(?:https?:)?//""", text) and "<script" not in text
    assert "default-src 'none'" in text
    page.write_text(text)
    said = console(tmp_path, page)
    assert "CONSOLE" not in said, said
    for width in (400, 1280):
        probe = f"""<iframe src="report.html" style="width:{width}px;height:900px;border:0"></iframe><p></p>
<script>onload = () => {{ document.querySelector("p").textContent =
  "width " + document.querySelector("iframe").contentDocument.documentElement.scrollWidth }}</script>"""
        (tmp_path / "probe.html").write_text(probe)
        dom = chromium(tmp_path, "--allow-file-access-from-files", "--dump-dom", (tmp_path / "probe.html").as_uri())
        found = re.search(r"<p>width (\d+)</p>", dom)
        assert found is not None and int(found[1]) <= width
    picture = tmp_path / "page.png"
    chromium(tmp_path, f"--screenshot={picture}", "--window-size=1280,900", page.as_uri())
    assert len(set(raw_pixels(picture.read_bytes()))) > 100
