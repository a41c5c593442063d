"""The ledger as JSON: for an auditor, who can check the chain without synth, and for a public registry.

The records have the fields of the Differential Privacy Deployments Registry (NIST IR 8588, registry.opendp.org), named as
in schemas/deployments-schema.yaml of github.com/opendp/deployments-registry-data at commit 057e5d8. What the ledger does
not know is left out and listed, to be written by a person.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from synth.artifacts.budget import Budget
from synth.artifacts.looks import DRAFT
from synth.artifacts.plan import Event, Gaussian, PartitionSelection, Selection
from synth.privacy import accounting
from synth.privacy.chain import GENESIS
from synth.privacy.ledger import Cap, Entry, Guarantee, Ledger, Reserve, Spend, caps, open_reservations, summarize
from synth.version import __version__

REGISTRY = "https://github.com/opendp/deployments-registry-data/blob/main/schemas/deployments-schema.yaml"
HOW_TO_CHECK = (
    "The hash of an entry is the SHA-256, in hexadecimal, of a text in UTF-8: the hash of the entry before it, one line feed "
    f"(U+000A), the body. Before the first entry stands {GENESIS}. The last hash must be the head; compare it with one that "
    "was noted elsewhere. A body that is null belongs to another population: its hash is here so that the next can be checked."
)
NOTES = (
    "Drafts. data_curator_name is who set the cap; publication_date is the day on which the first fit was completed. "
    "The fields in left_out are for a person to write."
)
LEFT_OUT = (
    "url_slug", "deployment.basic.data_curators.data_curator_type", "deployment.basic.intended_use",
    "deployment.basic.data_product_region", "deployment.basic.data_product_sector",
    "deployment.dp_variant.data_domain", "deployment.dp_variant.unprotected_quantities",
    "deployment.deployment_model.trust_assumptions", "deployment.deployment_model.actors",
    "deployment.deployment_model.data_source_type", "deployment.implementation.preprocessing_and_hyperparameter_tuning",
    "deployment.implementation.post_processing", "deployment.implementation.justification",
    "deployment.implementation.utility", "deployment.administrative.evidence_sources",
    "deployment.administrative.registry_authors", "deployment.administrative.tier",
)  # fmt: skip
MECHANISMS = (
    "Sums are exact and whole-numbered; their Gaussian noise is rounded to whole numbers and drawn from ChaCha20, keyed by the "
    "operating system."
)
COMPOSITION = (
    "All events of all reservations together, by privacy loss distributions (the PLD accountant of dp-accounting), epsilon "
    "rounded up to 4 decimals. A reservation counts from before the first row is read, whether it was completed or not."
)


def export(ledger: Ledger, population: str | None = None) -> dict[str, Any]:
    """Everything the ledger holds, or what concerns one population; plain values for JSON."""
    chained = ledger.chained()
    shown = [entry for _, entry, _ in chained if population in (None, entry.population)]
    return {
        "schema_version": "synth/ledger/v1",
        "exported": datetime.now(UTC).isoformat(timespec="seconds"),
        "synth_version": __version__,
        "populations": [
            {
                **summary.model_dump(mode="json"),
                "caps": [_cap(cap) for cap in caps(shown) if cap.population == summary.population],
            }
            for summary in summarize(shown)
        ],
        "registry": {
            "schema": REGISTRY,
            "notes": NOTES,
            "left_out": list(LEFT_OUT),
            "records": list(_records(shown)),
        },
        "chain": {
            "how_to_check": HOW_TO_CHECK,
            "entries": len(chained),
            "head": chained[-1].link.hash if chained else GENESIS,
            "links": [
                {
                    "sequence": sequence,
                    "hash": link.hash,
                    "body": link.body if population in (None, entry.population) else None,
                }
                for sequence, entry, link in chained
            ],
        },
    }


def _cap(cap: Cap) -> dict[str, Any]:
    return {"since": cap.since, **cap.budget.model_dump(mode="json")}


def _records(entries: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    """One record for each model of each population, in the order of their first reservations."""
    reserves = [entry for entry in entries if isinstance(entry, Reserve)]
    spends = [entry for entry in entries if isinstance(entry, Spend)]
    for population, model in dict.fromkeys((entry.population, entry.model) for entry in reserves):
        everyone = [entry for entry in reserves if entry.population == population]
        own = [entry for entry in everyone if entry.model == model]
        ended = [entry for entry in spends if (entry.population, entry.model) == (population, model)]
        yield {"deployment": _deployment(own, ended, everyone)}


def _deployment(own: Sequence[Reserve], ended: Sequence[Spend], everyone: Sequence[Reserve]) -> dict[str, Any]:
    """``own`` reservations of a model, those of them that ``ended``, and ``everyone``'s over the same population."""
    last, budget = own[-1], everyone[-1].budget
    delta = last.guarantee.delta if last.guarantee else last.budget.delta
    unfinished = len(open_reservations([*own, *ended]))
    return {
        "basic": {
            "name": last.model,
            "data_curators": [{"data_curator_name": last.budget.approver}],
            **_product(last),
            **({"publication_date": ended[0].time[:10]} if ended else {}),
        },
        "dp_variant": {"variant_name": "Approximate DP"},
        "privacy_loss": {
            **_protected(own),
            "privacy_parameters": {"epsilon": _epsilon(own, delta), "delta": delta},
            "privacy_parameters_details": (
                f"Over {_count(len(own), _asked(last))} of this table, {unfinished} not completed. {_whole(everyone, budget)}"
            ),
        },
        "deployment_model": {
            "model_name": "Central",
            "release_type": "One release" if len(own) == 1 else "Many releases",
            "access_type": "Non-interactive",
        },
        "implementation": {
            "mechanisms": "\n".join([MECHANISMS, "", *(line for entry in own for line in _mechanisms(entry))]),
            "composition": COMPOSITION,
        },
        "administrative": {"status": "Draft"},
    }


