"""T11 itself: every rule has a planted mistake that still fits the source, and one that nobody finds is told."""

from __future__ import annotations

import pytest

from audit.__main__ import parts
from audit.mutants import BROKEN, MUTANTS, ROOT, Mutant, problems, run


def test_every_mutant_stands_in_the_source_once() -> None:
    """Where a piece of the source has changed, its mutant must change with it."""
    assert not problems()


def test_every_rule_has_a_mutant() -> None:
    assert {mutant.rule for mutant in MUTANTS} == set(range(1, 20))
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_tests_of_a_mutant_are_there(mutant: Mutant) -> None:
    for test in mutant.tests:
        path, _, name = test.partition("::")
        function, _, case = name.partition("[")
        assert f"def {function}(" in (ROOT / path).read_text(encoding="utf-8"), test
        assert not (case and test.startswith(BROKEN)) or (ROOT / f"tests/broken/{case[:-1]}.txt").is_file(), test


def test_an_audit_finds_its_tests_by_their_docstrings() -> None:
    found = parts()
    assert {"test_replay", "test_sensitivity", "test_noise", "test_curator", "test_one_step", "test_one_run"} <= set(
        found
    )
    assert "test_errors" not in found


@pytest.mark.slow
def test_what_a_mutant_comes_to() -> None:
    """One is found; one changes nothing; one does not even run, which proves nothing about the tests."""
    file, old = "privacy/mechanisms.py", "if len(self._events) != len(planned):"
    tests = ("tests/privacy/test_curator.py::test_two_events_of_one_name_are_refused",)
    replacements = {"found": "if False:", "survives": f"{old}  # and no more", "breaks": "if nothing of the kind"}
    mutants = [Mutant(name, 13, file, old, new, tests) for name, new in replacements.items()]
    found, survives, breaks = run(mutants)
    assert (found.killed_by, found.said) == ("test_curator::test_two_events_of_one_name_are_refused", "")
    assert (survives.killed_by, survives.said) == ("", "it survived")
    assert breaks.killed_by == "" and breaks.said
    with pytest.raises(RuntimeError, match=r"stands 0 times in privacy/mechanisms\.py"):
        list(run([Mutant("gone", 13, file, "no such text", "", tests)]))
