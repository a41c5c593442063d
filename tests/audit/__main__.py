"""``make audit``: the whole test programme of the guarantee, T1 to T12, at full length, and one page that says what it showed.

The page goes to standard output and to target/audit.txt; it is computed on simulated rows only. Exit code 1 where anything
failed. Takes half an hour on two idle cores.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import torch

import synth
from audit import attacks, mutants, one_run, one_step

ROOT = mutants.ROOT
PAGE = ROOT / "target" / "audit.txt"

# T6: steps with their draws of each kind, how much of a claim should be shown, and the noise that must be found out
STEPS = (
    *((one_step.gradient(noise), 1_000_000) for noise in (0.7, 2.0, 5.0)),
    (one_step.gradient(1.0, rate=0.2), 4_000_000),
    *((one_step.histogram(noise), 1_000_000) for noise in (0.7, 2.0, 5.0)),
    *((one_step.choice(cost), 200_000) for cost in (0.5, 2.0)),
)
CLOSE, PLANTED, POWER = 0.9, 0.8, 0.99

# T7: canaries; epsilons of fits in which everybody takes part in every step; one with samples; and two at fault
CANARIES = 3_000
EPSILONS = (1.0, 3.0, 6.0)
SAMPLED = (3.0, 0.3)  # epsilon and sample rate
TOO_LITTLE = (3.0, 0.2)  # claimed epsilon, and times the noise that it takes


@dataclass(frozen=True)
class Part:
    """What one of T1 to T12 is about."""

    what: str
    weak: str  # rarer than this, or smaller, it is missed more than once in 20 audits


PARTS = {
    "T1": Part("rows are reached through one door", "a door that its tests do not try"),
    "T2": Part("a fit treats neighbours alike", "a difference in fewer than 1.5% of such pairs"),
    "T3": Part("no person moves a sum by more than declared", "what fewer than one case in 3,300 shows"),
    "T4": Part("noise: its distribution, lattice and seeds", "a variance that is off by less than 0.5%"),
    "T5": Part("samples are Poisson", "a batch size or inclusion whose variance is off by less than 13%"),
    "T6": Part("an attacker on one noisy step", "noise that is a few per cent too small: see below"),
    "T7": Part("an attacker on a whole fit", "all but gross mistakes: it shows about half of a claim"),
    "T8": Part("the accountant's known answers", "a price that is off by less than 2%"),
    "T9": Part("the ledger: traces, kill -9, 16 processes at once", "what fewer than one kill in 10 shows"),
    "T10": Part("no cell value leaves the private zone", "failures that it does not induce"),
}


@dataclass
class Result:
    """Tests of one part: how many passed, which did not, and their figures."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)


def main() -> int:
    torch.set_num_threads(1)
    started = time.monotonic()
    sound = True
    page = [""]
    results = programme()
    steps, steps_sound = step_table()
    runs, runs_sound = run_table()
    found = list(told(mutants.run(), len(mutants.MUTANTS)))
    kills = Counter(part_of(outcome.killed_by.partition("::")[0]) for outcome in found if outcome.killed_by)
    for name, part in PARTS.items():
        result = results.get(name)
        passes = result is not None and not result.failed and result.passed > 0
        passes &= {"T6": steps_sound, "T7": runs_sound}.get(name, True)
        sound &= passes
        page += [heading(name, part.what, passes), *(f"      {line}" for line in shown(result))]
        page.append(f"      planted mistakes found: {kills[name]}; would miss: {part.weak}")
    lost = [outcome for outcome in found if not outcome.killed_by]
    sound &= not lost
    page += mutant_lines(found, kills[""])
    attacked, attacks_sound = attack_table()
    sound &= attacks_sound is not False
    page += [heading("T12", "singling out, linkability, inference (Anonymeter)", attacks_sound), ""]
    page += [*steps, "", *runs, *attacked]
    minutes = (time.monotonic() - started) / 60
    page[0] = (
        f"Privacy audit of synth {synth.__version__}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {minutes:.0f} minutes, "
        f"simulated rows only: {'PASS' if sound else 'FAIL'}\n"
    )
    text = "\n".join(page) + "\n"
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(text, encoding="utf-8")
    print(text, end="")
    return 0 if sound else 1


# The tests of all parts


