"""Selection through a project: what selectors mean, compared with an earlier state, and what synth ls says."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiling import compile_folder, write
from synth import cli
from synth.api import Project
from synth.artifacts.compiled import Manifest
from synth.errors import UsageError
from synth.graph.selection import Indirect, parse, select
from synth.graph.state import State
from synth.privacy.calibrations import Calibrations

SELECTED = {
    "synth_project.yml": "name: clinic\nbudgets: {patients: {epsilon: 3, approver: test}}\n"
    "models: {clinic: {marts: {+tags: mart}}}\n",
    "sources/c.yml": "sources:\n  - {name: clinic, location: x, meta: {owner: ward}, tables: [{name: visits}, {name: people}],"
    " privacy: {population: patients, unit: person, units: 500}}\n",
    "metadata/v.yml": """
tables:
  - name: visits
    meta: {reviewed: 2024}
    config: {meta: {owner: ann}}
    max_rows_per_unit: 3
    columns:
      - {name: person, type: key}
      - {name: age, type: integer, bounds: [0, 120]}
      - {name: ward, type: categorical, values: [A, B]}
  - name: people
    source: clinic.people
    primary_key: person
    config: {epsilon: 0.5, tags: [small]}
    columns: [{name: person, type: key}, {name: sex, type: categorical, values: [F, M]}]
