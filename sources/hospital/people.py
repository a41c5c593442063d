"""The SIMULATED patients: who they are and why they first come.

Times are minutes since 1970; arrays have one entry per patient; categories are indices of the tuples in rates.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import rates

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Columns = dict[str, npt.NDArray[Any]]
Rng = np.random.RandomState

PATIENTS = 46_520  # as MIMIC-III v1.4
CAREVUE_PATIENTS = 28_000  # the older record system; subject_id up to 32,809 as in MIMIC-III
BIRTHS = 0.169  # of patients
DAY, YEAR = 1440, 525_960  # minutes
FAMILY = np.array([rates.FAMILIES.index(row[2]) for row in rates.ETHNICITIES])
EVERY_SERVICE = np.arange(len(rates.SERVICES))


@dataclass
class People:
    """Who they are, and what changes from stay to stay (-1 before the first)."""

    subject_id: Ints
    metavision: Ints  # 1 where the newer record system was in use
    male: Ints
    ethnicity: Ints
    language: Ints
    religion: Ints
    birth: Ints  # real, before the 300-year shift
    frailty: Floats  # standard normal
    first: Ints  # first admission
    arrival: Ints  # of the stay that comes
    service: Ints
    diagnosis: Ints
    insurance: Ints
    marital: Ints
    departure: Ints  # of the last stay
    left: Ints  # when the last stay ended
    dead: Flags


def pick(rng: Rng, weights: Sequence[Any] | npt.NDArray[Any], rows: int | None = None) -> Ints:
    """One index per row of ``weights`` [rows, choices], or ``rows`` of them from one list of weights."""
    table = np.atleast_2d(np.asarray(weights, float)).cumsum(axis=1)
    drawn = rng.random_sample(rows if rows is not None else len(table))
    return np.asarray((drawn[:, None] * table[:, -1:] >= table).sum(axis=1), np.int64)


def chance(rng: Rng, probability: float | Floats, rows: int) -> Flags:
    """True with that probability, for each row."""
    return np.asarray(rng.random_sample(rows) < probability)


def normal(rng: Rng, rows: int, mean: float | Floats = 0.0, stddev: float | Floats = 1.0) -> Floats:
    return np.asarray(mean + stddev * rng.standard_normal(rows))


def of(service: Ints, field: str) -> Floats:
    """A field of each service."""
    return np.array([getattr(row, field) for row in rates.SERVICES], float)[service]


def everybody(rng: Rng) -> People:
    """Who they are and why they first come."""
    n = PATIENTS
    born_here = chance(rng, BIRTHS, n)
    service = np.where(born_here, rates.BIRTH, pick(rng, of(EVERY_SERVICE, "share"), n))
    arrival, birth = first_arrivals(rng, service)
    ethnicity = ethnicities(rng, born_here, (arrival - birth) / YEAR)
    language = languages(rng, ethnicity, (arrival - birth) / YEAR)
    return People(
        subject_id=subject_ids(rng),
        metavision=(np.arange(n) >= CAREVUE_PATIENTS).astype(np.int64),
        male=chance(rng, of(service, "male"), n).astype(np.int64),
        ethnicity=ethnicity,
        language=language,
        religion=religions(rng, ethnicity, language, born_here, (arrival - birth) / YEAR),
        birth=birth,
        frailty=normal(rng, n),
        first=arrival,
        arrival=arrival.copy(),
        service=service,
        **{name: np.full(n, -1, np.int64) for name in ("diagnosis", "insurance", "marital", "departure", "left")},
        dead=np.zeros(n, bool),
    )


def subject_ids(rng: Rng) -> Ints:
    """Numbers from two ranges, as MIMIC-III's two record systems have them."""
    carevue = rng.permutation(np.arange(2, 32_810))[:CAREVUE_PATIENTS]
    metavision = rng.permutation(np.arange(40_124, 100_000))[: PATIENTS - CAREVUE_PATIENTS]
    return np.sort(np.concatenate([carevue, metavision]))


def first_arrivals(rng: Rng, service: Ints) -> tuple[Ints, Ints]:
    """When they first come, and when they were born."""
    n = len(service)
    start, end = (np.datetime64(day, "m").astype(np.int64) for day in ("2101-01-01", "2201-01-01"))
    arrival = (start + rng.random_sample(n) * (end - start)).astype(np.int64)
    age = normal(rng, n, of(service, "age"), of(service, "age_spread"))
    age = np.where((age < 16) | (age > 101), 18 + 72 * rng.random_sample(n), age)
    birth = np.where(service == rates.BIRTH, arrival - arrival % DAY, arrival - (age * YEAR).astype(np.int64))
    return arrival, birth


def ethnicities(rng: Rng, born_here: Flags, age: Floats) -> Ints:
    weights = np.tile(np.array([row[1] for row in rates.ETHNICITIES], float), (len(age), 1))
    weights[:, rates.FAMILIES.index("white") == FAMILY] *= np.where(born_here, 0.75, 0.6 + age / 100)[:, None]
    weights[:, rates.FAMILIES.index("asian") == FAMILY] *= np.where(born_here, 2.2, 1.0)[:, None]
    return pick(rng, weights)


def languages(rng: Rng, ethnicity: Ints, age: Floats) -> Ints:
    """By ethnicity; the old more often keep the language they grew up with."""
    common = pick(rng, np.array(rates.FAMILY_LANGUAGE)[FAMILY[ethnicity]])
    own = np.array([rates.LANGUAGES.index(rates.OWN_LANGUAGE.get(row[0], "ENGL")) for row in rates.ETHNICITIES])
    keeps = chance(rng, 0.25 + 0.005 * age, len(age)) & (own[ethnicity] > 0)
    return np.where(keeps, own[ethnicity], common)


def religions(rng: Rng, ethnicity: Ints, language: Ints, born_here: Flags, age: Floats) -> Ints:
    weights = np.array(rates.FAMILY_RELIGION, float)[FAMILY[ethnicity]]
    russian = language == rates.LANGUAGES.index("RUSS")
    weights[:, rates.RELIGIONS.index("JEWISH")] *= np.where(russian, 12, 0.5 + age / 120)
    weights[:, rates.RELIGIONS.index("NOT SPECIFIED")] *= np.where(born_here, 2.5, 1.0)
    return pick(rng, weights)
