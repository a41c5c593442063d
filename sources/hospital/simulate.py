"""A SIMULATED hospital in the schema of MIMIC-III. No row is about a real person, no record of one was used.

Writes the CSV files beside this file: ``python sources/hospital/simulate.py``. rates.py has the rates, people.py the
patients, lives.py their hospital stays, outputs.py what is measured; intensive care and the files are here.
The stream of ``RandomState`` is frozen (NEP 19) and the gzip files carry no time: every run writes the same bytes.
"""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rates
from lives import hospital
from outputs import ITEMS, ML, items_table, output_events
from people import DAY, PATIENTS, YEAR, Columns, Flags, Floats, Ints, People, Rng, chance, normal, of, pick

Texts = npt.NDArray[np.str_]
SECONDS = 86_400  # a day
NURSERY = rates.UNITS.index("NICU")


def icu_stays(rng: Rng, who: People, stays: Columns) -> Columns:
    """0 to 3 stays in intensive care within each hospital stay, by patient and time; times in seconds since 1970."""
    count = icu_counts(rng, stays)
    unit = pick(rng, np.array([row.units for row in rates.SERVICES], float)[stays["service"]])
    free, end, rounds = stays["admit"] * 60, stays["leave"] * 60, []
    for k in range(3):
        rows = np.flatnonzero(count > k)
        start = free[rows] + icu_wait(rng, stays, rows, k, end[rows] - free[rows])
        out = start + icu_seconds(rng, stays, rows, end[rows] - start, count[rows] == k + 1)
        moved = chance(rng, 0.08, len(rows)) & (unit[rows] != NURSERY)
        last = np.where(moved, pick(rng, (20, 5, 35, 25, 15), len(rows)), unit[rows])
        rounds.append({"stay": rows, "in": start, "out": out, "first": unit[rows], "last": last})
        free[rows], unit[rows] = out, last
    found = {name: np.concatenate([round_[name] for round_ in rounds]) for name in rounds[0]}
    order = np.lexsort((found["in"], found["stay"]))
    found = {name: values[order] for name, values in found.items()}
    return found | wards(rng, who.metavision[stays["person"][found["stay"]]], found)


def icu_counts(rng: Rng, stays: Columns) -> Ints:
    """How often intensive care was needed: mostly once, more often in long stays."""
    birth = stays["service"] == rates.BIRTH
    none = np.where(birth, 0.012, 0.021)
    twice = np.where(birth, 0.001, 0.043 * np.exp(0.8 * np.clip(np.log(stays["days"] / 7), -1, 2)))
    return pick(rng, np.stack([none, 1 - none - 1.15 * twice, twice, 0.15 * twice], axis=1))


def icu_wait(rng: Rng, stays: Columns, rows: Ints, k: int, room: Ints) -> Ints:
    """Seconds to the door of the unit: at once for most emergencies, after an operation, or after days on a ward."""
    n, kind = len(rows), stays["type"][rows]
    at_once = 20 + 100 * rng.random_sample(n)
    operated = 3600 * np.exp(normal(rng, n, 1.9, 0.3))
    later = SECONDS * np.exp(normal(rng, n, -0.1, 1.0))
    direct = chance(rng, 0.62, n) | (kind == rates.TYPES.index("NEWBORN"))
    first = np.where(kind == rates.TYPES.index("ELECTIVE"), operated, np.where(direct, at_once, later))
    return np.asarray(np.minimum(later if k else first, 0.6 * room), np.int64)


def icu_seconds(rng: Rng, stays: Columns, rows: Ints, room: Ints, final: Flags) -> Ints:
    """Seconds in the unit: grow with the stay; a death ends the last one, and its paperwork a few hours later."""
    n = len(rows)
    days = 0.66 * stays["days"][rows] ** 0.6 * np.exp(normal(rng, n, 0.0, 0.6))
    most = room / SECONDS * (0.75 + 0.25 * rng.random_sample(n))
    seconds = SECONDS * np.where(stays["service"][rows] == rates.BIRTH, most, np.minimum(days, room / SECONDS))
    ends_here = stays["dies"][rows] & final & chance(rng, 0.8, n)
    paperwork = 4 * 3600 * rng.random_sample(n)
    return np.maximum(np.where(ends_here, room + paperwork, seconds), 600).astype(np.int64)


def wards(rng: Rng, metavision: Ints, found: Columns) -> Columns:
    table = np.array([rates.UNIT_WARD[unit] for unit in rates.UNITS], float)
    first, last = (pick(rng, table[found[name], metavision]) for name in ("first", "last"))
    stayed = (found["first"] == found["last"]) & chance(rng, 0.95, len(first))
    system = np.where(chance(rng, 0.002, len(first)), rates.SYSTEMS.index("both"), metavision)
    return {"first_ward": first, "last_ward": np.where(stayed, first, last), "system": system}


