"""Lives of the SIMULATED patients: how their hospital stays follow each other.

Times are minutes since 1970; arrays have one entry per stay of a round (everybody's first stay, the second of those
who have one, ...); categories are indices of the tuples in rates.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import rates
from people import (
    DAY,
    EVERY_SERVICE,
    FAMILY,
    PATIENTS,
    YEAR,
    Columns,
    Flags,
    Floats,
    Ints,
    People,
    Rng,
    chance,
    everybody,
    normal,
    of,
    pick,
)

WINDOW = 11 * YEAR  # from the first admission to the last


def places(names: Sequence[str]) -> list[int]:
    return [rates.DEPARTURES.index(name) for name in names]


def next_stays(rng: Rng, who: People, come: Ints, k: int) -> Columns:
    """The ``k``-th stays (from 0) of the patients ``come``; moves ``who`` on to the end of them."""
    illnesses(rng, who, come, k)
    age = np.maximum(who.arrival[come] - who.birth[come], 0) / YEAR
    kind = types(rng, who.service[come], k)
    whence = arrivals(rng, kind, who.departure[come])
    admit = hour_of_arrival(rng, who.arrival[come], kind)
    who.insurance[come] = insurances(rng, who, come, age)
    who.marital[come] = marital(rng, who, come, age)
    premature = (who.service[come] == rates.BIRTH) & (whence == rates.ARRIVALS.index("CLINIC REFERRAL/PREMATURE"))
    dies = deaths(rng, who, come, age, kind, premature)
    days = lengths(rng, who, come, age, kind, premature, dies)
    who.departure[come] = departures(rng, who.service[come], age, days, dies)
    who.left[come], who.dead[come] = hour_of_leaving(rng, admit, days, dies), dies
    if k == 0:
        who.first = admit
    stays = {"person": come, "admit": admit, "leave": who.left[come], "days": days, "dies": dies, "type": kind}
    stays |= {"whence": whence, "whither": who.departure[come], "ethnicity": recorded(rng, who.ethnicity[come], k)}
    return stays | {name: getattr(who, name)[come] for name in ("service", "diagnosis", "insurance", "marital")}


def illnesses(rng: Rng, who: People, come: Ints, k: int) -> None:
    """Chronic illness comes back as itself, the others with what the chronically ill have; then how it is written."""
    n, before = len(come), who.service[come]
    if k:
        other = pick(rng, of(EVERY_SERVICE, "share") * of(EVERY_SERVICE, "again"), n)
        same = chance(rng, of(before, "stays"), n)
        who.service[come] = np.where(same, before, other)
        who.diagnosis[come] = np.where(same & chance(rng, 0.5, n), who.diagnosis[come], -1)
    spellings = np.array([len(row.diagnoses) for row in rates.SERVICES])[who.service[come]]
    rank = np.arange(spellings.max())
    written = pick(rng, np.where(rank < spellings[:, None], 1.0 / (1 + rank), 0))
    who.diagnosis[come] = np.where(who.diagnosis[come] < 0, written, who.diagnosis[come])


def types(rng: Rng, service: Ints, k: int) -> Ints:
    emergency, urgent = of(service, "emergency"), of(service, "urgent")
    elective = (1 - emergency - urgent) * (0.75 if k else 1.0)
    table = np.stack([elective, emergency, np.zeros(len(service)), urgent], axis=1)
    table[service == rates.BIRTH] = (0, 1, 0, 0) if k else (0, 0, 1, 0)
    return pick(rng, table)


def arrivals(rng: Rng, kind: Ints, departure: Ints) -> Ints:
    weights = np.array(rates.TYPE_ARRIVAL, float)[kind]
    nursing = np.isin(departure, places(rates.NURSING)) & (kind != rates.TYPES.index("ELECTIVE"))
    weights[nursing, rates.ARRIVALS.index("TRANSFER FROM SKILLED NUR")] += rates.FROM_NURSING
    return pick(rng, weights)


def hour_of_arrival(rng: Rng, moment: Ints, kind: Ints) -> Ints:
    """Planned stays begin in the morning of a working day, births at any hour, the others mostly in the evening."""
    n, midnight = len(moment), moment - moment % DAY
    weekday = (midnight // DAY + 3) % 7  # 0 is Monday; 1970-01-01 was a Thursday
    planned = midnight + np.where(weekday > 4, 7 - weekday, 0) * DAY + 435 + 15 * pick(rng, (50, 20, 10, 8, 6, 6), n)
    evening = midnight + 17 * 60 + (400 * rng.random_sample(n)).astype(np.int64)
    sudden = np.where(chance(rng, 0.5, n), np.maximum(evening, moment), moment)
    return np.choose(kind, (planned, sudden, moment, sudden))


def insurances(rng: Rng, who: People, come: Ints, age: Floats) -> Ints:
    """By age, ethnicity and chronic illness; kept from stay to stay but for a few, and when Medicare begins at 65."""
    n, kept = len(come), who.insurance[come]
    weights = np.array(rates.AGE_INSURANCE, float)[np.searchsorted((1, 40, 65), age, side="right")]
    weights[:, rates.INSURANCES.index("Medicaid")] *= np.array(rates.FAMILY_MEDICAID)[FAMILY[who.ethnicity[come]]]
    chronic = (age > 18) & (of(who.service[come], "again") > 1.6)
    medicare = rates.INSURANCES.index("Medicare")
    weights[:, medicare] *= np.where(chronic, 1.8, 1.0)
    turned_65 = (age >= 65) & (kept != medicare) & chance(rng, 0.85, n)
    return np.where((kept < 0) | turned_65 | chance(rng, 0.10, n), pick(rng, weights), kept)


def marital(rng: Rng, who: People, come: Ints, age: Floats) -> Ints:
    band = np.searchsorted((16, 40, 65, 80), age, side="right")
    status = pick(rng, np.array(rates.AGE_MARITAL, float)[band, 1 - who.male[come]])
    kept = who.marital[come]
    return np.where((kept < 0) | chance(rng, 0.12, len(come)), status, kept)


def deaths(rng: Rng, who: People, come: Ints, age: Floats, kind: Ints, premature: Flags) -> Flags:
    unknown = rates.FAMILIES.index("unknown") == FAMILY[who.ethnicity[come]]
    log_odds = of(who.service[come], "death") + np.array((-0.9, 0, 0, 0.25))[kind] + 0.25 * who.frailty[come]
    log_odds += np.where(who.service[come] == rates.BIRTH, 1.6 * premature, 0.032 * (age - 65) + 0.55 * unknown)
    return chance(rng, 1 / (1 + np.exp(-log_odds)), len(come))


def lengths(rng: Rng, who: People, come: Ints, age: Floats, kind: Ints, premature: Flags, dies: Flags) -> Floats:
    """Days in hospital: log-normal, longer with prematurity, frailty and transfer; deaths come early or very late."""
    service = who.service[come]
    log_days = np.log(of(service, "days")) + 0.18 * who.frailty[come] + np.array((-0.05, 0, 0, 0.12))[kind]
    log_days += np.where(service == rates.BIRTH, 1.7 * premature, 0.003 * (age - 60)) - 0.15 * dies
    spread = of(service, "days_spread") + 0.45 * premature + 0.40 * dies
    return np.asarray(np.clip(np.exp(normal(rng, len(come), log_days, spread)), 0.15, 290))


def hour_of_leaving(rng: Rng, admit: Ints, days: Floats, dies: Flags) -> Ints:
    """Death at any hour; the living go in the early afternoon."""
    end = admit + (days * DAY).astype(np.int64)
    afternoon = end - end % DAY + normal(rng, len(end), 14 * 60, 110).astype(np.int64)
    afternoon = np.where(afternoon < admit + 180, afternoon + DAY, afternoon)
    return np.where(dies, end, afternoon)


def departures(rng: Rng, service: Ints, age: Floats, days: Floats, dies: Flags) -> Ints:
    log_weights = np.array(rates.DEPARTURE_BASE) + np.outer((age - 65) / 10, rates.DEPARTURE_AGE)
    weights = np.exp(log_weights + np.outer(np.log(days / 7), rates.DEPARTURE_DAYS))
    for place, diagnoses, times in rates.DEPARTURE_AFTER:
        treated = [i for i, row in enumerate(rates.SERVICES) if set(diagnoses) & set(row.diagnoses)]
        weights[:, rates.DEPARTURES.index(place)] *= np.where(np.isin(service, treated), times, 1.0)
    weights[service == rates.BIRTH] = rates.BIRTH_DEPARTURE
    return np.where(dies, rates.DEPARTURES.index("DEAD/EXPIRED"), pick(rng, weights))


def recorded(rng: Rng, ethnicity: Ints, k: int) -> Ints:
    """In 4% of later stays a clerk writes UNKNOWN/NOT SPECIFIED."""
    unknown = [row[0] for row in rates.ETHNICITIES].index("UNKNOWN/NOT SPECIFIED")
    return np.where(chance(rng, 0.04, len(ethnicity)) & (k > 0), unknown, ethnicity)


def who_returns(rng: Rng, who: People, come: Ints, k: int) -> Ints:
    """The patients of ``come`` who are admitted again, and when (into ``who.arrival``)."""
    n, left = len(come), who.left[come]
    advised = who.departure[come] != rates.DEPARTURES.index("LEFT AGAINST MEDICAL ADVI")
    nursing = np.isin(who.departure[come], places(rates.NURSING))
    odds = rates.AGAIN[k] * of(who.service[come], "again") * np.exp(0.3 * who.frailty[come])
    days = np.exp(normal(rng, n, np.log(np.where(advised, np.where(nursing, 60, 130), 25)), 1.5))
    days = np.where(who.service[come] == rates.BIRTH, 1 + days % 30, np.maximum(days, 0.75))
    arrival = left + (days * DAY).astype(np.int64)
    again = chance(rng, np.minimum(odds * np.where(advised, 1.0, 1.6), 0.85), n) & ~who.dead[come]
    again &= arrival < who.first[come] + WINDOW
    who.arrival[come[again]] = arrival[again]
    return come[again]


def hospital(rng: Rng) -> tuple[People, Columns]:
    """Everybody, and every stay by patient and time."""
    who, come, rounds = everybody(rng), np.arange(PATIENTS), []
    for k in range(len(rates.AGAIN) + 1):
        rounds.append(next_stays(rng, who, come, k))
        come = who_returns(rng, who, come, k) if k < len(rates.AGAIN) else come[:0]
    stays = {name: np.concatenate([round_[name] for round_ in rounds]) for name in rounds[0]}
    order = np.lexsort((stays["admit"], stays["person"]))
    return who, {name: values[order] for name, values in stays.items()}
