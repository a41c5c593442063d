"""Constraints: what holds each is decided rightly, whatever is written; and what cannot hold is told."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiling import compile_folder, write
from heard import Heard
from synth.api import Project
from synth.artifacts.compiled import Constraint, Held, Part, SyntheticModel
from synth.artifacts.constraint_graph import constraint_graph
from synth.errors import ProjectError

TESTS = Path(__file__).parent
PROJECT = {
    "synth_project.yml": 'name: rules\nbudgets: {people: {epsilon: 3, approver: "nobody"}}\n',
    "sources/clinic.yml": (
        "sources:\n  - name: clinic\n    location: sources/nowhere\n"
        "    privacy: {population: people, unit: person, units: 1000}\n    tables: [{name: rows}]\n"
    ),
}
METADATA = """
tables:
  - name: rows
    source: clinic.rows
    primary_key: person
    config: {epsilon: 1.0}
    columns:
      - {name: person, type: key}
      - {name: n, type: integer, bounds: [-3, 9], nullable: true}
      - {name: m, type: integer, bounds: [0, 5000]}
      - {name: k, type: integer, bounds: [10, 6000], nullable: true}
      - {name: x, type: number, bounds: [0, 10], rounding: 0.25, nullable: true}
      - {name: y, type: number, bounds: [-1, 900]}
      - {name: fee, type: decimal, bounds: [-5, 99.99]}
      - {name: w, type: categorical, values: [A, B, C], nullable: true}
      - {name: v, type: categorical, values: [B, C, D]}
      - {name: f, type: boolean, nullable: true}
      - {name: born, type: date, bounds: [1950-01-01, 2019-12-31]}
      - {name: seen, type: date, bounds: [1950-01-01, 2019-12-31], nullable: true}
      - {name: died, type: date, offset_from: born, offset_bounds: [0 days, 40 years], nullable: true}
      - {name: came, type: datetime, bounds: [2010-01-01, 2020-01-01], resolution: hour}
      - {name: went, type: datetime, bounds: [2010-01-01, 2020-01-01], resolution: hour}
      - {name: clock, type: time, resolution: minute}
      - {name: waited, type: duration, bounds: [0 hours, 9 days], resolution: hour}
      - {name: old, type: derived, expression: "m > 3000"}