def death_times(rng: Rng, stays: Columns) -> Ints:
    """Minute of death where the stay ended so. As in MIMIC-III a few of the dead were discharged before they were
    admitted (organ donors; changes ``stays``), and a few died hours before or a day after the recorded discharge."""
    n = len(stays["leave"])
    donor = stays["dies"] & (stays["days"] < 4) & (stays["service"] != rates.BIRTH) & chance(rng, 0.025, n)
    back = (30 + 600 * rng.random_sample(n)).astype(np.int64)
    stays["leave"] = np.where(donor, stays["admit"] - back, stays["leave"])
    shift = np.where(chance(rng, 0.7, n), -(120 * rng.random_sample(n)).astype(np.int64), DAY)
    return np.asarray(stays["leave"] + np.where(chance(rng, 0.02, n) & ~donor, shift, 0))


def later_deaths(rng: Rng, who: People) -> Ints:
    """Minute of death after the last stay or -1. The registry looks on for 4 years, or 90 days (metavision)."""
    birth = who.service == rates.BIRTH
    log_odds = -0.30 + 0.05 * ((who.left - who.birth) / YEAR - 65) + 0.4 * (of(who.service, "again") - 1.2)
    log_odds += 0.3 * who.frailty - 3.0 * birth - 1.3 * who.metavision
    dies = chance(rng, 1 / (1 + np.exp(-log_odds)), PATIENTS) & ~who.dead
    days = 1 + np.where(who.metavision, 90, 4 * 365) * rng.random_sample(PATIENTS) ** 2
    return np.where(dies, who.left + (days * DAY).astype(np.int64), -1)


def moments(times: Ints, known: Flags | None = None, unit: str = "m") -> Texts:
    """``YYYY-MM-DD HH:MM:SS``, empty where not known."""
    text = np.char.replace(np.datetime_as_string(times.astype(f"datetime64[{unit}]"), unit="s"), "T", " ")
    return text if known is None else np.where(known, text, "")


def birthdays(who: People) -> Ints:
    """Minutes of the date of birth; 300 years before the first admission for whoever was seen above the age of 89."""
    first = who.first.astype("datetime64[m]")
    month = first.astype("datetime64[M]")
    hidden = (month - 3600).astype("datetime64[D]") + (first.astype("datetime64[D]") - month.astype("datetime64[D]"))
    return np.where(
        who.left - who.birth > 89 * YEAR,
        hidden.astype("datetime64[m]").astype(np.int64),
        who.birth - who.birth % DAY,
    )


def patients_table(rng: Rng, who: People, stays: Columns, death: Ints) -> Columns:
    died = later_deaths(rng, who)
    died[stays["person"][stays["dies"]]] = death[stays["dies"]]
    date = died - died % DAY
    by_hospital = who.dead | ((died >= 0) & chance(rng, 0.3, PATIENTS))
    by_registry = (died >= 0) & (~by_hospital | chance(rng, 0.67, PATIENTS))
    late = by_hospital & chance(rng, 0.02, PATIENTS)  # where they disagree, the hospital's date counts
    return {
        "row_id": np.arange(1, PATIENTS + 1),
        "subject_id": who.subject_id,
        "gender": np.where(who.male, "M", "F"),
        "dob": moments(birthdays(who)),
        "dod": moments(date, died >= 0),
        "dod_hosp": moments(date, by_hospital),
        "dod_ssn": moments(date + DAY * late, by_registry),
        "expire_flag": (died >= 0).astype(int),
    }


def admissions_table(rng: Rng, who: People, stays: Columns, hadm_id: Ints, death: Ints) -> Columns:
    person, n = stays["person"], len(hadm_id)
    silent = chance(rng, np.where(who.metavision[person], 0.03, 0.72), n)  # the older system seldom asked
    diagnoses = [rates.SERVICES[i].diagnoses[j] for i, j in zip(stays["service"], stays["diagnosis"], strict=True)]
    registered, out, through = emergency_room(rng, stays)
    return {
        "row_id": np.arange(1, n + 1),
        "subject_id": who.subject_id[person],
        "hadm_id": hadm_id,
        "admittime": moments(stays["admit"]),
        "dischtime": moments(stays["leave"]),
        "deathtime": moments(death, stays["dies"]),
        "admission_type": np.array(rates.TYPES)[stays["type"]],
        "admission_location": np.array(rates.ARRIVALS)[stays["whence"]],
        "discharge_location": np.array(rates.DEPARTURES)[stays["whither"]],
        "insurance": np.array(rates.INSURANCES)[stays["insurance"]],
        "language": np.where(silent, "", np.array(rates.LANGUAGES)[who.language[person]]),
        "religion": np.array(rates.RELIGIONS)[who.religion[person]],
        "marital_status": np.array(rates.MARITAL)[stays["marital"]],
        "ethnicity": np.array([row[0] for row in rates.ETHNICITIES])[stays["ethnicity"]],
        "edregtime": moments(registered, through),
        "edouttime": moments(out, through),
        "diagnosis": np.array(diagnoses),
        "hospital_expire_flag": stays["dies"].astype(int),
        "has_chartevents_data": chance(rng, 0.985, n).astype(int),
    }


