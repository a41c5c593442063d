"""The site of synth docs: its pages, its search and its graph, in a browser where there is one."""

from __future__ import annotations

import json
import re
import shutil
import threading
import urllib.request
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes import synth
from starting import quick_starter
from synth import Project
from synth.site.lineage import Spot, around, lineage
from synth.site.serve import server
from test_data_docs import chromium, console, needs_browser, raw_pixels

HOSTILE = "<script>parent.document.title='ran'</script> {{ 7*7 }} \"'&"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter, built, with a description that means harm."""
    root = quick_starter(tmp_path_factory.mktemp("site") / "clinic")
    table = root / "metadata" / "members.yml"
    text = table.read_text()
    described = re.sub(
        r"    description: .*", f'    description: {json.dumps(HOSTILE)[:-1]}"', text.replace("{{", "{ {"), count=1
    )
    table.write_text(described.replace("{{ 7*7 }}", "7*7"))
    (root / "tests").mkdir(exist_ok=True)
    (root / "tests" / "nobody_is_young.sql").write_text("select * from {{ ref('members') }} where age < 5\n")
    built = synth(root, "build")
    assert built.returncode == 0, built.stdout + built.stderr
    said = synth(root, "docs", "generate")
    assert said.stdout == "Wrote target/docs/index.html\n", said.stderr
    return root


def test_data_docs_lead_back_to_the_site_where_there_is_one(project: Path) -> None:
    docs = project / "target" / "docs"

    def leads() -> list[bool]:
        found = [docs / "data_docs" / "index.html", *(docs / "data_docs" / "tables").glob("*.html")]
        links = [Links(page.read_text()).found for page in found]
        assert len(found) > 1
        return [
            any((page.parent / link).resolve() == docs / "index.html" for link in here)
            for page, here in zip(found, links, strict=True)
        ]

    assert all(leads())  # written before the site was
    assert synth(project, "test").returncode == 0 and all(leads())  # and after
    (docs / "index.html").rename(docs / "aside")
    assert synth(project, "test").returncode == 0 and not any(leads())
    (docs / "aside").rename(docs / "index.html")
    assert synth(project, "test").returncode == 0 and all(leads())


class Links(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attributes if name in ("href", "src") and value]
        self.ids |= {value for name, value in attributes if name == "id" and value}


def pages(project: Path) -> dict[str, str]:
    docs = project / "target" / "docs"
    return {str(path.relative_to(docs)): path.read_text() for path in [docs / "index.html", *docs.glob("nodes/*.html")]}


def test_every_node_has_a_page_and_every_link_leads_somewhere(project: Path) -> None:
    docs, found = project / "target" / "docs", pages(project)
    assert set(found) == {
        "index.html", "nodes/source.clinic.clinic.members.html", "nodes/model.clinic.members.html",
        "nodes/model.clinic.pressure_by_region.html",
    }  # fmt: skip
    for name, text in found.items():
        for link in Links(text).found:
            assert not re.match(r"\w+:(?!,$)", link.removeprefix("data:,")), f"{name} loads {link}"
            path, _, part = link.partition("#")
            target = (docs / name).parent / path if path else docs / name
            assert link == "data:," or target.exists(), f"{name}: {link}"
            assert not part or part in Links(target.read_text()).ids


def test_a_page_says_what_its_table_is(project: Path) -> None:
    page = pages(project)["nodes/model.clinic.members.html"]
    for said in (
        "18 to 110",
        "last_visit &gt;= first_visit",
        "a time since another date",
        "Protects",
        "4,000 units (member_id)",
        "marginals",
        "Codes to rows",
        "of 4,000 synthetic rows".replace("of", "Of"),
        "primary key: new numbers",
        "nobody_is_young",
    ):
        assert said in page, said
    assert HOSTILE not in page and "7*7" in page
    assert "M00001" not in "".join(pages(project).values())  # a member of the source


def test_figures_are_of_the_synthetic_rows(project: Path) -> None:
    page = pages(project)["nodes/model.clinic.members.html"]
    ((rows,),) = Project(project).query("select avg((sex = 'F')::int) from synthetic.members")[1]
    assert re.search(rf'title="F">F</span>.*?<span class="value">{rows:.1%}</span>', page)


def test_the_catalog_has_dbts_keys(project: Path) -> None:
    found = json.loads((project / "target" / "catalog.json").read_text())
    assert {"metadata", "nodes", "sources"} == found.keys()
    members = found["nodes"]["model.clinic.members"]
    assert members["metadata"]["schema"] == "synthetic" and members["metadata"]["type"] == "BASE TABLE"
    assert members["columns"]["age"] == {
        "type": "BIGINT",
        "index": 3,
        "name": "age",
        "comment": members["columns"]["age"]["comment"],
    }
    assert members["rows"] == 4000


def test_a_project_that_is_not_built_has_a_site_too(tmp_path: Path) -> None:
    root = quick_starter(tmp_path / "clinic")
    Project(root).docs()
    page = pages(root)["nodes/model.clinic.members.html"]
    assert "Not built yet. Run: synth build --select members" in page and "Plan" in page
    (root / "models" / "pressure_by_region.sql").unlink()
    Project(root).docs()
    assert "nodes/model.clinic.pressure_by_region.html" not in pages(root)


def test_pages_of_somebody_else_are_not_overwritten(tmp_path: Path) -> None:
    root = quick_starter(tmp_path / "clinic")
    (root / "target" / "docs").mkdir(parents=True)
    (root / "target" / "docs" / "index.html").write_text("<h1>mine</h1>")
    said = synth(root, "docs", "generate")
    assert said.returncode == 1 and "is no page of synth docs" in said.stderr


def test_it_is_served_to_this_machine_alone(project: Path) -> None:
    with server(project / "target" / "docs", 0) as waiting:
        assert waiting.server_address[0] == "127.0.0.1"
        thread = threading.Thread(target=waiting.serve_forever)
        thread.start()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{waiting.server_port}/index.html") as answer:
                assert b"Lineage" in answer.read()
        finally:
            waiting.shutdown()
            thread.join()


def test_lineage_is_layered_and_what_is_around_a_node_is_what_it_comes_from_and_gives() -> None:
    spots = [
        Spot("s", "s", "source", "private", "s.html", ()), Spot("a", "a", "model", "synthetic", "a.html", ("s",)),
        Spot("b", "b", "model", "public", "b.html", ("a",)), Spot("c", "c", "model", "public", "c.html", ("s", "b")),
        Spot("z", "z", "model", "public", "z.html", ("s",)),
    ]  # fmt: skip
    assert [spot.id for spot in around(spots, "a")] == ["s", "a", "b", "c"]
    picture = lineage(spots, "a")
    left = {name: int(x) for name, x in re.findall(r'<title>(\w)</title><rect x="(\d+)"', picture)}
    assert left["s"] < left["a"] < left["b"] < left["c"] and left["z"] == left["a"]
    assert picture.count("marker-end=") == 5 and picture.count("aria-current") == 1
    assert lineage([]).startswith("<svg")


@given(st.lists(st.sets(st.integers(0, 11)), min_size=2, max_size=12))
def test_no_line_of_the_lineage_passes_behind_a_node(parents: list[set[int]]) -> None:
    """Each node reads some of those before it. Lines bend between layers, and pass one where it has no node."""
    names = [f"n{i}" for i in range(len(parents))]
    spots = [
        Spot(name, name, "model", "public", f"{name}.html", tuple(names[p] for p in sorted(parents[i]) if p < i))
        for i, name in enumerate(names)
    ]
    picture = lineage(spots)
    boxes = [
        tuple(map(int, box)) for box in re.findall(r'<rect x="(\d+)" y="(\d+)" width="(\d+)" height="(\d+)"', picture)
    ]
    lines = re.findall(r'd="M(\d+) \d+C[\d ]+ (\d+) (\d+)(?:H(\d+))?"', picture)
    assert len(boxes) == len(spots) and picture.count("marker-end=") == sum(len(spot.parents) for spot in spots)
    for begins, arrives, height, leaves in (tuple(int(n or 0) for n in line) for line in lines):
        for left, top, wide, high in boxes:
            assert left + wide <= begins or arrives <= left  # where it bends
            assert not leaves or not (top <= height <= top + high and left < leaves and arrives < left + wide)


# A browser


def probed(project: Path, page: str, script: str, width: int = 1280) -> str:
    """What ``script`` says, which is run with ``view`` and ``doc``, the window and the document of the page."""
    docs = project / "target" / "docs"
    probe = f"""<title>quiet</title><iframe src="{page}" style="width:{width}px;height:900px;border:0"></iframe><p></p>
