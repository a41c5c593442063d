"""What is measured of the SIMULATED patients in intensive care: the fluids of a day, one line per stay and kind."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import rates
from people import Columns, Flags, Ints, Rng, chance, normal, pick

HOUR, SECONDS = 3_600, 86_400


class Item(NamedTuple):
    """One kind of fluid, under its number and name in each of the two record systems (0 older, 1 newer)."""

    ids: tuple[int, int]
    labels: tuple[str, str]
    category: str  # in the newer
    ml: float  # median of a day
    spread: float  # of the logarithm


# Numbers, names and categories are those of MIMIC-III's dictionary (D_ITEMS); amounts are made up in round numbers.
URINE = (
    Item((40055, 226559), ("Urine Out Foley", "Foley"), "Output", 1600, 0.55),
    Item((40069, 226560), ("Urine Out Void", "Void"), "Output", 900, 0.60),
    Item((40094, 226561), ("Urine Out Condom Cath", "Condom Cath"), "Output", 1100, 0.60),
)
OTHERS = (
    Item((40049, 226588), ("Chest Tubes Right Pleural 1", "Chest Tube #1"), "Drains", 420, 0.60),
    Item((40054, 226579), ("Stool Out Stool", "Stool"), "Output", 250, 0.80),
    Item((40052, 226575), ("Gastric Nasogastric", "Nasogastric"), "Output", 180, 0.90),
)
ITEMS = URINE + OTHERS
ML = ("ml", "mL")  # as the two systems spell it


def output_events(rng: Rng, icu: Columns) -> Columns:
    """Rows by stay: ``icu`` (which stay), ``item`` (of ITEMS), ``time`` in seconds, ``ml``."""
    surgical, nursery = (icu["first"] == rates.UNITS.index(name) for name in ("CSRU", "NICU"))
    n = len(icu["in"])
    urine = np.where(nursery, 1, pick(rng, (75, 21, 4), n))
    found = [events(rng, icu, urine, chance(rng, 0.94, n), nursery)]
    for item, share in enumerate(np.array([np.where(surgical, 0.85, 0.04), np.full(n, 0.13), np.full(n, 0.11)])):
        item_of_all = np.full(n, len(URINE) + item)
        found.append(events(rng, icu, item_of_all, chance(rng, share, n) & ~nursery, nursery))
    joined = {name: np.concatenate([each[name] for each in found]) for name in found[0]}
    order = np.lexsort((joined["item"], joined["icu"]))
    return {name: values[order] for name, values in joined.items()}


def events(rng: Rng, icu: Columns, item: Ints, measured: Flags, nursery: Flags) -> Columns:
    """At the end of the first day, or of the stay if that is shorter; then there is less, too."""
    rows = np.flatnonzero(measured)
    seconds = np.minimum(icu["out"][rows] - icu["in"][rows], SECONDS)
    median, spread = (np.array([getattr(each, name) for each in ITEMS])[item[rows]] for name in ("ml", "spread"))
    amount = np.exp(normal(rng, len(rows), 0.0, 1.0) * spread) * median * seconds / SECONDS
    amount *= np.where(nursery[rows], 0.15, 1.0)
    time = icu["in"][rows] + seconds
    return {
        "icu": rows,
        "item": item[rows],
        "time": time - time % HOUR,
        "ml": 5 * np.round(amount / 5).astype(np.int64),
    }


def items_table() -> Columns:
    lines = [(item, system) for system in (0, 1) for item in ITEMS]
    return {
        "row_id": np.arange(1, len(lines) + 1),
        "itemid": np.array([item.ids[system] for item, system in lines]),
        "label": np.array([item.labels[system] for item, system in lines]),
        "abbreviation": np.array(["" if system == 0 else item.labels[1] for item, system in lines]),
        "dbsource": np.array([rates.SYSTEMS[system] for _, system in lines]),
        "linksto": np.array(["outputevents"] * len(lines)),
        "category": np.array(["" if system == 0 else item.category for item, system in lines]),
        "unitname": np.array(["" if system == 0 else ML[1] for _, system in lines]),
        "param_type": np.array(["" if system == 0 else "Numeric" for _, system in lines]),
        "conceptid": np.array([""] * len(lines)),
    }