"""


def compiled(constraints: str, columns: str = "") -> SyntheticModel:
    with tempfile.TemporaryDirectory() as folder:
        text = f"{METADATA}{columns}    constraints:\n{constraints}" if constraints else METADATA
        return compile_folder(write(Path(folder), {**PROJECT, "metadata/rows.yml": text})).synthetic["rows"]


def listed(*rules: str) -> str:
    return "".join(f"      - {rule}\n" for rule in rules)


HELD: list[tuple[str, tuple[Held, ...]]] = [
    # bounds and offsets
    ("n >= -3", ("bounds",)), ("m < 5001", ("bounds",)), ("born >= '1940-01-01'", ("bounds",)), ("k > m - 4991", ("bounds",)),
    ("k > m - 4990", ("mask",)), ("died >= born", ("offset",)), ("died <= born + interval 14610 days", ("offset",)),
    ("went >= came", ("offset",)), ("came < went", ("offset",)), ("went - interval 1 hour >= came", ("mask",)),
    ("went is null or went >= came", ("offset",)), ("f is null or went >= came", ("mask",)),
    ("nullif(w, 'A') is null or went >= came", ("mask",)),
    ("seen > born", ("offset",)), ("seen >= died", ("mask",)),
    # a column and constants, with open and closed ends
    ("n > 0", ("mask",)), ("0 < x <= 2.5", ("mask",)), ("-1 <= n < 4", ("mask",)), ("9 >= n > 3", ("bounds", "mask")),
    ("y > 1e2", ("mask",)), ("fee <> 0", ("mask",)), ("m in (1, 7, 4000)", ("mask",)), ("m not between 3 and 4998", ("mask",)),
    ("w in ('A', 'C')", ("mask",)), ("w <> 'B' or w is null", ("mask",)), ("clock between '08:00' and '17:30'", ("mask",)),
    ("waited <= interval 2 days", ("mask",)), ("seen < date '2000-01-01'", ("mask",)), ("died < date '2000-01-01'", ("mask",)),
    # columns and columns
    ("m <= k", ("mask",)), ("x < y", ("mask",)), ("fee <= m + 3", ("mask",)), ("m + n <= k", ("mask",)), ("m = k", ("mask",)),
    ("m + k = y", ("mask",)), ("2 * m <= k", ("mask",)), ("date_diff('day', born, seen) <= 900", ("mask",)),
    ("w = v", ("mask",)), ("x % 2 = 0", ("mask",)), ("clock < clock + interval 1 hour", ("mask",)), ("m % 7 = 0", ("mask",)),
    # implication, and nulls
    ("{if: f, then: died is null}", ("mask",)), ("{if: w = 'A', then: m <= k}", ("mask",)), ("f = (seen is not null)", ("mask",)),
    ("(seen is null) = (died is null)", ("mask",)), ("{if: old, then: w = 'B'}", ("mask",)),
    ("{if: m > 10 and f, then: 0 < x < 3}", ("mask",)), ("not (f and m > k)", ("mask",)),
    # what nothing is known of
    ("abs(m - k) < 100", ("rejection",)), ("m * k > 9", ("rejection",)), ("cast(came as time) >= '08:00'", ("mask",)),
    ("n > 0 and m % 7 <> k % 9", ("mask", "rejection")),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "held"), HELD, ids=[rule for rule, _ in HELD])
def test_how_a_rule_is_held(rule: str, held: tuple[Held, ...]) -> None:
    model = compiled(listed(rule if rule.startswith("{") else f'"{rule}"'))
    assert model.constraints[0].held == held, [part.sql for part in model.constraints[0].parts]


def test_a_strict_order_of_dates_is_at_least_a_step() -> None:
    restored = {rule: compiled(listed(rule)).restore_sql for rule in ("went >= came", "went > came")}
    assert '"came" + to_microseconds(codes."#14" * 3600000000)' in restored["went >= came"]
    assert '"came" + to_microseconds((codes."#14" + 1) * 3600000000)' in restored["went > came"]


# what is decided, against rows


def asked(model: SyntheticModel, codes: np.ndarray, *conditions: str) -> list[np.ndarray]:
    """Of rows of codes, what SQL conditions say: True, False or None."""
    connection = duckdb.connect(config={"threads": "1"})
    names = {f"#{i}": np.ascontiguousarray(column) for i, column in enumerate(codes.T, 1)}
    count = np.arange(len(codes))
    connection.register("codes", {"#unit": count, "#position": count, "#draw": count, **names})
    chosen = ", ".join(f"(\n{c}\n)" for c in conditions)
    rows = connection.execute(f'select {chosen} from ({model.restore_sql}) order by "#draw"').fetchall()
    return [np.array(column, dtype=object) for column in zip(*rows, strict=True)]


def passes(model: SyntheticModel, codes: np.ndarray, *parts: Part | Constraint) -> list[np.ndarray]:
    return [np.array([t is not False for t in truth]) for truth in asked(model, codes, *(p.sql for p in parts))]


@cache
def plain() -> SyntheticModel:
    return compiled("")


def drawn(model: SyntheticModel, rows: int, seed: int) -> np.ndarray:
    """Any codes of the layout; the ends of columns, missing values and small codes more often than others."""
    random = np.random.default_rng(seed)
    columns = []
    for column in model.plan.layout:
        top = column.cells + column.missing
        kinds = [random.integers(0, top, rows), random.integers(0, min(top, 12), rows), np.full(rows, top - 1)]
        columns.append(np.choose(random.choice(3, rows, p=[0.6, 0.25, 0.15]), kinds))
    return np.stack(columns, axis=1)


NUMBERS = st.sampled_from(["n", "m", "k", "x", "y", "fee"])
CONSTANTS = st.sampled_from(["0", "3", "7.5", "-2", "4000", "12", "1e3"])
DATES = st.sampled_from(["born", "seen", "died"])
TIMES = st.sampled_from(["came", "went", "went + interval 5 hours", "timestamp '2015-06-01 12:00'"])
NULLABLE = st.sampled_from(["n", "k", "w", "f", "seen", "died", "x"])
SIGN = st.sampled_from(["<", "<=", ">", ">=", "=", "<>"])


def build(form: str, *parts: st.SearchStrategy[str] | list[str]) -> st.SearchStrategy[str]:
    return st.builds(form.format, *(st.sampled_from(p) if isinstance(p, list) else p for p in parts))


number = st.one_of(
    NUMBERS,
    build("{} {} {}", NUMBERS, ["+", "-"], st.one_of(NUMBERS, st.just("5"))),
    build("{} * {}", ["2", "-1"], NUMBERS),
)
moment = st.one_of(
    DATES, st.just("came::date"), build("{} + {}", DATES, ["30", "interval 9 days", "interval 2 months"])
)
either = st.one_of(number, CONSTANTS)
literals = st.one_of(
    build("({} {} {})", number, SIGN, either),
    build("({} {} {})", moment, SIGN, st.one_of(moment, st.sampled_from(["date '1990-05-01'", "'2010-01-01'"]))),
    build("({} {} {})", ["came", "went"], SIGN, TIMES),
    build("({} between {} and {})", NUMBERS, either, either),
    build("({} in ({}, {}))", NUMBERS, CONSTANTS, CONSTANTS),
    build("({} is {}null)", NULLABLE, ["", "not "]),
    build("(w {} {})", ["=", "<>", "<"], ["v", "w", "'A'", "'C'"]),
    build("(v {} {})", ["=", "<>", "<"], ["v", "w", "'B'", "'C'"]),
    build("({} {} time '{}')", ["clock", "came::time"], SIGN, ["08:00", "23:59", "12:30:30"]),
    build("(waited {} interval {})", SIGN, ["2 days", "'25 hours'", "0 days"]),
    st.sampled_from(["f", "old", "(f = (seen is null))", "(m % 3 = 1)", "(coalesce(n, 0) > 2)", "(f is distinct from old)"]),
)  # fmt: skip
expressions = st.recursive(
    literals,
    lambda inner: st.one_of(
        build("({} and {})", inner, inner), build("({} or {})", inner, inner), build("(not {})", inner),
        build("(case when {} then {} else {} end)", inner, inner, inner),
    ),
    max_leaves=4,
)  # fmt: skip


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(expressions, st.integers(0, 9))
def test_what_holds_a_rule_is_right_for_any_rule(rule: str, seed: int) -> None:
    """Its parts are all of it; what bounds or offsets hold always does; a mask knows all that decides."""
    try:
        model = compiled(listed(f'"{rule}"'))
    except ProjectError as error:
        assert "never holds" in str(error)
        assert not any(t is True for t in asked(plain(), drawn(plain(), 3_000, seed), rule)[0])
        return
    codes = drawn(model, 400, seed)
    for constraint in model.constraints:
        whole, *parts = passes(model, codes, constraint, *constraint.parts)
        assert (whole == np.logical_and.reduce(parts)).all()
        for part, holds in zip(constraint.parts, parts, strict=True):
            if part.held in ("bounds", "offset"):
                assert holds.all()
            elif part.held == "mask":
                check_mask(model, part, codes, holds, np.random.default_rng(seed))


def check_mask(
    model: SyntheticModel, part: Part, codes: np.ndarray, holds: np.ndarray, random: np.random.Generator
) -> None:
    """Within one range of each column the truth changes once at most; not at all, and not in any column, in a table."""
    layout = {column.name: (j, column) for j, column in enumerate(model.plan.layout)}
    for name, ranges in zip(part.columns, part.ranges, strict=True):
        j, column = layout[name]
        known = codes[:, j] < column.cells
        edges = np.arange(column.cells + 1) if ranges is None else np.array(ranges)
        place = np.clip(np.searchsorted(edges, codes[:, j], side="right") - 1, 0, len(edges) - 2)
        moved, truths = [], []
        for part_of_range in np.sort(random.random((3, len(codes))), axis=0):
            other = codes.copy()
            inside = edges[place] + (part_of_range * (edges[place + 1] - edges[place])).astype(int)
            other[:, j] = np.where(known, inside, codes[:, j])
            moved.append(other)
            truths.append(passes(model, other, part)[0])
        first, middle, last = truths
        assert not ((first == last) & (middle != first)).any(), name
        if part.table:
            assert (middle == holds).all(), name


# what cannot hold

TOGETHER = [
    ["m > k", "k > m"], ["m < k", "k < y", "y < m"], ["n > 5", "n < 3"], ["w = 'A'", "w = 'B'"], ["seen > born", "born > seen"],
    ["{if: f, then: w = 'A'}", "w = 'C' and f"], ["went >= came + interval 3 hours", "went <= came + interval 2 hours"],
    ["fee >= x + 5", "x >= fee - 4.75"], ["seen is null", "seen > born"], ["m = k", "k >= m + 1"],
]  # fmt: skip
NEVER = [
    "n > 20", "w > 'CC'", "m < 0", "x > 3 and x < 2", "waited > interval 12 days", "seen > died and died > seen",
    "w is null and w = 'A'",
]  # fmt: skip
AFTER_ALL = [
    ["m >= k", "k >= m"], ["n >= 3", "n <= 3"], ["w = 'A' or w = 'B'", "w <> 'A'"], ["seen >= born", "born >= seen"],
    ["fee >= x + 5", "x >= fee - 5"], ["{if: f, then: w = 'A'}", "w = 'C'"], ["seen is null or seen > born", "f"],
    ["k is null or m > n", "k is null or m < n"], ["n is not null or n > 9", "n < 9 or n is null"],
]  # fmt: skip


def quoted(rules: Sequence[str]) -> str:
    return listed(*(rule if rule.startswith("{") else f'"{rule}"' for rule in rules))


@pytest.mark.parametrize("rules", TOGETHER, ids=" & ".join)
def test_rules_that_cannot_hold_together_are_named(rules: list[str]) -> None:
    with pytest.raises(ProjectError) as caught:
        compiled(quoted(rules))
    (problem,) = caught.value.problems
    said = "both" if len(rules) == 2 else "all"
    assert f"cannot {said} hold" in problem.what
    lines = [len(METADATA.splitlines()) + 2 + i for i in range(len(rules))]
    assert problem.place.line == lines[-1]
    assert all(f"(metadata/rows.yml:{line})" in problem.what for line in lines[:-1])


@pytest.mark.parametrize("rule", NEVER)
def test_a_rule_that_never_holds_is_told(rule: str) -> None:
    with pytest.raises(ProjectError, match="never holds"):
        compiled(quoted([rule]))


@pytest.mark.parametrize("rules", AFTER_ALL, ids=" & ".join)
def test_rules_that_can_hold_pass(rules: list[str]) -> None:
    assert len(compiled(quoted(rules)).constraints) >= len(rules)


def test_the_picture(golden: Callable[[Path, str], None]) -> None:
    rules = ["went >= came", "m <= k", "m % 7 = k % 9", "0 < x <= 2.5", "m >= 0", "f is null or w || '<&>' <> 'A'"]
    combination = "      - {combinations: [w, v], values: [[A, B], [B, C], [null, D]]}\n"
    golden(TESTS / "golden" / "constraints.svg", constraint_graph(compiled(quoted(rules) + combination)))


# combinations

COMBINED = """\
      - combinations: [w, V, f]
        name: what goes together
        values:
          - [A, B, true]
          - [A, C, false]
          - [B, B, null]
          - [null, D, true]
