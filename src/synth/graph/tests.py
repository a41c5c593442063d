"""Generic tests: what YAML asks of a model or a column, as SQL that finds the rows that break it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from synth.errors import Place, Problem
from synth.graph.configs import test_config
from synth.graph.rendered import Rendered, ref_in
from synth.project import spec, yaml
from synth.project.jinja import TEST, Renderer, RenderError
from synth.project.loader import Project
from synth.project.nearest import nearest
from synth.quoting import identifier, literal

_GX_ROWS = "unexpected_rows_expectation"
_LONGEST = 200  # bytes of a name that is made, which is a file's name as well


@dataclass(frozen=True)
class Judgement:
    """What a test says of itself, and how what it finds is judged."""

    config: spec.TestConfig
    check: str | None = None  # "not_null"; None for a singular test
    column: str | None = None
    description: str = ""
    type: str = _GX_ROWS  # great_expectations' name
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    folders: tuple[str, ...] = ()  # of the file, below its path


@dataclass(frozen=True)
class Asked:
    """A generic test where it is asked for."""

    test: spec.GenericTest
    model: str
    column: str | None
    document: yaml.Document
    path: yaml.Path
    folders: tuple[str, ...]

    @property
    def place(self) -> Place:
        return self.document.place(self.path)

    def place_of(self, key: str) -> Place:
        """Where an argument of it stands, or a key of its config."""
        name = self.test.test
        within = [(*named, *part, key) for named in ((name,), ()) for part in ((), ("arguments",), ("config",))]
        paths = [path for path in ((*self.path, *inner) for inner in within) if path in self.document.keys]
        return self.document.place(paths[0], key=True) if paths else self.place


@dataclass(frozen=True)
class _Made:
    sql: str
    description: str
    type: str = _GX_ROWS
    kwargs: Mapping[str, Any] = field(default_factory=dict)


class _Wrong(Exception):
    def __init__(self, what: str, fix: str, key: str = "") -> None:
        super().__init__(what)
        self.what, self.fix, self.key = what, fix, key


def _asked_tests(project: Project) -> Iterator[Asked]:
    """Every generic test of the metadata and of models/*.yml, that of a table before those of its columns."""
    declared: list[tuple[Any, str, Any, tuple[str, ...]]] = [
        (d.table, d.table.name, d, d.folders(project.settings.metadata_paths)) for d in project.tables.values()
    ]
    declared += [
        (d.model, d.model.name, d, d.folders(project.settings.model_paths)) for d in project.properties.values()
    ]
    for it, name, where, folders in declared:
        for key, i, test in _listed(it):
            yield Asked(test, name, None, where.document, (*where.path, key, i), folders)
        for c, column in enumerate(it.columns):
            for key, i, test in _listed(column):
                yield Asked(test, name, column.name, where.document, (*where.path, "columns", c, key, i), folders)


def named_tests(project: Project, models: Mapping[str, str]) -> dict[str, Asked]:
    """Every generic test under a name of its own, with all its config; ``models``: the names by which models land."""
    found: dict[str, Asked] = {}
    names: set[str] = {name.casefold() for name in project.tests}
    for asked in _asked_tests(project):
        name, said = _name(asked, models.get(asked.model, asked.model), names), asked.test.config
        config = test_config(project, name, None, asked.folders, said.model_dump(exclude_unset=True), [])
        found[name] = replace(asked, test=asked.test.model_copy(update={"config": config}))
    return found


def generic_tests(
    project: Project, named: Mapping[str, Asked], models: Collection[str], problems: list[Problem]
) -> list[tuple[Rendered, Judgement]]:  # fmt: skip
    """The tests of ``models`` that are enabled, rendered."""
    found: list[tuple[Rendered, Judgement]] = []
    for name, asked in named.items():
        if asked.model not in models or not asked.test.config.enabled:
            continue
        made = Rendered(name, asked.place, None, None, {}, [asked.model], [])
        try:
            judged = _made(project.renderer, asked, made)
        except RenderError as error:
            problems.append(Problem(error.place or asked.place, error.what, error.fix))
        except _Wrong as wrong:
            problems.append(Problem(asked.place_of(wrong.key), wrong.what, wrong.fix))
        else:
            made.sql = judged.sql
            said = Judgement(
                asked.test.config, asked.test.test, asked.column, asked.test.description or judged.description,
                judged.type, judged.kwargs, asked.folders,
            )  # fmt: skip
            found.append((made, said))
    return found


def _listed(it: spec.Tested) -> Iterator[tuple[str, int, spec.GenericTest]]:
    for key in ("tests", "data_tests"):
        yield from ((key, i, test) for i, test in enumerate(getattr(it, key)))


def _name(asked: Asked, model: str, names: set[str]) -> str:
    """As dbt makes it: ``not_null_people_id``."""
    words = [asked.test.test, model, *filter(None, [asked.column])]
    made = re.sub(r"\W+", "_", "_".join(words)).encode()[:_LONGEST].decode(errors="ignore")
    wanted = asked.test.name or made
    name, number = wanted, 2
    while name.casefold() in names:
        name, number = f"{wanted}_{number}", number + 1
    names.add(name.casefold())
    return name


def _made(renderer: Renderer, asked: Asked, rendered: Rendered) -> _Made:
    test, where = asked.test, asked.test.config.where
    model = f'"ref"."{asked.model}"'
    rows = f"(select * from {model} where {where}) as {identifier(asked.model)}" if where else model
    arguments = {key: _resolved(value, rendered) for key, value in test.arguments.items()}
    if TEST + test.test in renderer.macro_names:
        given = {"model": rows, **arguments} | ({"column_name": identifier(asked.column)} if asked.column else {})
        sql = str(renderer.macro(TEST + test.test, given, {"ref": _ref(rendered)})).strip()
        if not sql:
            raise _Wrong(f"the test '{test.test}' makes no SQL", "It must select the rows that break it.")
        words = test.test.replace("_", " ")
        return _Made(sql, f"{words}: {asked.column or asked.model}")
    if test.test not in _BUILT_IN:
        known = [*_BUILT_IN, *(n.removeprefix(TEST) for n in renderer.macro_names if n.startswith(TEST))]
        example = "Write it in macros/: {% test NAME(model, column_name) %} ... {% endtest %}."
        raise _Wrong(f"there is no test '{test.test}'", nearest(test.test, known) or example)
    of_column, names, make = _BUILT_IN[test.test]
    if of_column != (asked.column is not None):
        raise _Wrong(
            f"the test '{test.test}' is of {'a column' if of_column else 'a table'}",
            f"Move it {'below a column' if of_column else 'to the table'}.",
        )
    for key in arguments:
        if key not in names:
            raise _Wrong(
                f"the test '{test.test}' takes no '{key}'", nearest(key, [*names, *spec.TestConfig.model_fields]), key
            )
    return make(rows, asked.column or "", arguments)


def _resolved(value: Any, rendered: Rendered) -> Any:
    """An argument; ``ref('x')`` is that model's relation."""
    name = ref_in(value)
    return _ref(rendered)(name) if name else value


def _ref(rendered: Rendered) -> Callable[[str], str]:
    def ref(model: str) -> str:
        rendered.refs.append(model)
        return f'"ref"."{model}"'

    return ref


def _needed(test: str, arguments: Mapping[str, Any], *names: str) -> list[Any]:
    for name in names:
        if name not in arguments:
            raise _Wrong(f"the test '{test}' lacks its argument '{name}'", _EXAMPLES[test])
    return [arguments[name] for name in names]


def _not_null(rows: str, column: str, _: Mapping[str, Any]) -> _Made:
    sql = f"select * from {rows}\nwhere {identifier(column)} is null"
    return _Made(sql, f"{column} is never null", "expect_column_values_to_not_be_null")


def _unique(rows: str, column: str, _: Mapping[str, Any]) -> _Made:
    it = identifier(column)
    sql = f"select {it}, count(*) as rows from {rows}\nwhere {it} is not null group by {it} having count(*) > 1"
    return _Made(sql, f"{column} has each value once", "expect_column_values_to_be_unique")


def _accepted_values(rows: str, column: str, arguments: Mapping[str, Any]) -> _Made:
    (values,) = _needed("accepted_values", arguments, "values")
    if not isinstance(values, list) or not values:
        raise _Wrong("the test 'accepted_values': values must be a list", _EXAMPLES["accepted_values"], "values")
    for value in values:
        if not isinstance(value, str | int | float):
            what = "null, which passes anyway" if value is None else "neither text nor a number nor true or false"
            raise _Wrong(
                f"the test 'accepted_values': one of the values is {what}", _EXAMPLES["accepted_values"], "values"
            )
    quoted = arguments.get("quote", True)
    listed = ", ".join(literal(value) if quoted else str(value) for value in values)
    sql = f"select * from {rows}\nwhere {identifier(column)} not in ({listed})"
    many = f"one of {len(values)} values" if len(values) > 1 else "one value"
    return _Made(sql, f"{column} is {many}", "expect_column_values_to_be_in_set", {"value_set": values})


def _relationships(rows: str, column: str, arguments: Mapping[str, Any]) -> _Made:
    to, key = _needed("relationships", arguments, "to", "field")
    found = re.fullmatch(r'"ref"\."(\w+)"', str(to))
    if not found:
        raise _Wrong(f"the test 'relationships': to: '{to}' is no model", _EXAMPLES["relationships"], "to")
    it, there = identifier(column), identifier(str(key))
    sql = f"select * from {rows}\nwhere {it} is not null and {it} not in (select {there} from {to} where {there} is not null)"
    return _Made(sql, f"every {column} is a {key} of {found[1]}")


def _row_count(rows: str, _: str, arguments: Mapping[str, Any]) -> _Made:
    ends: dict[str, int | None] = {}
    for key in ("min", "max"):
        value = arguments.get(key)
        value = int(value) if isinstance(value, str) and value.isdecimal() else value  # as Jinja gives it
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
            raise _Wrong(f"the test 'row_count': {key} must be a whole number", _EXAMPLES["row_count"], key)
        ends[key] = value
    low, high = ends["min"], ends["max"]
    if low is None and high is None:
        raise _Wrong("the test 'row_count' has neither min nor max", _EXAMPLES["row_count"])
    said = [("at least", "<", low), ("at most", ">", high)]
    words = " and ".join(f"{word} {end:,}" for word, _, end in said if end is not None)
    bad = " or ".join(f"count(*) {sign} {end}" for _, sign, end in said if end is not None)
    sql = f"select count(*) as rows from {rows}\nhaving {bad}"
    kwargs = {"min_value": low, "max_value": high}
    return _Made(sql, f"the table has {words} rows", "expect_table_row_count_to_be_between", kwargs)


_EXAMPLES = {
    "accepted_values": "For example accepted_values: {values: [F, M]}.",
    "relationships": "For example relationships: {to: ref('patients'), field: subject_id}.",
    "row_count": "For example row_count: {min: 1000}.",
}
# by name: whether it is of a column, its arguments, and what makes its SQL
_BUILT_IN: dict[str, tuple[bool, tuple[str, ...], Callable[[str, str, Mapping[str, Any]], _Made]]] = {
    "not_null": (True, (), _not_null),
    "unique": (True, (), _unique),
    "accepted_values": (True, ("values", "quote"), _accepted_values),
    "relationships": (True, ("to", "field"), _relationships),
    "row_count": (False, ("min", "max"), _row_count),
}
