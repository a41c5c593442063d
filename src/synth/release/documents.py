"""The papers of a release that programs read: the guarantee, the receipt of the ledger, tests, an entry for a registry."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from synth.privacy.chain import GENESIS
from synth.privacy.export import COMPOSITION, HOW_TO_CHECK, MECHANISMS
from synth.release.contents import Contents, ReleasedTable
from synth.release.limits import NOT_PROTECTED
from synth.version import __version__


def guarantee(contents: Contents) -> dict[str, Any]:
    return {
        "schema_version": "synth/guarantee/v1",
        "terms": "NIST SP 800-226, Guidelines for Evaluating Differential Privacy Guarantees (doi 10.6028/NIST.SP.800-226)",
        "definition": "(epsilon, delta) differential privacy, central model",
        "release": [promise.plain() for promise in contents.promises],
        "tables": {table.name: [promise.plain() for promise in table.promises] for table in contents.tables},
        "populations_to_date": [summary.model_dump(mode="json") for summary in contents.populations],
        "mechanisms": MECHANISMS,
        "composition": COMPOSITION,
        "accountant": f"dp-accounting {version('dp-accounting')}, privacy loss distributions",
        "trusted_sql": sorted({str(trust) for fit in contents.fits for trust in fit.trusted}),
        "not_protected": list(NOT_PROTECTED),
        "synth_version": __version__,
    }


def receipt(contents: Contents) -> dict[str, Any]:
    """The entries of the released fits in their chain; of all others the hash alone."""
    paid = {(fit.name, fit.fit_fingerprint()) for fit in contents.fits}
    return {
        "schema_version": "synth/receipt/v1",
        "how_to_check": HOW_TO_CHECK.replace("belongs to another population", "is of no fit of this release"),
        "with_the_ledger": "Whoever keeps the ledger says: synth ledger verify --hash, and the head.",
        "entries": len(contents.chained),
        "head": contents.chained[-1].link.hash if contents.chained else GENESIS,
        "links": [
            {
                "sequence": sequence,
                "hash": link.hash,
                "body": link.body if (entry.model, entry.fingerprint) in paid else None,
            }
            for sequence, entry, link in contents.chained
        ],
    }


def tests(contents: Contents) -> dict[str, Any]:
    return {
        "schema_version": "synth/release-tests/v1",
        "source": "tests on synthetic rows",
        "tables": {table.name: [asdict(result) for result in table.tests] for table in contents.tables},
    }


def registry(contents: Contents) -> dict[str, Any]:
    """Shaped like a catalogue of DCAT 3 (W3C 2024), to be completed by a person: no licence is chosen here."""
    return {
        "schema_version": "synth/registry/v1",
        "@context": {"dcat": "http://www.w3.org/ns/dcat#", "dct": "http://purl.org/dc/terms/"},
        "@type": "dcat:Catalog",
        "dct:title": f"{contents.project}: synthetic tables",
        "dct:publisher": contents.project,
        "dct:issued": contents.created,
        "dct:license": None,
        "dcat:dataset": [
            {
                "@type": "dcat:Dataset",
                "dct:identifier": f"{contents.project}.{table.name}",
                "dct:title": f"{table.name} (SYNTHETIC)",
                "dct:description": table.model.told,
                "dct:provenance": "Synthetic rows, made with differential privacy: see guarantee.json and model_card.md",
                "dcat:distribution": [
                    {"@type": "dcat:Distribution", "dcat:downloadURL": file, "dcat:mediaType": kind}
                    for file, kind in zip(table.files, ("application/vnd.apache.parquet", "text/csv"), strict=True)
                ],
            }
            for table in contents.tables
        ],
    }


def labels(project: str, table: ReleasedTable) -> dict[str, str]:
    """What the Parquet file of a table says of itself, by key."""
    promises = table.promises
    return {
        "SYNTHETIC": "true: no row is a real person",
        "epsilon": "; ".join(f"{promise.epsilon:g}" for promise in promises),
        "delta": "; ".join(f"{promise.delta:g}" for promise in promises),
        "unit": "; ".join(promise.unit for promise in promises),
        "population": "; ".join(promise.population for promise in promises),
        "project": project,
        "synth_version": __version__,
    }
