"""What a draft says at its top: where it comes from, and what that means for who reads it."""

from __future__ import annotations

from synth.artifacts.compiled import Price
from synth.drafting.foreign import Foreign
from synth.drafting.shapes import CLEAR


def of_metadata(known: Foreign) -> str:
    return (
        f"From {known.file}, metadata of {known.tool}. What has no equivalent here stands beside its column. Where a tool read "
        "that file off private rows, this one tells of them, too: check it as you would a draft from rows."
    )


def of_private_rows(source: str) -> str:
    return (
        f"DRAFTED FROM PRIVATE ROWS of {source}: what is marked drafted: true was read off real people, and what is missing "
        "tells of them, too. Bounds are rounded outward, and values that fewer than five units share are left out; that protects "
        "nobody. Check that each is public knowledge, and remove the mark; synth run takes nothing that bears it."
    )


def of_paid_looks(source: str, population: str, price: Price, noise: float) -> str:
    """``noise``: of a count, in persons; 0 where nothing was asked."""
    told = f" What fewer than about {CLEAR * noise:,.0f} persons share cannot be told from noise." if noise else ""
    return (
        f"Drafted from {source} for epsilon {price.epsilon:g} at delta {price.delta:g} (population {population}): types, bounds "
        f"and categories passed noise, and stand in the ledger.{told} Bounds have a step of room on either side. Better ones may "
        "be known: write them."
    )
