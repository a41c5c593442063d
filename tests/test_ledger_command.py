"""``synth ledger`` and its subcommands, through the command line, on the starter project."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ledgering import DELTA, gaussian, privacy
from synth import cli
from synth.api import Project
from synth.artifacts.budget import Budget
from synth.artifacts.plan import Privacy, Selection, SubsampledGaussian
from synth.privacy.accounting import epsilon
from synth.privacy.ledger import Ledger
from synth.starter import write_starter

POPULATION = "clinic_members"
BOARD = Budget(
    epsilon=3.0, delta=DELTA, approver="The information governance board of the clinic, chaired by its director"
)


class Ran(NamedTuple):
    out: str
    err: str
    code: int


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_starter(tmp_path / "clinic")


@pytest.fixture
def synth(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    monkeypatch.chdir(project)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("SYNTH_DEBUG", raising=False)

    def run(*arguments: str) -> Ran:
        monkeypatch.setattr("sys.argv", ["synth", *arguments])
        try:
            cli.main()
            code = 0
        except SystemExit as ending:
            code = int(ending.code or 0)
        return Ran(*capsys.readouterr(), code)

    return run


@pytest.fixture
def ledger(project: Path) -> Ledger:
    """Two models over one population, one of them fitted twice under a raised cap and not completed; and another population."""
    ledger = Ledger(project / "privacy_ledger.db", project / "target" / "ledger_bookmark.json")
    first = ledger.reserve(BOARD, "members", "plan 1", plan())
    ledger.spend(first.id, "source", "generator")
    ledger.spend(ledger.reserve(BOARD, "visits", "plan 2", plan()).id, "source", "generator")
    raised = BOARD.model_copy(update={"epsilon": 5.0})
    ledger.reserve(raised, "members", "plan 3", plan(max_rows_per_unit=4), declared_units=1250)
    ledger.reserve(
        Budget(epsilon=1.0, delta=1e-7, approver="The staff council"), "rota", "plan 4", privacy(9.0, "staff")
    )
    return ledger


def plan(**changes: Any) -> Privacy:
    """Every kind of event, once."""
    events = (
        gaussian(9.0),
        Selection(name="choice", epsilon=0.1, count=3),
        SubsampledGaussian(name="dp_sgd", noise_multiplier=2.5, sample_rate=0.01, steps=50),
    )
    return privacy(population=POPULATION, **changes).model_copy(
        update={"events": events, "epsilon": epsilon(events, DELTA)}
    )


# ---------------------------------------------------------------- what it shows


def test_without_a_subcommand_it_is_the_summary(synth: Callable[..., Ran], ledger: Ledger) -> None:
    ran = synth("ledger")
    assert (ran.err, ran.code) == ("", 0)
    names, _, *rows = ran.out.splitlines()
    assert names.split() == ["population", "spent", "left", "cap", "delta", "open", "set", "by"]
    declared = Project(ledger.path.parent).budgets
    members, staff = ledger.summary(declared)
    assert rows[0].split()[:6] == [POPULATION, f"{members.spent:.4f}", f"{members.left:.4f}", "3", "1e-06", "1"]
    assert rows[-1].split()[:6] == ["staff", f"{staff.spent:.4f}", f"{staff.left:.4f}", "1", "1e-07", "1"]
    assert max(map(len, ran.out.splitlines())) <= 100
    assert " ".join(row[names.index("set by") :].strip() for row in rows[:-1]) == declared[POPULATION].approver  # whole


def test_long_names_still_fit_100_columns(synth: Callable[..., Ran], ledger: Ledger) -> None:
    approver = "a_name_without_any_space_in_it_" * 3
    ledger.reserve(
        Budget(epsilon=2.345678, delta=1e-7, approver=approver), "m", "plan", privacy(9.0, "population_" * 9)
    )
    out = synth("ledger").out
    assert max(map(len, out.splitlines())) <= 100
    assert approver in "".join(line[out.index("set by") :].strip() for line in out.splitlines()[2:])


def test_history_shows_every_entry_and_every_cap(synth: Callable[..., Ran], ledger: Ledger) -> None:
    ran = synth("ledger", "history")
    entries, cap_rows = (part.splitlines() for part in ran.out.split("\n\n"))
    kinds = [(row.split()[2], row.split()[-1]) for row in entries[2:]]
    history = ledger.history()
    assert [kind for kind, _ in kinds] == [entry.kind for entry in history]
    states = [state for kind, state in kinds if kind == "reserve"]
    assert states == ["spent", "spent", "open", "open"]
    for row, entry in zip(entries[2:], history, strict=True):
        assert all(
            part in row for part in (entry.id, entry.model, entry.population, entry.time[:10], entry.time[11:19])
        )
        assert (f" {privacy(9.0).epsilon:g}  " in row) == (entry.model == "rota")
    words = " ".join(" ".join(cap_rows).split())
    assert f"{POPULATION} 3 1e-06 first The information" in words
    assert f"{POPULATION} 5 1e-06 raised The information" in words
    assert "staff 1 1e-07 first The staff council" in words
    assert max(map(len, ran.out.splitlines())) <= 100
    only = synth("ledger", "history", "--population", "staff").out
    assert "rota" in only and POPULATION not in only and BOARD.approver[:10] not in only


def test_a_lowered_cap_and_another_approver_are_told(synth: Callable[..., Ran], ledger: Ledger) -> None:
    for budget in (BOARD, Budget(epsilon=3.0, delta=DELTA, approver="The successor")):
        ledger.reserve(budget, "members", "plan", privacy(900.0, POPULATION))
    rows = synth("ledger", "history").out.split("\n\n")[1]
    changes = [row.split("1e-06")[1].split("  ")[1] for row in rows.splitlines() if POPULATION in row]
    assert changes == ["first", "raised", "lowered", "other approver"]


def test_an_unknown_population_is_a_usage_error(synth: Callable[..., Ran], ledger: Ledger) -> None:
    for verb in ("history", "export"):
        ran = synth("ledger", verb, "--population", "stuff")
        assert (ran.out, ran.code) == ("", 2)
        assert "no budget and no entry of the ledger is of 'stuff'" in ran.err and "Did you mean staff?" in ran.err


def test_a_population_that_was_never_asked_has_no_entry(synth: Callable[..., Ran], project: Path) -> None:
    ran = synth("ledger", "history", "--population", POPULATION)
    assert (ran.code, POPULATION in ran.out) == (0, False)
    assert synth("ledger").code == 0
    assert not (project / "privacy_ledger.db").exists()


def test_flags_may_stand_before_the_subcommand_or_behind_it(
    synth: Callable[..., Ran], ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = write_starter(tmp_path / "other")
    here, there = synth("ledger", "verify").out, str(other / "privacy_ledger.db")
    assert "All 6 entries" in here and synth("ledger", "-q", "verify").out == synth("ledger", "verify", "-q").out == ""
    assert there in synth("ledger", "--project-dir", str(other), "verify").out
    assert there in synth("ledger", "verify", "--project-dir", str(other)).out
    monkeypatch.setenv("SYNTH_PROJECT_DIR", str(other))
    assert there in synth("ledger", "verify").out
    assert synth("ledger", "--project-dir", ".", "verify").out == here
    assert synth("ledger", "verify", "--project-dir", ".").out == here


# ---------------------------------------------------------------- verify


def test_verify_gives_the_last_hash_which_is_found_again(synth: Callable[..., Ran], ledger: Ledger) -> None:
    ran = synth("ledger", "verify")
    assert (ran.err, ran.code) == ("", 0)
    assert f"All 6 entries in {ledger.path} are intact." in ran.out
    head = ran.out.split()[-1]
    assert head == ledger.verify().head
    ledger.reserve(BOARD, "members", "plan", privacy(900.0, POPULATION))
    again = synth("ledger", "verify", "--hash", f" {head.upper()}")
    assert again.code == 0 and "The noted hash is that of entry 6" in again.out and "All 7 entries" in again.out


def test_verify_refuses_what_is_no_hash(synth: Callable[..., Ran], ledger: Ledger) -> None:
    ran = synth("ledger", "verify", "--hash", "abc")
    assert ran.code == 2 and "64 hexadecimal digits" in ran.err


def test_an_empty_ledger_says_so(synth: Callable[..., Ran]) -> None:
    ran = synth("ledger", "verify")
    assert (ran.code, ran.out.split()[-1]) == (0, "0" * 64) and "There is no entry" in ran.out
    assert synth("ledger", "verify", "--hash", "ab" * 32).code == 1
    assert synth("ledger").out.startswith("Nothing is spent yet, of: ")


def older(ledger: Ledger) -> None:
    copy = ledger.path.read_bytes()
    ledger.reserve(BOARD, "members", "plan", privacy(900.0, POPULATION))
    ledger.path.write_bytes(copy)


def edited(ledger: Ledger) -> None:
    ledger.path.write_bytes(ledger.path.read_bytes().replace(b'"steps":50', b'"steps":10', 1))


def reordered(ledger: Ledger) -> None:
    """The plans of the two first reservations change places."""
    content = ledger.path.read_bytes()
    content = content.replace(b"plan 1", b"plan X").replace(b"plan 2", b"plan 1").replace(b"plan X", b"plan 2")
    ledger.path.write_bytes(content)


def truncated(ledger: Ledger) -> None:
    content = ledger.path.read_bytes()
    ledger.path.write_bytes(content[: len(content) // 2])


def removed(ledger: Ledger) -> None:
    ledger.path.unlink()


@pytest.mark.parametrize("harm", [edited, truncated, reordered, older, removed], ids=lambda harm: harm.__name__)
def test_a_changed_ledger_is_found_by_every_verb(
    synth: Callable[..., Ran], ledger: Ledger, harm: Callable[[Ledger], None], project: Path
) -> None:
    harm(ledger)
    verbs = [
        "ledger",
        "ledger history",
        "ledger verify",
        "ledger export",
        "ledger export --out out.json",
        "plan",
        "run",
    ]
    for verb in verbs:
        ran = synth(*verb.split())
        said = ran.out + ran.err
        assert ran.code == (1 if verb == "ledger verify" else 3), (verb, said)
        assert f"The privacy ledger {ledger.path} cannot be used" in said, verb
        assert "No run can spend until this is settled." in said and "Traceback" not in said
    assert not (project / "out.json").exists()
    debug = synth("debug")
    assert debug.code == 1 and f"FAIL  the ledger privacy_ledger.db: The privacy ledger {ledger.path}" in debug.out
    shutil.rmtree(project / "target")  # the bookmark with it: now only a hash on paper tells an older ledger
    if harm is older:
        assert synth("ledger", "verify").code == 0
        ran = synth("ledger", "verify", "--hash", "ab" * 32)
        assert ran.code == 1 and "put back to an older copy or rewritten" in ran.err


def test_clean_keeps_the_bookmark(synth: Callable[..., Ran], ledger: Ledger, project: Path) -> None:
    (project / "target" / "manifest.json").write_text("{}")
    assert synth("clean", "--all").code == 0
    assert [path.name for path in (project / "target").iterdir()] == ["ledger_bookmark.json"]
    ledger.path.unlink()
    assert synth("ledger").code == 3


def test_clean_keeps_what_could_not_be_made_again_for_nothing(synth: Callable[..., Ran], project: Path) -> None:
    target, databases = project / "target", {"dev.duckdb", "deep/er/prod.duckdb", "internal/raw.duckdb"}
    settings = project / "synth_project.yml"
    listed = ", ".join(f"t{i}: {{database: target/{name}}}" for i, name in enumerate(sorted(databases)))
    before = settings.read_text().partition("default-target")[0]
    settings.write_text(f"{before}targets: {{{listed}}}\ndefault-target: t1\n")
    kept = {"generators/g", "release/b/DIGESTS", "internal/members.oddities.json", ".gitkeep", *databases}
    for name in {*kept, "manifest.json", "internal/said/key", "docs/index.html"}:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).touch()

    def left() -> set[str]:
        found = (path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())
        return {name for name in found if not name.startswith("ledger")}

    assert synth("clean").code == 0
    assert left() == kept
    (target / "deep/er/prod.duckdb").unlink()
    (target / "deep/er/prod.duckdb").symlink_to(settings)
    (target / "dev.duckdb").unlink()
    assert synth("clean", "--all").code == 0
    assert left() == {".gitkeep"} and settings.exists()


# ---------------------------------------------------------------- export


def test_the_exported_chain_is_checked_without_synth(synth: Callable[..., Ran], ledger: Ledger, project: Path) -> None:
    ran = synth("ledger", "export")
    assert (ran.err, ran.code) == ("", 0)
    exported = json.loads(ran.out)
    before = "0" * 64
    for link in exported["chain"]["links"]:
        before = hashlib.sha256(f"{before}\n{link['body']}".encode()).hexdigest()
        assert link["hash"] == before
    assert (exported["chain"]["entries"], exported["chain"]["head"]) == (6, before) == ledger.verify()[:2]
    assert all(word in exported["chain"]["how_to_check"] for word in ("SHA-256", "UTF-8", "line feed", "0" * 64))
    assert synth("ledger", "export", "--out", "out.json").out == "Wrote 6 entries to out.json\n"
    written = json.loads((project / "out.json").read_text())
    assert {**written, "exported": None} == {**exported, "exported": None}


def test_the_check_in_the_documents_works(
    synth: Callable[..., Ran], ledger: Ledger, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parent.parent / "docs" / "ledger.md").read_text()
    check = page.split("```\n")[1]
    assert synth("ledger", "export", "--out", "ledger.json").code == 0
    exec(check, {})
    text = (project / "ledger.json").read_text()
    (project / "ledger.json").write_text(text.replace("plan 2", "plan 3"))
    with pytest.raises(AssertionError):
        exec(check, {})


def test_an_export_of_one_population_shows_no_other(synth: Callable[..., Ran], ledger: Ledger) -> None:
    text = synth("ledger", "export", "--population", "staff").out
    exported = json.loads(text)
    assert POPULATION not in text and "members" not in text and BOARD.approver not in text
    links = exported["chain"]["links"]
    assert [link["body"] is None for link in links] == [True] * 5 + [False]
    assert hashlib.sha256(f"{links[4]['hash']}\n{links[5]['body']}".encode()).hexdigest() == links[5]["hash"]
    assert [population["population"] for population in exported["populations"]] == ["staff"]


# The registry's fields that an export may fill, with their types, and its closed lists: schemas/deployments-schema.yaml of
# github.com/opendp/deployments-registry-data, commit 057e5d8. Unknown fields are refused there.
CURATOR_TYPES = ("Government", "Industry", "Nonprofit")
FIELDS: dict[str, Any] = {
    "url_slug": str,
    "deployment": {
        "basic": {
            "name": str, "description": str, "intended_use": str, "data_product_region": str, "publication_date": str,
            "data_curators": [{"data_curator_name": str, "data_curator_type": CURATOR_TYPES}],
            "data_product_type": (
                "Summary statistics", "Machine learning model", "Dataset", "Synthetic data", "Interactive API", "SQL queries",
            ),
            "data_product_sector": ("Technology", "Healthcare", "Education", "Government", "Energy", "Finance"),
        },
        "dp_variant": {
            "variant_name": ("Pure DP", "Approximate DP", "Zero-concentrated DP", "Renyi DP", "Custom"),
            "data_domain": str, "unprotected_quantities": str,
        },
        "privacy_loss": {
            "privacy_unit": str, "privacy_unit_details": str, "number_of_privacy_units": int, "privacy_parameters_details": str,
            "privacy_parameters": {"epsilon": float, "delta": float, "rho": float},
        },
        "deployment_model": {
            "model_name": ("Local", "Central", "Shuffle", "Federated", "Varies"), "trust_assumptions": str, "actors": str,
            "release_type": ("One release", "Many releases"), "data_source_type": ("Static", "Dynamic"),
            "access_type": ("Interactive", "Non-interactive"),
        },
        "implementation": {
            "preprocessing_and_hyperparameter_tuning": str, "mechanisms": str, "composition": str, "post_processing": str,
            "justification": str, "utility": str,
        },
        "administrative": {"status": ("Draft",), "registry_authors": [str], "tier": int, "evidence_sources": {}},
    },
}  # fmt: skip


def assert_fits(value: Any, fields: Any, place: str = "") -> None:
    if isinstance(fields, dict):
        assert set(value) <= set(fields), place
        for name in value:
            assert_fits(value[name], fields[name], f"{place}.{name}")
    elif isinstance(fields, list):
        for item in value:
            assert_fits(item, fields[0], place)
    elif isinstance(fields, tuple):
        assert value in fields, place
    else:
        assert type(value) is fields, place


def leaves(fields: Any, place: str = "") -> set[str]:
    inner = fields[0] if isinstance(fields, list) else fields
    if not isinstance(inner, dict) or not inner:
        return {place.removeprefix(".")}
    return set().union(*(leaves(inner[name], f"{place}.{name}") for name in inner))


def filled(value: Any, place: str = "") -> set[str]:
    inner = value[0] if isinstance(value, list) else value
    if not isinstance(inner, dict):
        return {place.removeprefix(".")}
    return set().union(*(filled(inner[name], f"{place}.{name}") for name in inner))


def test_the_records_fit_the_public_registry(synth: Callable[..., Ran], ledger: Ledger) -> None:
    registry = json.loads(synth("ledger", "export").out)["registry"]
    assert [r["deployment"]["basic"]["name"] for r in registry["records"]] == ["members", "visits", "rota"]
    for record in registry["records"]:
        assert_fits(record, FIELDS)
    absent = leaves(FIELDS) - filled(registry["records"][0]) - {"deployment.privacy_loss.privacy_parameters.rho"}
    assert set(registry["left_out"]) == absent  # what the ledger cannot know is told, not invented
    members = registry["records"][0]["deployment"]
    assert members["basic"]["data_curators"] == [{"data_curator_name": BOARD.approver}]
    assert members["basic"]["publication_date"] == ledger.history()[1].time[:10]
    loss, implementation = members["privacy_loss"], members["implementation"]
    assert loss["privacy_parameters"] == {"epsilon": epsilon([*plan().events, *plan().events], DELTA), "delta": DELTA}
    assert (loss["privacy_unit"], loss["number_of_privacy_units"]) == ("A subject_id", 1250)
    assert "at most 10 rows" in loss["privacy_unit_details"] and "at most 4 rows" in loss["privacy_unit_details"]
    first, last = loss["privacy_unit_details"].splitlines()
    assert "approximate: 1000." in first and "approximate: 1250, of whom about 1000 have a part in the fit." in last
    assert "add or remove one unit" in loss["privacy_unit_details"]
    assert "Over 2 fits of this table, 1 not completed." in loss["privacy_parameters_details"]
    total = ledger.summary()[0].spent
    assert f"has spent epsilon {total:g} over 2 tables, of a cap of 5" in loss["privacy_parameters_details"]
    for part in ("Gaussian mechanism, noise multiplier 9 ", "3 choices by the exponential mechanism, epsilon 0.1",
                 "50 steps of the Gaussian mechanism on Poisson samples, sample rate 0.01", "synth 0."):  # fmt: skip
        assert part in implementation["mechanisms"]
    rota = registry["records"][2]["deployment"]
    assert "publication_date" not in rota["basic"]  # never completed
    assert rota["deployment_model"]["release_type"] == "One release"