<script>onload = async () => {{ const view = document.querySelector("iframe").contentWindow, doc = view.document;
  const wait = () => new Promise((done) => setTimeout(done, 300)), errors = [];
  view.addEventListener("error", (event) => errors.push(event.message));
  const said = await (async () => {{ {script} }})();
  document.querySelector("p").textContent = "said " + said + (errors.length ? " ERROR " + errors : "") + " end" }}</script>"""
    path = docs / "probe.html"
    path.write_text(probe, encoding="utf-8")
    try:
        dom = chromium(
            docs.parent, "--allow-file-access-from-files", "--virtual-time-budget=8000", "--dump-dom", path.as_uri()
        )
    finally:
        path.unlink()
        shutil.rmtree(docs.parent / "profile", ignore_errors=True)
    assert "<title>quiet</title>" in dom  # no script of a description ran
    found = re.search(r"<p>said (.*) end</p>", dom, re.DOTALL)
    assert found, dom[-500:]
    return found[1]


TYPE = 'const box = doc.getElementById("search"); box.value = "{}"; box.dispatchEvent(new view.Event("input"));'
KEY = 'box.dispatchEvent(new view.KeyboardEvent("keydown", {{key: "{}", bubbles: true}}));'


@needs_browser
def test_search_finds_tables_and_columns_and_is_used_by_keyboard(project: Path) -> None:
    names = 'return [...doc.querySelectorAll("#found b")].map((b) => b.textContent).join(" ")'
    assert probed(project, "index.html", TYPE.format("systolic") + names).split()[0] == "members.systolic"
    assert probed(project, "index.html", TYPE.format("members") + names).split()[0] in ("members", "clinic.members")
    assert "Nothing found" in probed(
        project, "index.html", TYPE.format("zzz") + 'return doc.getElementById("found").textContent'
    )
    go = TYPE.format("pressure") + KEY.format("ArrowDown") + KEY.format("ArrowUp") + KEY.format("Enter")
    went = go + ' await wait(); return document.querySelector("iframe").contentWindow.location.pathname'
    assert probed(project, "index.html", went).endswith("/nodes/model.clinic.pressure_by_region.html")
    slash = (
        'doc.dispatchEvent(new view.KeyboardEvent("keydown", {key: "/", bubbles: true})); return doc.activeElement.id'
    )
    assert probed(project, "nodes/model.clinic.members.html", slash) == "search"


@needs_browser
def test_the_graph_leads_to_its_nodes_and_marks_where_one_is(project: Path) -> None:
    spots = '[...doc.querySelectorAll(".lineage a")]'
    assert probed(project, "index.html", f"return {spots}.length") == "3"
    how = "{bubbles: true, cancelable: true, view}"
    click = (
        f'{spots}.find((a) => a.textContent.includes("pressure")).dispatchEvent(new view.MouseEvent("click", {how}));'
    )
    went = click + ' await wait(); return document.querySelector("iframe").contentWindow.location.pathname'
    assert probed(project, "index.html", went).endswith("model.clinic.pressure_by_region.html")
    marked = (
        f'return {spots}.filter((a) => a.getAttribute("aria-current")).map((a) => a.querySelector("title").textContent)'
    )
    assert probed(project, "nodes/model.clinic.members.html", marked) == "members"


@needs_browser
@pytest.mark.parametrize("width", [1280, 400])
def test_no_page_is_wider_than_its_window_or_blank(width: int, project: Path, tmp_path: Path) -> None:
    for page in pages(project):
        wide = probed(project, page, "return doc.documentElement.scrollWidth", width)
        assert int(wide) <= width, page
        picture = tmp_path / "page.png"
        file = project / "target" / "docs" / page
        chromium(tmp_path, f"--screenshot={picture}", f"--window-size={max(width, 500)},900", file.as_uri())
        assert len(set(raw_pixels(picture.read_bytes()))) > 100, f"{page} is blank"


@needs_browser
def test_no_page_says_an_error_or_asks_another_machine(project: Path, tmp_path: Path) -> None:
    for page in pages(project):
        file = project / "target" / "docs" / page
        said = console(tmp_path, file)
        assert "CONSOLE" not in said, said
        text = file.read_text()
        assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", text), page
