"""synth experiment: cells that are priced together and used again, generators of others, and where figures may lie."""

from __future__ import annotations

import json
import stat
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from processes import synth
from starting import QUICK, quick_starter
from synth import Project
from synth.artifacts.experiment import Experiment
from synth.console.experiments import forecast_text
from synth.errors import BudgetError, RunError, UsageError
from synth.generator import fit, others

pytestmark = pytest.mark.slow
GRID = "name: grid\nmodel: members\ngenerators: {generators}\nepsilons: {epsilons}\nseeds: [1, 2]\n"


class Noisy:
    """Codes by the noisy shares of each column alone."""

    def codes(self, ways, pairs, rows, seed):
        random = np.random.default_rng(seed)
        drawn = [c.decode(random.choice(c.count, rows, p=c.shares), random) for c in ways.columns]
        return np.stack(drawn, axis=1)


class Copies:
    """Real rows, as they are."""

    def rows(self, train, kinds, rows, seed):
        return train.sample(rows, random_state=seed)[list(kinds)]


class Fails:
    def rows(self, train, kinds, rows, seed):
        raise ValueError(f"a real value: {train.iloc[0].to_dict()}")


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three generators of others, as a package would bring them."""
    found = {
        name: EntryPoint(name, f"test_experiment:{kind}", others.GROUP)
        for name, kind in (("noisy", "Noisy"), ("copies", "Copies"), ("fails", "Fails"), ("neither", "GRID"))
    }
    monkeypatch.setattr(others, "_found", lambda: found)


@pytest.fixture
def clinic(tmp_path: Path) -> Path:
    root = quick_starter(tmp_path / "clinic")
    table = root / "metadata" / "members.yml"
    table.write_text(table.read_text().replace("    columns:", "    holdout: 0.3\n    columns:", 1))
    write(root, "[independent, noisy, copies]", "[0.5, 1]")
    return root


def write(root: Path, generators: str, epsilons: str, more: str = "") -> None:
    (root / "experiments").mkdir(exist_ok=True)
    (root / "experiments" / "grid.yml").write_text(GRID.format(generators=generators, epsilons=epsilons) + more)


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that are fitted, one by one."""
    made: list[str] = []
    real = fit.fit
    monkeypatch.setattr(fit, "fit", lambda codes, plan, *more: made.append(plan.model) or real(codes, plan, *more))
    return made


def figures(page: Path) -> str:
    """The JSON, but for which run it was and when."""
    lines = page.with_suffix(".json").read_text().splitlines()
    return "\n".join(line for line in lines if not line.startswith((' "run_id"', ' "run_time"')))


def values(page: Path) -> dict[tuple[str, float | None, int, str], float | None]:
    found = Experiment.model_validate_json(page.with_suffix(".json").read_bytes())
    return {
        (t.cell.generator, t.cell.epsilon, t.cell.seed, f.metric): f.value
        for t in found.cells
        if t.cell
        for f in t.figures
    }


def test_a_grid_is_paid_for_once_and_runs_again_exactly(clinic: Path) -> None:
    told, page = Project(clinic).experiment("grid", dry_run=True)
    assert page is None and not (clinic / "target" / "internal").exists()
    assert [c.verdict for c in told.cells].count("reference") == 2  # one for each seed, whatever the epsilon
    assert told.spent == 0 and 0.5 < told.after < 3
    _, page = Project(clinic).experiment("grid")
    assert page is not None
    spent = Project(clinic).ledger.summary()[0].spent
    assert spent == pytest.approx(told.after, abs=1e-3)
    first = values(page)
    assert first["NOT_PRIVATE_copies", None, 1, "marginal_2"] > first["noisy", 1.0, 1, "marginal_2"]
    again, page = Project(clinic).experiment("grid")
    assert again.asked == 0 and values(page) == first
    assert Project(clinic).ledger.summary()[0].spent == spent
    assert stat.S_IMODE(page.stat().st_mode) == 0o600 and "internal" in page.parts
    text = page.read_text()
    assert (
        "NOT PRIVATE" in text
        and "NOT_PRIVATE_copies" in text
        and "<svg" in text
        and "http" not in text.partition("<svg")[0]
    )


