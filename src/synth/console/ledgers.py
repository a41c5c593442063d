"""The ledger in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from synth.artifacts.budget import Budget
from synth.console.tables import PAGE, table, wrapped
from synth.privacy.ledger import Cap, Entry, PopulationSummary, Reserve, Verified, caps, open_reservations


def ledger_summary(summaries: Sequence[PopulationSummary], budgets: Mapping[str, Budget]) -> str:
    """Where each population stands, within 100 columns; before the first run, what there is to spend."""
    if not summaries:
        caps = ", ".join(f"{name} (cap {budget.epsilon:g})" for name, budget in budgets.items())
        return f"Nothing is spent yet, of: {caps}" if caps else "Nothing is spent, and no population has a budget yet"
    names = ["population", "spent", "left", "cap", "delta", "open", "set by"]
    rows = [
        (s.population, f"{s.spent:.4f}", f"{s.left:.4f}", f"{s.cap:g}", f"{s.delta:g}", s.reserved_open, s.approver)
        for s in summaries
    ]
    return wrapped(names, rows, PAGE)


def ledger_history(entries: Sequence[Entry]) -> str:
    """Every entry, and below them every cap that was in force, within 100 columns where names are short."""
    names = ["time (UTC)", "kind", "population", "model", "id", "epsilon", "state"]
    unfinished = open_reservations(entries)
    rows = [
        (_clock(e.time), e.kind, e.population, e.model, e.id, f"{e.epsilon_alone:g}", "open" if e.id in unfinished else "spent")
        if isinstance(e, Reserve) else (_clock(e.time), e.kind, e.population, e.model, e.id, "", "")
        for e in entries
    ]  # fmt: skip
    cap_names = ["cap since (UTC)", "population", "cap", "delta", "change", "set by"]
    cap_rows = [
        (_clock(c.since), c.population, f"{c.budget.epsilon:g}", f"{c.budget.delta:g}", _change(c), c.budget.approver)
        for c in caps(entries)
    ]
    return f"{table(names, rows)}\n\n{wrapped(cap_names, cap_rows, PAGE)}"


def ledger_verdict(path: Path, verified: Verified) -> str:
    """What was found, with the last hash on a line of its own."""
    one = verified.entries == 1
    found = [
        f"{'The 1 entry' if one else f'All {verified.entries:,} entries'} in {path} {'is' if one else 'are'} intact."
    ]
    if not verified.entries:
        found = [f"There is no entry in {path}."]
    if verified.place:
        found += [
            f"The noted hash is that of entry {verified.place:,}: nothing up to it was changed since it was noted."
        ]
    found += ["The last hash, to be written down elsewhere and given to --hash later:", f"  {verified.head}"]
    return "\n".join(found)


def _change(cap: Cap) -> str:
    """How a cap differs from the one before it."""
    if cap.before is None:
        return "first"
    if cap.budget.epsilon != cap.before.epsilon:
        return "raised" if cap.budget.epsilon > cap.before.epsilon else "lowered"
    return "other delta" if cap.budget.delta != cap.before.delta else "other approver"


def _clock(time: str) -> str:
    return time.removesuffix("+00:00").replace("T", " ")