def parts() -> dict[str, Path]:
    """Test files whose docstring names a part, T1 to T10, by their stems."""
    every = sorted((ROOT / "tests").rglob("test_*.py"))
    return {path.stem: path for path in every if part_of(path.stem, path)}


def part_of(stem: str, path: Path | None = None) -> str:
    """The part of a test file; empty where it belongs to none."""
    path = path or next((ROOT / "tests").rglob(f"{stem}.py"), None)
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) if path else None
    named = re.search(r"\bT\d+\b", doc or "")
    return named[0] if named and named[0] in PARTS else ""


def heading(name: str, what: str, passes: bool | None) -> str:
    return f"{name:4}{what:56}" + {True: "PASS", False: "FAIL", None: "not part of this installation"}[passes]


def programme() -> dict[str, Result]:
    """All tests that belong to a part, in their long form."""
    say("T1 to T10: tests, in their long form")
    files = parts()
    with tempfile.TemporaryDirectory(prefix="synth-audit-") as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadfile", f"--junitxml={report}"]
        environment = os.environ | {"SYNTH_AUDIT": "1", "OMP_NUM_THREADS": "1"}
        subprocess.run([*command, *map(str, files.values())], cwd=ROOT, env=environment, stdout=sys.stderr)
        if not report.exists():
            raise SystemExit("Error: pytest wrote no report; its own words stand above.")
        cases = ElementTree.parse(report).findall(".//testcase")
    found: dict[str, Result] = {}
    for case in cases:
        stem = case.get("classname", "").split(".")
        part = next((part_of(name, files[name]) for name in stem if name in files), "")
        result = found.setdefault(part, Result())
        if case.find("failure") is not None or case.find("error") is not None:
            result.failed.append(str(case.get("name")))
        elif case.find("skipped") is None:
            result.passed += 1
        for entry in case.iter("property"):
            merge(result.figures, str(entry.get("name")), float(entry.get("value", "nan")))
    return found


def merge(figures: dict[str, float], name: str, value: float) -> None:
    """As the first word of a figure's name says: the largest, the least, or the number of all."""
    if name not in figures:
        figures[name] = value
    elif name.startswith("number"):
        figures[name] += value
    else:
        figures[name] = (max if name.startswith("largest") else min)(figures[name], value)


def shown(result: Result | None) -> Iterator[str]:
    if result is None:
        yield "no test names it"
        return
    yield f"{result.passed} tests passed" + (
        f", {len(result.failed)} FAILED: {', '.join(result.failed)}" * bool(result.failed)
    )
    figures = [
        f"{value:,.0f} {name.removeprefix('number of ')}" if name.startswith("number") else f"{name} {value:.4g}"
        for name, value in sorted(result.figures.items(), key=lambda figure: not figure[0].startswith("number"))
    ]
    if figures:
        yield "; ".join(figures)


# T6 and T7


def step_table() -> tuple[list[str], bool]:
    lines = [
        f"One step: claimed epsilon at delta {one_step.DELTA:g}, and what an attacker shows of it (lower bounds, at 95%)",
        f"{'mechanism':32}{'draws':>10}{'claim':>8}{'shown':>8}{'by rates alone':>16}"
        f"{f'noise x{PLANTED:g}':>13}{'power, least':>14}  result",
    ]
    sound = True
    for step, draws in STEPS:
        say(f"T6: {step.what}")
        found, planted = one_step.audit(step, draws), one_step.audit(step, draws, PLANTED)
        power = found.power(PLANTED)
        passes = found.holds and found.shown >= CLOSE * step.claim and not planted.holds and power >= POWER
        sound &= passes
        lines.append(
            f"{step.what:32}{2 * (found.counts.positives + found.counts.negatives):10,}{step.claim:8.3f}{found.shown:8.3f}"
            f"{found.direct:16.3f}{'missed' if planted.holds else 'found':>13}{power:14.2%}  {'PASS' if passes else 'FAIL'}"
        )
    return lines, sound


