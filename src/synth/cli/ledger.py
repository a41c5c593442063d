"""``synth ledger``: what each population has spent, and whether the ledger is as it was written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from synth.cli.options import Call, VerbGroup, digest_said, verb
from synth.cli.verbs import verbs
from synth.errors import LedgerError, SynthError, UsageError
from synth.files import write_whole

if TYPE_CHECKING:
    from synth.privacy.ledger import Ledger

_population = click.option("--population", metavar="NAME", help="Only of this population.")


@verb(verbs, cls=VerbGroup, invoke_without_command=True)
def ledger(call: Call) -> None:
    """Show what each population has spent of its cap. The ledger checks itself each time it is read.

    \b
    Example:
      synth ledger                       what is spent and left
      synth ledger verify                is every entry as it was written? Note the hash elsewhere
    """
    from synth.console.ledgers import ledger_summary

    project = call.project
    click.echo(ledger_summary(project.ledger.summary(project.budgets), project.budgets))


@verb(ledger, _population)
def history(call: Call, population: str | None) -> None:
    """Show every entry, oldest first, and who approved which cap, and when.

    Example: synth ledger history --population mimic_patients
    """
    from synth.console.ledgers import ledger_history

    click.echo(ledger_history(_known(call, population).history(population)))


@verb(
    ledger,
    click.option(
        "--hash", "noted", metavar="HASH", help="A last hash noted earlier, which must still be in the chain."
    ),
)
def verify(call: Call, noted: str | None) -> None:
    """Check every entry, and show the last hash: write it down elsewhere.

    With --hash, also check that an entry noted earlier is still there, which finds a ledger that was put back to an
    older copy or rewritten. Exit code 1 where something is wrong.

    Example: synth ledger verify
    """
    from synth.console.ledgers import ledger_verdict

    wanted = digest_said("--hash", noted, "synth ledger verify")
    found = call.project.ledger
    try:
        verdict = ledger_verdict(found.path, found.verify(wanted))
    except LedgerError as error:
        raise _Broken(str(error)) from None
    call.say(verdict)


class _Broken(SynthError):
    """A ledger that is not as it was written: what verify is asked for, and no mistake of who asks."""


@verb(ledger, _population, click.option("--out", metavar="FILE", help="Write it there instead."))
def export(call: Call, population: str | None, out: str | None) -> None:
    """Write the ledger as JSON: for an auditor, and as records for a public registry of deployments.

    Example: synth ledger export --out ledger.json
    """
    from synth.privacy.export import export as plain

    exported = plain(_known(call, population), population)
    text = json.dumps(exported, indent=1, ensure_ascii=False, allow_nan=False)
    if out is None:
        click.echo(text)
        return
    write_whole(out, text + "\n")
    call.say(f"Wrote {exported['chain']['entries']} entries to {out}")


def _known(call: Call, population: str | None) -> Ledger:
    """The project's ledger, for a population that it or a budget knows."""
    from synth.project.nearest import nearest

    found = call.project.ledger
    known = {*call.project.settings.budgets, *(entry.population for entry in found.history())}
    if population is not None and population not in known:
        raise UsageError(f"no budget and no entry of the ledger is of '{population}'", nearest(population, known))
    return found