"""


def test_combinations_are_one_column(tmp_path: Path) -> None:
    model = compiled(COMBINED + listed("\"w <> 'A' or f\"", "f is null or n > 2"))
    assert [c.name for c in model.plan.layout][6:8] == ["w + v + f", "born"]
    assert model.plan.layout[6].cells == 4 and not model.plan.layout[6].missing
    assert [c.held for c in model.constraints] == [("composite",), ("mask",), ("mask",)]
    assert model.constraints[1].columns == ("w + v + f",)
    codes = drawn(model, 200, 1)
    rows = asked(model, codes, "w", "v", "f")
    listed_ones = [("A", "B", True), ("A", "C", False), ("B", "B", None), (None, "D", True)]
    assert [listed_ones[code] for code in codes[:, 6]] == list(zip(*rows, strict=True))
    assert passes(model, codes, model.constraints[0])[0].all()
    others = asked(plain(), drawn(plain(), 900, 2), "w", "v", "f", model.constraints[0].sql)
    held = [tuple(row) in listed_ones for row in zip(*others[:3], strict=True)]
    assert list(others[3]) == held and {True, False} == set(held)


def test_a_second_combination_of_a_column_is_a_mask() -> None:
    model = compiled(COMBINED + "      - {combinations: [v, n], values: [[B, 3], [C, 4], [C, 5], [D, null]]}\n")
    assert model.constraints[1].held == ("mask",) and model.constraints[1].parts[0].table
    assert set(model.constraints[1].columns) == {"w + v + f", "n"}


def test_combinations_that_contradict_a_rule() -> None:
    with pytest.raises(ProjectError, match="'w = 'C'' never holds"):
        compiled(COMBINED + listed("\"w = 'C'\""))


def test_chained_comparisons_change_no_other_sql() -> None:
    from synth.compiler.constraints import unchained

    same = [
        "a < b", "a = b", "f = (a < b)", "a ->> 'x' > 'b' and b < c", "not a < b < c", "a < b or c < d", "a < b > c",
        "'<<' < \"a<b<c\"", "a < b) and (c < d",
    ]  # fmt: skip
    assert [unchained(sql) for sql in same] == same
    assert unchained("0 < a + (b < c)::int <= 3") == "(0 < a + (b < c)::int) and (a + (b < c)::int <= 3)"
    assert unchained("x >= y >= z > '>'") == "(x >= y) and (y >= z) and (z > '>')"


# a whole run

VISITS = """
tables:
  - name: visits
    source: clinic.rows
    max_rows_per_unit: 4
    order_by: came
    config: {epsilon: 8.0, generator: {kind: marginal}}
    columns:
      - {name: person, type: key}
      - {name: came, type: date, bounds: [2010-01-01, 2020-01-01]}
      - {name: went, type: date, bounds: [2010-01-01, 2020-06-01]}
      - {name: due, type: date, bounds: [2010-01-01, 2021-01-01], nullable: true}
      - {name: low, type: integer, bounds: [0, 3000]}
      - {name: high, type: integer, bounds: [0, 3000]}
      - {name: region, type: categorical, values: [north, south]}
      - {name: ward, type: categorical, values: [A, B, C], nullable: true}
      - {name: sex, type: categorical, values: [F, M]}
      - {name: pregnant, type: boolean, impute: mode}
      - {name: score, type: integer, bounds: [0, 3000], impute: median}
    constraints:
      - came < went
      - due >= came + interval 30 days
      - came >= date '2012-03-01'
      - low <= high
      - low % 2 = high % 2
      - {if: sex = 'M', then: not pregnant}
      - {if: ward is null, then: 50 < score < 2900}
      - (due is null) = (ward = 'C')
      - combinations: [region, ward]
        values: [[north, A], [north, B], [south, C], [south, null]]