def run_table() -> tuple[list[str], bool]:
    lines = [
        f"One fit of {CANARIES:,} canaries: the same (by its curve: where the fit is Gaussian as a whole)",
        f"{'fit':40}{'right guesses':>15}{'claim':>8}{'shown':>8}{'by its curve':>14}  result",
    ]
    units, sound = CANARIES // 2, True
    sampled, rate = SAMPLED
    fits = [(f"epsilon {target:g}", one_run.plan_at(target, units, 1.0)) for target in EPSILONS]
    fits.append((f"epsilon {sampled:g}, {rate:.0%} sampled", one_run.plan_at(sampled, units, rate)))
    fits.append((f"epsilon {sampled:g}, child table", one_run.plan_at(sampled, units, 1.0, child=True)))
    for what, plan in fits:
        say(f"T7: {what}")
        for found in one_run.audit(plan, CANARIES):
            sound &= found.holds
            lines.append(run_line(f"{what}, {found.what}", found, "PASS" if found.holds else "FAIL"))
    say("T7: fits at fault")
    target, times = TOO_LITTLE
    claim = one_run.plan_at(target, units, 1.0)
    noise = times * claim.privacy.events[0].noise_multiplier  # type: ignore[union-attr]
    caught = True
    for child in (False, True):
        white, *_ = one_run.audit(one_run.plan_of(units, noise, 1.0, child), CANARIES)
        found = not replace(white, claim=target).holds
        caught &= found
        what = f"planted: noise x{times:g} for {target:g}{', child' if child else ''}"
        lines.append(run_line(f"{what}, white box", white, "found" if found else "MISSED"))
    white, black = one_run.audit(one_run.unprotected(units), CANARIES, one_run.SURE_WITHOUT_NOISE)
    bare = white.shown > max(EPSILONS)
    lines.append(run_line("NOT_PRIVATE, white box", white, f"{'above' if bare else 'NOT above'} all claims"))
    lines.append(run_line("NOT_PRIVATE, black box", black, ""))
    return lines, sound and caught and bare


def run_line(what: str, found: one_run.Finding, result: str) -> str:
    curve = "" if found.by_curve is None else f"{found.by_curve:.2f}"
    right = f"{found.right:,} of {found.guesses:,}"
    return f"{what:40}{right:>15}{found.claim:8.2f}{found.shown:8.2f}{curve:>14}  {result}".rstrip()


# T12


def attack_table() -> tuple[list[str], bool | None]:
    """None where Anonymeter is not installed."""
    if not attacks.installed():
        return [], None
    say("T12: Anonymeter")
    private, leaking = attacks.audit()
    lines = [
        "",
        f"{attacks.ATTACKS} attacks on the synthetic study of {attacks.HELD_BACK - 1} in {attacks.HELD_BACK} people; the "
        "others are the control set. Copied rows must be found",
        f"{'attack':32}{'works':>8}{'guessing':>10}{'on control':>12}{'risk, and its 95% interval':>30}{'by synth evaluate':>22}"
        f"{'copied rows':>13}{'by synth':>10}",
    ]
    for found, leak in zip(private, leaking, strict=True):
        risk = f"{found.risk:.2f} ({found.low:.2f} to {found.high:.2f})"
        own = "{:.2f} ({:.2f} to {:.2f})".format(*found.own)
        lines.append(
            f"{found.attack:32}{found.success:8.1%}{found.guess:10.1%}{found.control:12.1%}{risk:>30}{own:>22}{leak.risk:13.2f}"
            f"{leak.own[0]:10.2f}"
        )
    return lines, attacks.holds(private, leaking)


# T11


def told(outcomes: Iterable[mutants.Outcome], total: int) -> Iterator[mutants.Outcome]:
    say(f"T11: {total} mutants, after their tests without any")
    for number, outcome in enumerate(outcomes, 1):
        say(f"T11: {number} of {total}, {outcome.mutant.name}: {outcome.killed_by or outcome.said}")
        yield outcome


def mutant_lines(found: Sequence[mutants.Outcome], elsewhere: int) -> list[str]:
    killed = Counter(outcome.mutant.rule for outcome in found if outcome.killed_by)
    lost = [outcome for outcome in found if not outcome.killed_by]
    rules = ", ".join(f"{rule}: {killed[rule]}" for rule in sorted({outcome.mutant.rule for outcome in found}))
    return [
        heading("T11", "planted mistakes, one at a time", not lost),
        f"      {sum(killed.values())} of {len(found)} found, {elsewhere} of them by tests of no part; by rule: {rules}",
        *(f"      not found: {outcome.mutant.name} ({outcome.said})" for outcome in lost),
    ]


def say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