""",
    "models/staging/stg_visits.sql": "{{ config(materialized='private') }}select * from {{ source('clinic', 'visits') }}",
    "models/visits.sql": "{{ config(materialized='synthetic', epsilon=0.5) }}"
    "select {{ declared_columns() }} from {{ ref('stg_visits') }}",
    "models/marts/by_age.sql": "{{ config(tags=['small'], meta={'owner': 'ann'}) }}select age from {{ ref('visits') }}",
    "models/marts/by_sex.sql": "{{ config(materialized='table') }}select sex from {{ ref('people') }}",
    "models/marts/deep/both.sql": "select * from {{ ref('by_age') }}, {{ ref('by_sex') }}",
    "tests/old.sql": "select * from {{ ref('by_age') }} where age > 100",
}
SELECTORS = {
    "visits": "visits",
    "by_*": "by_age by_sex",
    "+visits": "clinic.visits stg_visits visits",
    "1+visits": "stg_visits visits",
    "visits+": "visits by_age both old",
    "visits+1": "visits by_age",
    "1+by_age+1": "visits by_age both old",
    "0+visits": "visits",
    "+both": "clinic.visits clinic.people stg_visits visits by_age people by_sex both",
    "2+both": "visits by_age people by_sex both",
    "@visits": "clinic.visits clinic.people stg_visits visits by_age people by_sex both old",
    "@stg_visits,@people": "clinic.visits clinic.people stg_visits visits by_age people by_sex both",
    "visits people": "visits people",
    "+by_age,+by_sex": "",
    "visits+,+both": "visits by_age both",
    "tag:mart": "by_age by_sex both",
    "tag:m*": "by_age by_sex both",
    "tag:mart,tag:small": "by_age",
    "tag:small+": "by_age people by_sex both old",
    "source:clinic": "clinic.visits clinic.people",
    "source:clinic.people": "clinic.people",
    "source:clinic.p*": "clinic.people",
    "source:clinic.people+": "clinic.people people by_sex both",
    "path:models/marts": "by_age by_sex both",
    "path:models/marts/": "by_age by_sex both",
    "path:./models/marts/deep": "both",
    "path:models/marts/*.sql": "by_age by_sex",
    "path:models/**/b*.sql": "by_age by_sex both",
    "path:metadata/v.yml": "visits people",
    "path:metadata": "visits people",
    "file:by_age.sql": "by_age",
    "file:by_age": "by_age",
    "config.materialized:view": "by_age both",
    "config.materialized:table": "by_sex",
    "config.materialized:private": "stg_visits",
    "config.materialized:synthetic": "visits people",
    "config.tags:small": "by_age people",
    "resource_type:source": "clinic.visits clinic.people",
    "resource_type:test": "old",
    "resource_type:model,path:models": "stg_visits visits by_age by_sex both",
    "marts": "by_age by_sex both",
    "marts.deep": "both",
    "clinic": "stg_visits visits by_age people by_sex both old",
    "clinic.staging": "stg_visits",
    "fqn:visits": "visits",
    "old": "old",
    "+old,resource_type:model": "stg_visits visits by_age",
}


NOTHING = State("nowhere", None, None, named=False)


@pytest.fixture(scope="module")
def selected(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return compile_folder(write(tmp_path_factory.mktemp("selected"), SELECTED)).manifest


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(Calibrations, "__call__", lambda *_: 1.0)
    return write(tmp_path / "clinic", SELECTED)


def chosen(manifest: Manifest, *wanted: str, exclude: Iterable[str] = (), mode: Indirect = "eager") -> list[str]:
    without = parse(exclude) if exclude else None
    return [n.name for n in select(manifest, parse(wanted) if wanted else None, without, mode, NOTHING, "")]


def names(manifest: Manifest, *wanted: str, exclude: Iterable[str] = (), mode: Indirect = "eager") -> str:
    """Without what declarations promise, whose names have two dots."""
    return " ".join(sorted(n for n in chosen(manifest, *wanted, exclude=exclude, mode=mode) if n.count(".") < 2))


@pytest.mark.parametrize("selector", SELECTORS)
def test_selectors(selector: str, selected: Manifest) -> None:
    wanted = SELECTORS[selector]
    if not wanted:
        with pytest.raises(UsageError, match="holds nothing"):
            names(selected, selector, mode="empty")
    else:
        assert names(selected, selector, mode="empty") == " ".join(sorted(wanted.split()))


def test_selections_add_up_and_exclusions_go(selected: Manifest) -> None:
    assert chosen(selected) == [node.name for node in selected.nodes.values()]
    assert names(selected, "visits", "people") == names(selected, "visits people") == "people visits"
    assert names(selected, "+both", exclude=["+by_age"]) == "both by_sex clinic.people people"
    assert names(selected, "tag:mart", exclude=["by_age", "path:models/marts/deep"]) == "by_sex"
    left = [n.name for n in selected.nodes.values() if n.resource_type != "source"]
    assert chosen(selected, exclude=["resource_type:source"]) == left


def test_selected_nodes_keep_the_order_of_the_graph(selected: Manifest) -> None:
    order = [node.name for node in selected.nodes.values()]
    found = chosen(selected, "both by_age visits stg_visits clinic")
    assert found == [name for name in order if name in set(found)]
    assert order.index("stg_visits") < order.index("visits") < order.index("by_age") < order.index("both")


def test_a_test_comes_with_what_it_tests(selected: Manifest) -> None:
    of_visits = [n for n in chosen(selected) if n.startswith("visits.")]
    assert "visits.age.between" in of_visits
    assert chosen(selected, "visits") == ["visits", *of_visits]
    assert chosen(selected, "visits", mode="empty") == ["visits"]
    assert chosen(selected, "visits", exclude=["test_type:generic"]) == ["visits"]
    assert chosen(selected, "visits.age.between") == chosen(selected, "between_visits_age") == ["visits.age.between"]
    assert chosen(selected, "visits,test_name:between") == ["visits.age.between"]
    assert chosen(selected, "by_age") == ["by_age", "old"]


def test_configs_and_meta_are_compared_as_what_they_are(selected: Manifest) -> None:
    assert names(selected, "config.epsilon:0.50", mode="empty") == "people visits"
    assert names(selected, "config.meta.owner:ward", mode="empty") == "clinic.people clinic.visits"
    assert names(selected, "config.meta.owner:ann", mode="empty") == "by_age visits"
    assert names(selected, "config.meta.reviewed:2024", mode="empty") == "visits"
    assert names(selected, "config.materialized:VIEW", mode="empty") == "both by_age"


TERMS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "+", "1+", "2+"]),
    st.sampled_from(["visits", "by_*", "tag:small", "source:clinic", "path:models/marts", "old", "test_name:type"]),
    st.sampled_from(["", "+", "+1"]),
)


@given(one=TERMS, other=TERMS, mode=st.sampled_from(["eager", "empty"]))
def test_union_intersection_and_exclusion_are_those_of_sets(
    selected: Manifest, one: str, other: str, mode: Indirect
) -> None:
    def nodes(*wanted: str, exclude: Iterable[str] = ()) -> set[str]:
        try:
            return set(chosen(selected, *wanted, exclude=exclude, mode=mode))
        except UsageError:
            return set()

    a, b = nodes(one), nodes(other)
    assert a
    assert b
    assert nodes(f"{one} {other}") == nodes(one, other) == a | b
    assert nodes(f"{one},{other}") == a & b
    assert nodes(one, exclude=[other]) == a - b
    assert nodes(exclude=[one]) == set(chosen(selected)) - a


@given(one=TERMS)
def test_a_careful_selection_holds_no_more_than_an_eager_one(selected: Manifest, one: str) -> None:
    modes: tuple[Indirect, ...] = ("empty", "cautious", "buildable", "eager")
    found = [set(chosen(selected, one, mode=mode)) for mode in modes]
    assert found[0] <= found[1] <= found[2] <= found[3]


# selectors.yml


def test_the_default_selector_holds_where_nothing_is_selected(project: Path) -> None:
    selectors = [
        {"name": "small", "definition": "tag:small", "default": True},
        {"name": "marts", "definition": {"union": [{"path": "models/marts"}, {"exclude": ["both"]}]}},
    ]
    write(project, {"selectors.yml": json.dumps({"selectors": selectors})})
    opened = Project(project)

    def models(**how: Any) -> list[str]:
        return [node.name for node in opened.ls(resource_types=["model"], **how)]

    assert models() == models(selector="small") == ["by_age", "people"]
    assert models(selector="marts") == ["by_age", "by_sex"]
    assert models(select="visits") == ["visits"]
    assert "both" in models(exclude="visits")


def test_a_selector_may_ask_for_variables(project: Path) -> None:
    write(project, {"selectors.yml": "selectors: [{name: chosen, definition: \"{{ var('chosen') }}\"}]\n"})
    found = Project(project, vars={"chosen": "by_sex"}).ls(selector="chosen")
    assert [node.name for node in found] == ["by_sex"]


def test_the_selections_of_the_documents_can_be_read(project: Path) -> None:
    text = (Path(__file__).parent.parent / "docs" / "selection.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    write(project, {"selectors.yml": example})
    assert list(Project(project).graph.selectors) == ["marts_only", "nightly"]
    said = re.findall(r"--select (\"[^\"]+\"|\S+)", text)
    assert len(said) >= 4
    for selection in said:
        parse([selection.strip('"')])


# state


CHANGES: list[tuple[Mapping[str, tuple[str, str]], dict[str, str]]] = [
    ({"models/marts/by_age.sql": ("select age", "select age + 1 as age")}, {"modified": "by_age", "modified.body": "by_age"}),
    ({"models/marts/by_sex.sql": ("table", "view")}, {"modified.configs": "by_sex", "modified": "by_sex"}),
    ({"models/marts/by_age.sql": ("small", "large")}, {"modified.body": "by_age", "modified.configs": ""}),
    ({"synth_project.yml": ("mart}", "market}")}, {"modified": ""}),
    ({"models/staging/stg_visits.sql": ("select *", "select  *")}, {"modified": "stg_visits visits"}),
    ({"metadata/v.yml": ("epsilon: 0.5", "epsilon: 0.6")}, {"modified": "people", "modified.configs": "people"}),
    ({"metadata/v.yml": ("[0, 120]", "[0, 99]")}, {"modified": "visits", "modified.contract": "visits", "modified.body": ""}),
    ({"metadata/v.yml": ("name: age,", "name: age, description: years,")}, {"modified": ""}),
    ({"metadata/v.yml": ("name: age,", "name: age, meta: {unit: years},")}, {"modified": ""}),
    ({"metadata/v.yml": ("meta: {reviewed: 2024}", "meta: {reviewed: 2025}")}, {"modified": ""}),
    ({"sources/c.yml": ("units: 500", "units: 600")}, {"modified.contract": "clinic.visits clinic.people", "new": ""}),
    ({"sources/c.yml": ("location: x", "location: y")}, {"modified": ""}),
]  # fmt: skip


@pytest.mark.parametrize(("edits", "wanted"), CHANGES)
def test_what_is_modified_since(edits: Mapping[str, tuple[str, str]], wanted: dict[str, str], project: Path) -> None:
    Project(project).compile()
    shutil.copytree(project / "target", project / "before")
    for file, (old, new) in edits.items():
        text = (project / file).read_text()
        assert old in text
        write(project, {file: text.replace(old, new)})
    for change, names in wanted.items():
        assert " ".join(since(project, change)) == names, change


def since(project: Path, change: str) -> list[str]:
    """Without what declarations promise."""
    try:
        found = Project(project).ls(f"state:{change}", state=project / "before", indirect_selection="empty")
    except UsageError as error:
        assert f"'state:{change}' matches nothing" in error.fix
        return []
    return [node.name for node in found if node.test_type != "generic"]


def test_a_test_is_modified_with_what_it_checks(project: Path) -> None:
    Project(project).compile()
    shutil.copytree(project / "target", project / "before")
    metadata = (project / "metadata" / "v.yml").read_text()
    write(
        project,
        {
            "metadata/v.yml": metadata.replace("[0, 120]", "[0, 99]").replace(
                "[A, B]", "[A, B]}\n      - {name: bed, type: categorical, values: [C, D]"
            )
        },
    )
    changed = "resource_type:test,state:modified"
    found = Project(project).ls(changed, state=project / "before", indirect_selection="empty")
    bed = ["visits.bed.type", "visits.bed.not_null", "visits.bed.in_set"]
    assert {node.name for node in found} == {"visits.age.between", *bed}


def test_the_state_is_read_before_it_is_written_anew(project: Path) -> None:
    Project(project).compile()
    write(project, {"models/more.sql": "select 1 as one from {{ ref('visits') }}"})
    found = Project(project).ls("state:new", state=project / "target")
    assert [node.name for node in found] == ["more"]


# synth ls


@pytest.mark.parametrize(
    ("output", "lines"),
    [
        ("selector", ["source:clinic.clinic.visits", "clinic.staging.stg_visits", "clinic.visits", "clinic.between_visits_age"]),
        ("name", ["clinic.visits", "stg_visits", "visits", "visits.age.between"]),
        ("path", ["sources/c.yml", "models/staging/stg_visits.sql", "models/visits.sql", "metadata/v.yml"]),
    ],
)  # fmt: skip
def test_what_ls_says(
    output: str, lines: list[str], project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = ("--select", "1+stg_visits visits visits.age.between", "--indirect-selection", "empty", "--output", output)
    assert ls(project, monkeypatch, capsys, *said) == lines
    assert ls(project, monkeypatch, capsys, "--quiet", *said) == lines


def test_what_ls_says_selects_the_same_again(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    named = ls(project, monkeypatch, capsys, "--output", "name", "--resource-type", "model", "--resource-type", "test")
    for output in ("selector", "name"):
        said = ls(project, monkeypatch, capsys, "--output", output, "--exclude", "resource_type:source")
        assert len(said) == len(named)
        again = ("--select", " ".join(said), "--indirect-selection", "empty", "--output", "name")
        assert ls(project, monkeypatch, capsys, *again) == named


def test_ls_as_json(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = ls(project, monkeypatch, capsys, "--select", "people", "--resource-type", "model", "--output", "json")
    assert json.loads(line) == {
        "name": "people", "resource_type": "model", "package_name": "clinic", "original_file_path": "metadata/v.yml",
        "unique_id": "model.clinic.people", "zone": "synthetic", "tags": ["small"],
        "depends_on": ["source.clinic.clinic.people"],
        "config": {"epsilon": 0.5, "tags": ["small"], "enabled": True, "materialized": "synthetic"},
    }  # fmt: skip


def ls(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> list[str]:
    monkeypatch.chdir(project)
    monkeypatch.setattr("sys.argv", ["synth", "ls", *arguments])
    cli.main()
    return capsys.readouterr().out.splitlines()