def emergency_room(rng: Rng, stays: Columns) -> tuple[Ints, Ints, Flags]:
    """Registered there, out again (minutes), and who came that way at all."""
    n, admit = len(stays["admit"]), stays["admit"]
    referred = stays["whence"] == rates.ARRIVALS.index("CLINIC REFERRAL/PREMATURE")
    by_door = np.where(stays["whence"] == rates.ARRIVALS.index("EMERGENCY ROOM ADMIT"), 0.97, 0.62 * referred)
    through = (stays["type"] == rates.TYPES.index("EMERGENCY")) & chance(rng, by_door, n)
    registered = admit - (60 * np.exp(normal(rng, n, 1.55, 0.55))).astype(np.int64)
    out = admit + (90 * np.exp(normal(rng, n, 0.0, 0.5)) - 20).astype(np.int64)
    return registered, np.maximum(out, registered + 15), through


def icustays_table(rng: Rng, who: People, stays: Columns, hadm_id: Ints, icu: Columns) -> Columns:
    n, of_stay = len(icu["stay"]), icu["stay"]
    ended = np.isin(np.arange(n), rng.permutation(n)[:10], invert=True)  # ten stays of MIMIC-III have no end
    days: Floats = (icu["out"] - icu["in"]) / SECONDS
    units, numbers = np.array(rates.UNITS), np.array(rates.WARDS)
    return {
        "row_id": np.arange(1, n + 1),
        "subject_id": who.subject_id[stays["person"][of_stay]],
        "hadm_id": hadm_id[of_stay],
        "icustay_id": 200_000 + rng.permutation(100_000)[:n],
        "dbsource": np.array(rates.SYSTEMS)[icu["system"]],
        "first_careunit": units[icu["first"]],
        "last_careunit": units[icu["last"]],
        "first_wardid": numbers[icu["first_ward"]],
        "last_wardid": numbers[icu["last_ward"]],
        "intime": moments(icu["in"], unit="s"),
        "outtime": moments(icu["out"], ended, "s"),
        "los": np.where(ended, np.array([f"{d:.4f}".rstrip("0").rstrip(".") for d in days]), ""),
    }


def outputevents_table(rng: Rng, icustays: Columns, icu: Columns) -> Columns:
    found = output_events(rng, icu)
    n, stay, newer = len(found["icu"]), found["icu"], (icu["system"][found["icu"]] > 0).astype(int)
    known = chance(rng, 0.985, n)
    return {
        "row_id": np.arange(1, n + 1),
        "subject_id": icustays["subject_id"][stay],
        "hadm_id": icustays["hadm_id"][stay],
        "icustay_id": icustays["icustay_id"][stay],
        "charttime": moments(found["time"], unit="s"),
        "itemid": np.array([item.ids for item in ITEMS])[found["item"], newer],
        "value": np.where(known, found["ml"].astype(str), ""),
        "valueuom": np.where(known, np.array(ML)[newer], ""),
        **dict.fromkeys(("storetime", "cgid", "stopped", "newbottle", "iserror"), np.full(n, "")),
    }


def write(path: Path, table: Columns) -> None:
    """A CSV as MIMIC-III's, with a lower-case header, in a gzip file without name and time."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(table)
    rows.writerows(zip(*(column.tolist() for column in table.values()), strict=True))
    with path.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(text.getvalue().encode())


def main() -> None:
    rng, folder = np.random.RandomState(20_160_524), Path(__file__).parent
    who, stays = hospital(rng)
    icu = icu_stays(rng, who, stays)
    death = death_times(rng, stays)
    hadm_id = 100_000 + rng.permutation(100_000)[: len(death)]
    write(folder / "patients.csv.gz", patients_table(rng, who, stays, death))
    write(folder / "admissions.csv.gz", admissions_table(rng, who, stays, hadm_id, death))
    icustays = icustays_table(rng, who, stays, hadm_id, icu)
    write(folder / "icustays.csv.gz", icustays)
    write(folder / "outputevents.csv.gz", outputevents_table(rng, icustays, icu))
    write(folder / "d_items.csv.gz", items_table())


if __name__ == "__main__":
    main()