"""


def visits(people: int) -> str:
    """Rows that hold the rules by and large: some are clamped, some left out."""
    random = np.random.default_rng(5)
    lines = ["person,came,went,due,low,high,region,ward,sex,pregnant,score"]
    for person in range(people):
        came = np.datetime64("2012-03-01") + int(random.integers(0, 2_000))
        sex = random.choice(["F", "M"])
        for _ in range(random.integers(1, 5)):
            came = came + int(random.integers(0, 200))
            region, ward = [("north", "A"), ("north", "B"), ("south", "C"), ("south", "")][random.integers(4)]
            went, due = came + int(random.integers(1, 40)), "" if ward == "C" else came + int(random.integers(30, 300))
            low = int(random.integers(0, 2_000))
            pregnant = "" if random.random() < 0.1 else str(sex == "F" and random.random() < 0.3)
            high, score = low + 2 * int(random.integers(0, 400)), random.integers(60, 2_800)
            lines.append(f"{person},{came},{went},{due},{low},{high},{region},{ward},{sex},{pregnant},{score}")
    return "\n".join(lines) + "\n"


@pytest.mark.slow
def test_no_row_breaks_a_rule(tmp_path: Path) -> None:
    """Every way to hold a rule, of units with several rows and dates that rise: no row breaks any, and shares stay."""
    sources = PROJECT["sources/clinic.yml"].replace("sources/nowhere", "sources").replace("1000", "1500")
    files = {
        **PROJECT,
        "synth_project.yml": PROJECT["synth_project.yml"].replace("3", "8"),
        "sources/clinic.yml": sources,
    }
    project = Project(write(tmp_path, {**files, "metadata/visits.yml": VISITS, "sources/rows.csv": visits(1_500)}))
    listener = Heard()
    results = project.run(listener=listener)
    assert not results.failed, results.results[0].message
    compiled_project = project.compile()
    ways = {held for constraint in compiled_project.synthetic["visits"].constraints for held in constraint.held}
    assert ways == {"offset", "composite", "mask", "rejection"}
    with duckdb.connect(str(project.database), read_only=True) as connection:
        for check in compiled_project.expectations["visits"]:
            assert not connection.execute(check.sql).fetchall(), check.id
        share, wards = connection.execute(
            "select avg((sex = 'M')::int), count(distinct (region, ward)) from synthetic.visits"
        ).fetchone()  # type: ignore[misc]
    assert abs(share - 0.5) < 0.06 and wards == 4
    (note,) = [n for n in listener.notes if "as they were drawn" in n]
    assert 0.2 < float(note.split("%")[0]) / 100 < 0.8 and note.endswith(": low % 2 = high % 2")