def test_what_all_cells_cost_is_refused_before_a_row_is_read(clinic: Path) -> None:
    write(clinic, "[independent, noisy]", "[0.5, 1, 2, 2.9]")
    (clinic / "sources" / "clinic" / "members.csv").unlink()  # so that nobody can read it
    with pytest.raises(BudgetError, match="are still to be paid and ask for epsilon"):
        Project(clinic).experiment("grid")
    assert not Project(clinic).ledger.history()
    (clinic / "experiments" / "grid.yml").write_text(GRID.format(generators="[independent]", epsilons="[2, 2.5, 2.9]"))
    said = synth(clinic, "experiment", "grid", "--dry-run")
    assert said.returncode == 3


def test_public_rows_cost_nothing_and_say_whose_word_that_is(clinic: Path) -> None:
    write(clinic, "[independent]", "[50]", 'public: "Ada Lovelace: these rows are made up"\n')
    told, page = Project(clinic).experiment("grid")
    assert page is not None and page.parent == clinic / "target" / "experiments"
    assert not Project(clinic).ledger.history() and told.budget is None
    assert "PUBLIC ROWS, says Ada Lovelace" in page.read_text()
    assert not list((clinic / "target" / "generators").glob("members-*"))  # nothing that a run would take for paid


def test_public_rows_are_fitted_once_and_run_again_exactly(clinic: Path, fits: list[str]) -> None:
    public = 'public: "Ada Lovelace: these rows are made up"\n'
    write(clinic, "[independent, noisy, copies]", "[5]", public)
    before, page = Project(clinic).experiment("grid")
    assert page is not None and len(fits) == 4 and before.seconds > 0
    first = figures(page)
    again, page = Project(clinic).experiment("grid")
    assert page is not None and len(fits) == 4 and figures(page) == first
    assert {c.verdict for c in again.cells} == {"kept", "reference"} and again.seconds == 0
    write(clinic, "[independent]", "[5, 6]", public)
    Project(clinic).experiment("grid")
    assert len(fits) == 6  # those of the new epsilon
    members = clinic / "sources" / "clinic" / "members.csv"
    members.write_text("".join(members.read_text().splitlines(keepends=True)[:-1]))
    Project(clinic).experiment("grid")
    assert len(fits) == 10  # all, for one row is gone
    changed = next((clinic / "target" / "generators").glob("NOT_PRIVATE_members-*/generator.json"))
    changed.write_text(changed.read_text() + " ")
    Project(clinic).experiment("grid")
    assert len(fits) == 11
    assert synth(clinic, "clean").returncode == 0
    assert not list((clinic / "target" / "generators").glob("NOT_PRIVATE_*"))


def test_the_cells_are_told_with_headings_and_the_time_of_their_fits(clinic: Path) -> None:
    said = forecast_text(Project(clinic).experiment("grid", dry_run=True)[0])
    head, *cells = said.partition("\n\n")[0].splitlines()
    assert head.split() == ["GENERATOR", "EPSILON", "SEED", "FIT", "PRICE"]
    assert [" s  " in cell for cell in cells] == [True] * 8 + [False] * 2
    assert "8 fits, about" in said and "references and figures come on top" in said


@pytest.mark.parametrize(
    ("generators", "error", "told"),
    [
        ("[fails]", RunError, "the generator 'fails' failed: ValueError"),
        ("[neither]", UsageError, "cannot be loaded"),
        ("[nobodys]", UsageError, "there is no generator 'nobodys'"),
    ],
)
def test_generators_that_will_not_do(clinic: Path, generators: str, error: type[Exception], told: str) -> None:
    write(clinic, generators, "[0.5]")
    with pytest.raises(error, match=told) as found:
        Project(clinic).experiment("grid")
    assert "real value" not in str(found.value)


def test_it_needs_people_who_are_held_out(clinic: Path) -> None:
    table = clinic / "metadata" / "members.yml"
    table.write_text(table.read_text().replace("    holdout: 0.3\n", ""))
    with pytest.raises(UsageError, match="no unit is held out"):
        Project(clinic).experiment("grid")
    assert QUICK in table.read_text()


def test_its_figures_are_json_and_csv_besides(clinic: Path) -> None:
    write(clinic, "[independent]", "[0.5]")
    _, page = Project(clinic).experiment("grid")
    assert page is not None
    assert json.loads(page.with_suffix(".json").read_text())["schema_version"] == "synth/experiment/v1"
    lines = page.with_suffix(".csv").read_text().splitlines()
    assert "generator" in lines[0] and len(lines) > 4