def _asked(last: Reserve) -> str:
    return "look" if last.model.startswith(DRAFT) else "fit"


def _product(last: Reserve) -> dict[str, str]:
    if last.model.startswith(DRAFT):
        table = last.model.removeprefix(DRAFT)
        what = f"Types, bounds and categories of the columns of {table}, learned from the population {last.population}."
        return {"description": what, "data_product_type": "Metadata"}
    what = f"The synthetic table {last.model}, made from the population {last.population}."
    return {"description": what, "data_product_type": "Synthetic data"}


def _protected(own: Sequence[Reserve]) -> dict[str, Any]:
    """Who is protected; nothing where only entries from before this was kept tell of the model."""
    guarantees = list(dict.fromkeys(entry.guarantee for entry in own if entry.guarantee))
    if not guarantees:
        return {}
    last = guarantees[-1]
    return {
        "privacy_unit": "A row, of which each unit has one by declaration" if last.unit == "row" else f"A {last.unit}",
        "privacy_unit_details": "\n".join(f"- {_adjacency(guarantee)}" for guarantee in guarantees),
        "number_of_privacy_units": last.declared_units or last.units,
    }


def _adjacency(guarantee: Guarantee) -> str:
    unit = "a row" if guarantee.unit == "row" else f"all rows of one value of {guarantee.unit}"
    rows = _count(guarantee.max_rows_per_unit, "row")
    declared = guarantee.declared_units or guarantee.units
    fitted = f", of whom about {guarantee.units} have a part in the fit" if declared != guarantee.units else ""
    return (
        f"Adjacent datasets: {guarantee.adjacency}, which is {unit}, of which at most {rows} can matter. "
        f"The number of units is declared and approximate: {declared}{fitted}."
    )


def _whole(everyone: Sequence[Reserve], budget: Budget) -> str:
    tables = _count(len({entry.model for entry in everyone}), "table")
    return (
        f"The population {everyone[-1].population} has spent epsilon {_epsilon(everyone, budget.delta):g} over {tables}, "
        f"of a cap of {budget.epsilon:g} at delta {budget.delta:g} set by {budget.approver}."
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _epsilon(reserves: Sequence[Reserve], delta: float) -> float:
    return accounting.epsilon([event for entry in reserves for event in entry.events], delta)


def _mechanisms(entry: Reserve) -> Iterator[str]:
    version = f"synth {entry.synth_version}" if entry.synth_version else "synth"
    yield f"- Reservation {entry.id} of {entry.time}, {version}:"
    yield from (f"  - {_mechanism(event)}" for event in entry.events)


def _mechanism(event: Event) -> str:
    if isinstance(event, Gaussian):
        return (
            f"{event.name}: {_count(event.count, 'release')} of the Gaussian mechanism, "
            f"noise multiplier {event.noise_multiplier:g} (noise stddev / L2 sensitivity)"
        )
    if isinstance(event, Selection):
        return f"{event.name}: {_count(event.count, 'choice')} by the exponential mechanism, epsilon {event.epsilon:g} each"
    if isinstance(event, PartitionSelection):
        return (
            f"{event.name}: {_count(event.count, 'list')} of values by partition selection, noise multiplier "
            f"{event.noise_multiplier:g} (noise stddev / L2 sensitivity), at most {event.values_per_unit} values a unit, and "
            f"delta {event.delta:g} each for values of one unit alone"
        )
    return (
        f"{event.name}: {event.steps} steps of the Gaussian mechanism on Poisson samples, sample rate {event.sample_rate:g}, "
        f"noise multiplier {event.noise_multiplier:g} (noise stddev / clipping norm)"
    )
