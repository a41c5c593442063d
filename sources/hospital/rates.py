"""The rates behind the simulated hospital: what kinds of stays there are and how words are spelt.

SIMULATED. The spellings are those of MIMIC-III's public documentation. The rates are round numbers chosen to resemble
its published totals (Johnson et al. 2016, doi:10.1038/sdata.2016.35); the weights of ethnicities are totals printed in
MIT-LCP/mimic-code, rounded. No record of a person was used.
"""

from __future__ import annotations

from typing import NamedTuple

# fmt: off

UNITS = ("CCU", "CSRU", "MICU", "SICU", "TSICU", "NICU")


class Service(NamedTuple):
    """One kind of illness, and how its stays go."""

    share: float  # of first admissions, before scaling to 1
    age: float  # mean, years
    age_spread: float  # standard deviation, years
    male: float
    emergency: float
    urgent: float  # the rest is elective
    units: tuple[float, ...]  # weights of UNITS
    days: float  # median stay
    days_spread: float  # of the logarithm
    death: float  # log odds of dying in hospital at 65
    again: float  # multiplies the chance of coming back
    stays: float  # chance that the next stay is of this kind again
    diagnoses: tuple[str, ...]  # the most frequent first


SERVICES = (
    Service(8, 67, 16, 0.54, 0.98, 0.015, (2, 1, 80, 12, 5, 0), 8.0, 0.80, -1.35, 1.3, 0.40,
            ("SEPSIS", "UROSEPSIS", "SEPSIS;TELEMETRY", "BACTEREMIA", "CELLULITIS", "SEPSIS; UTI")),
    Service(7, 69, 17, 0.53, 0.98, 0.015, (5, 1, 82, 8, 4, 0), 7.2, 0.75, -1.60, 1.3, 0.45,
            ("PNEUMONIA", "PNEUMONIA;TELEMETRY", "ASPIRATION PNEUMONIA", "PNEUMONIA/HYPOXIA")),
    Service(5, 65, 15, 0.48, 0.97, 0.02, (5, 1, 85, 6, 3, 0), 6.2, 0.80, -1.60, 1.7, 0.60,
            ("SHORTNESS OF BREATH", "ASTHMA;CHRONIC OBST PULM DISEASE", "RESPIRATORY FAILURE", "COPD EXACERBATION",
             "RESPIRATORY DISTRESS")),
    Service(7, 73, 13, 0.54, 0.94, 0.03, (62, 5, 30, 2, 1, 0), 7.0, 0.75, -1.85, 1.9, 0.60,
            ("CONGESTIVE HEART FAILURE", "CHF", "PULMONARY EDEMA", "CONGESTIVE HEART FAILURE;TELEMETRY",
             "CARDIOMYOPATHY")),
    Service(12, 66, 13, 0.64, 0.90, 0.06, (72, 16, 9, 2, 1, 0), 4.2, 0.70, -2.35, 1.1, 0.45,
            ("CHEST PAIN", "ACUTE CORONARY SYNDROME", "INFERIOR MYOCARDIAL INFARCTION\\CATH", "UNSTABLE ANGINA",
             "ST ELEVATION MYOCARDIAL INFARCTION", "CHEST PAIN/ CATH", "MYOCARDIAL INFARCTION", "VF ARREST ")),
    Service(20, 67, 11, 0.68, 0.22, 0.10, (2, 95, 0.5, 2, 0.5, 0), 7.0, 0.45, -3.60, 0.5, 0.10,
            ("CORONARY ARTERY DISEASE\\CORONARY ARTERY BYPASS GRAFT /SDA",
             "AORTIC STENOSIS\\AORTIC VALVE REPLACEMENT /SDA", "CORONARY ARTERY DISEASE",
             "MITRAL REGURGITATION\\MITRAL VALVE REPLACEMENT /SDA",
             "AORTIC INSUFFICIENCY\\BENTAL PROCEDURE /SDA")),
    Service(7, 66, 16, 0.56, 0.98, 0.01, (3, 1, 82, 10, 4, 0), 5.0, 0.75, -2.25, 1.2, 0.50,
            ("GASTROINTESTINAL BLEED", "UPPER GI BLEED", "LOWER GI BLEED", "GI BLEED", "VARICEAL BLEED")),
    Service(3, 54, 11, 0.65, 0.88, 0.05, (1, 1, 70, 24, 4, 0), 9.0, 0.85, -0.95, 1.8, 0.65,
            ("LIVER FAILURE", "HEPATIC ENCEP", "END STAGE LIVER DISEASE", "ALCOHOLIC HEPATITIS",
             "S/P LIVER TRANSPLANT")),
    Service(7, 61, 17, 0.51, 0.80, 0.04, (1, 1, 38, 50, 10, 0), 8.5, 0.80, -2.20, 1.2, 0.45,
            ("PANCREATITIS", "ABDOMINAL PAIN", "SMALL BOWEL OBSTRUCTION", "CHOLANGITIS", "ACUTE CHOLECYSTITIS",
             "BOWEL PERFORATION")),
    Service(11, 65, 17, 0.50, 0.93, 0.04, (1, 0.5, 8, 68, 22, 0), 7.2, 0.85, -1.35, 0.6, 0.35,
            ("INTRACRANIAL HEMORRHAGE", "STROKE/TIA", "SUBARACHNOID HEMORRHAGE", "SUBDURAL HEMATOMA", "HEAD BLEED",
             "CEREBROVASCULAR ACCIDENT")),
    Service(4, 53, 19, 0.52, 0.96, 0.02, (1, 0.5, 66, 25, 8, 0), 4.8, 0.80, -2.40, 1.2, 0.45,
            ("SEIZURE", "ALTERED MENTAL STATUS", "SEIZURE;STATUS EPILEPTICUS", "MENINGITIS")),
    Service(10, 49, 23, 0.66, 0.98, 0.01, (0.5, 1, 4, 22, 72, 0), 6.0, 0.85, -1.85, 0.35, 0.15,
            ("S/P FALL", "S/P MOTOR VEHICLE ACCIDENT", "S/P MOTORCYCLE ACCIDENT", "SUBDURAL HEMATOMA/S/P FALL",
             "STATUS POST MOTOR VEHICLE ACCIDENT WITH INJURIES", "HIP FRACTURE", "S/P ASSAULT")),
    Service(3, 42, 15, 0.48, 0.99, 0.005, (2, 0.5, 92, 3, 2, 0), 2.6, 0.80, -3.60, 1.1, 0.50,
            ("OVERDOSE", "ALCOHOL WITHDRAWAL", "TYLENOL OVERDOSE")),
    Service(2, 48, 18, 0.50, 0.99, 0.005, (3, 0.5, 92, 3, 1, 0), 3.6, 0.70, -3.60, 1.8, 0.60,
            ("DIABETIC KETOACIDOSIS", "DKA", "HYPOGLYCEMIA")),
    Service(3, 64, 16, 0.55, 0.93, 0.02, (6, 2, 80, 9, 3, 0), 7.0, 0.80, -1.80, 1.9, 0.55,
            ("ACUTE RENAL FAILURE", "RENAL FAILURE", "HYPERKALEMIA", "UTI/PYELONEPHRITIS")),
    Service(7, 62, 13, 0.53, 0.42, 0.04, (1, 3, 28, 52, 16, 0), 7.5, 0.75, -2.00, 1.4, 0.65,
            ("BRAIN MASS", "LUNG CANCER/SDA", "BRAIN METASTASES", "ESOPHAGEAL CA/SDA", "PANCREATIC CANCER/SDA",
             "LUNG CANCER;SHORTNESS OF BREATH")),
    Service(5, 69, 12, 0.60, 0.45, 0.08, (6, 32, 6, 44, 12, 0), 6.8, 0.75, -2.20, 1.0, 0.40,
            ("ABDOMINAL AORTIC ANEURYSM/SDA", "CAROTID STENOSIS", "PERIPHERAL VASCULAR DISEASE", "AORTIC DISSECTION")),
    Service(6, 64, 18, 0.50, 0.97, 0.01, (9, 1, 78, 8, 4, 0), 4.6, 0.80, -2.15, 1.5, 0.35,
            ("FEVER", "HYPOTENSION", "SYNCOPE;TELEMETRY", "FAILURE TO THRIVE", "PULMONARY EMBOLISM", "BRADYCARDIA")),
    Service(0, 0, 0, 0.54, 0.0, 0.0, (0, 0, 0, 0, 0, 1), 3.0, 0.50, -5.60, 0.06, 1.00,
            ("NEWBORN", "PREMATURITY", "NEWBORN;TELEMETRY", "RESPIRATORY DISTRESS;NEWBORN")),
)
BIRTH = len(SERVICES) - 1

# (spelling, weight, family): the totals that mimic-code prints beside each spelling, rounded
ETHNICITIES = (
    ("WHITE", 4100, "white"), ("WHITE - RUSSIAN", 16, "white"), ("WHITE - OTHER EUROPEAN", 8, "white"),
    ("WHITE - BRAZILIAN", 6, "white"), ("WHITE - EASTERN EUROPEAN", 3, "white"), ("PORTUGUESE", 6, "white"),
    ("BLACK/AFRICAN AMERICAN", 540, "black"), ("BLACK/CAPE VERDEAN", 20, "black"), ("BLACK/HAITIAN", 10, "black"),
    ("BLACK/AFRICAN", 4, "black"), ("CARIBBEAN ISLAND", 1, "black"),
    ("HISPANIC OR LATINO", 170, "hispanic"), ("HISPANIC/LATINO - PUERTO RICAN", 23, "hispanic"),
    ("HISPANIC/LATINO - DOMINICAN", 8, "hispanic"), ("HISPANIC/LATINO - GUATEMALAN", 4, "hispanic"),
    ("HISPANIC/LATINO - CUBAN", 2, "hispanic"), ("HISPANIC/LATINO - SALVADORAN", 2, "hispanic"),
    ("ASIAN", 150, "asian"), ("ASIAN - CHINESE", 28, "asian"), ("ASIAN - ASIAN INDIAN", 8, "asian"),
    ("ASIAN - VIETNAMESE", 5, "asian"), ("ASIAN - FILIPINO", 2, "asian"), ("ASIAN - CAMBODIAN", 2, "asian"),
    ("ASIAN - KOREAN", 1, "asian"), ("OTHER", 150, "other"), ("MULTI RACE ETHNICITY", 13, "other"),
    ("MIDDLE EASTERN", 4, "other"), ("AMERICAN INDIAN/ALASKA NATIVE", 5, "other"),
    ("UNKNOWN/NOT SPECIFIED", 450, "unknown"), ("UNABLE TO OBTAIN", 80, "unknown"),
    ("PATIENT DECLINED TO ANSWER", 56, "unknown"),
)
FAMILIES = ("white", "black", "hispanic", "asian", "other", "unknown")

LANGUAGES = ("ENGL", "SPAN", "RUSS", "PTUN", "PORT", "CANT", "MAND", "CAPE", "HAIT", "VIET", "ITAL", "GREE", "CAMB",
             "ARAB", "KORE", "HIND")
FAMILY_LANGUAGE = (  # a row of weights of LANGUAGES for each of FAMILIES
    (945, 2, 14, 8, 5, 0, 0, 0, 0, 0, 9, 7, 0, 1, 0, 0),
    (945, 5, 0, 3, 2, 0, 0, 22, 22, 0, 0, 0, 0, 1, 0, 0),
    (480, 495, 0, 15, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    (520, 0, 0, 0, 0, 190, 100, 0, 0, 60, 0, 0, 35, 0, 25, 70),
    (760, 45, 15, 40, 30, 10, 5, 10, 10, 5, 5, 5, 0, 50, 0, 10),
    (940, 15, 10, 8, 5, 6, 3, 2, 2, 2, 3, 2, 0, 2, 0, 0),
)
OWN_LANGUAGE = {"WHITE - RUSSIAN": "RUSS", "PORTUGUESE": "PORT", "BLACK/CAPE VERDEAN": "CAPE", "BLACK/HAITIAN": "HAIT",
                "ASIAN - CHINESE": "CANT", "ASIAN - VIETNAMESE": "VIET", "ASIAN - CAMBODIAN": "CAMB",
                "ASIAN - KOREAN": "KORE", "ASIAN - ASIAN INDIAN": "HIND"}

RELIGIONS = ("CATHOLIC", "NOT SPECIFIED", "UNOBTAINABLE", "PROTESTANT QUAKER", "JEWISH", "OTHER", "EPISCOPALIAN",
             "GREEK ORTHODOX", "CHRISTIAN SCIENTIST", "BUDDHIST", "MUSLIM", "JEHOVAH'S WITNESS", "HINDU",
             "UNITARIAN-UNIVERSALIST", "7TH DAY ADVENTIST", "")
FAMILY_RELIGION = (
    (380, 175, 130, 125, 115, 30, 17, 9, 8, 1, 1, 1, 0, 3, 1, 8),
    (190, 230, 160, 280, 3, 75, 10, 1, 8, 0, 12, 12, 0, 1, 10, 8),
    (560, 170, 110, 50, 3, 70, 1, 0, 3, 0, 1, 8, 0, 1, 3, 8),
    (150, 300, 150, 80, 2, 130, 2, 0, 3, 100, 20, 1, 50, 1, 1, 8),
    (240, 220, 150, 70, 30, 130, 5, 10, 8, 6, 80, 2, 8, 2, 3, 8),
    (230, 330, 250, 50, 60, 30, 5, 4, 5, 3, 3, 1, 1, 1, 1, 26),
)

INSURANCES = ("Government", "Medicaid", "Medicare", "Private", "Self Pay")
FAMILY_MEDICAID = (0.85, 2.2, 2.4, 1.5, 1.2, 0.8)  # multiplies the weight of Medicaid, by FAMILIES
AGE_INSURANCE = (  # at birth, under 40, 40 to 64, from 65 on
    (30, 260, 3, 690, 17),
    (60, 200, 60, 620, 60),
    (45, 125, 170, 640, 20),
    (8, 10, 890, 90, 2),
)

MARITAL = ("MARRIED", "SINGLE", "WIDOWED", "DIVORCED", "SEPARATED", "UNKNOWN (DEFAULT)", "LIFE PARTNER", "")
AGE_MARITAL = (  # as above, then 65 to 79 and from 80 on, for men and for women
    ((0, 6, 0, 0, 0, 0, 0, 994), (0, 6, 0, 0, 0, 0, 0, 994)),
    ((230, 660, 1, 30, 8, 20, 1, 50), (300, 570, 5, 45, 15, 18, 1, 46)),
    ((580, 270, 12, 90, 12, 8, 1, 27), (500, 260, 60, 130, 22, 8, 1, 19)),
    ((680, 145, 70, 70, 8, 5, 0, 22), (440, 160, 280, 90, 8, 4, 0, 18)),
    ((600, 100, 240, 30, 4, 4, 0, 22), (200, 130, 610, 34, 3, 4, 0, 19)),
)

TYPES = ("ELECTIVE", "EMERGENCY", "NEWBORN", "URGENT")
ARRIVALS = ("EMERGENCY ROOM ADMIT", "PHYS REFERRAL/NORMAL DELI", "CLINIC REFERRAL/PREMATURE",
            "TRANSFER FROM HOSP/EXTRAM", "TRANSFER FROM SKILLED NUR", "** INFO NOT AVAILABLE **", "HMO REFERRAL/SICK",
            "TRANSFER FROM OTHER HEALT", "TRSF WITHIN THIS FACILITY")
TYPE_ARRIVAL = (
    (0, 975, 15, 6, 0, 0, 3, 1, 0),
    (545, 75, 215, 160, 3, 0, 0, 1, 1),
    (0, 560, 405, 5, 0, 26, 4, 0, 0),
    (5, 160, 90, 715, 15, 0, 0, 14, 1),
)
FROM_NURSING = 45  # weight of TRANSFER FROM SKILLED NUR after a discharge to a nursing home

DEPARTURES = ("HOME", "HOME HEALTH CARE", "SNF", "REHAB/DISTINCT PART HOSP", "LONG TERM CARE HOSPITAL",
              "SHORT TERM HOSPITAL", "DISC-TRAN CANCER/CHLDRN H", "LEFT AGAINST MEDICAL ADVI",
              "DISCH-TRAN TO PSYCH HOSP", "HOSPICE-HOME", "HOSPICE-MEDICAL FACILITY", "HOME WITH HOME IV PROVIDR",
              "OTHER FACILITY", "ICF", "DISC-TRAN TO FEDERAL HC", "DEAD/EXPIRED")
NURSING = ("SNF", "LONG TERM CARE HOSPITAL", "ICF")
# log weight of each departure but death at 65 after 7 days; what a decade of age adds; what e-fold longer stay adds
DEPARTURE_BASE = (1.10, 1.15, 0.60, 0.45, -0.9, -1.9, -4.0, -2.2, -3.0, -2.3, -3.2, -3.4, -3.9, -4.0, -4.2)
DEPARTURE_AGE = (-0.30, 0.00, 0.55, 0.30, 0.20, 0.0, 0.0, -0.45, -0.40, 0.35, 0.35, -0.1, 0.0, 0.3, -0.2)
DEPARTURE_DAYS = (-0.70, 0.00, 0.35, 0.55, 1.30, -0.2, 0.0, -1.00, -0.20, 0.10, 0.10, 0.4, 0.2, 0.1, 0.0)
DEPARTURE_AFTER = (  # these diagnoses multiply the weight of that departure
    ("REHAB/DISTINCT PART HOSP", ("S/P FALL", "STROKE/TIA"), 2.6),
    ("DISCH-TRAN TO PSYCH HOSP", ("OVERDOSE",), 25.0),
)
BIRTH_DEPARTURE = (790, 95, 0, 0, 0, 95, 18, 0, 0, 0, 0, 0, 2, 0, 0)

AGAIN = (0.187, 0.290, 0.36, 0.42, 0.47, 0.51, 0.53, 0.55, 0.57, 0.58, 0.58, 0.58, 0.58, 0.58)  # after each admission

SYSTEMS = ("carevue", "metavision", "both")
# ward numbers of each unit and their weights, under the two record systems (carevue, metavision)
WARDS = (7, 12, 14, 15, 23, 33, 46, 50, 52, 56, 57)
UNIT_WARD = {
    "CCU": ((75, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25), (95, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5)),
    "CSRU": ((0, 45, 30, 25, 0, 0, 0, 0, 0, 0, 0), (0, 50, 0, 50, 0, 0, 0, 0, 0, 0, 0)),
    "MICU": ((0, 15, 0, 20, 25, 0, 0, 5, 35, 0, 0), (0, 0, 0, 0, 25, 0, 0, 35, 40, 0, 0)),
    "SICU": ((0, 0, 5, 0, 10, 55, 0, 0, 0, 0, 30), (0, 0, 0, 0, 0, 25, 0, 0, 0, 0, 75)),
    "TSICU": ((0, 0, 60, 0, 25, 15, 0, 0, 0, 0, 0), (0, 0, 90, 0, 0, 10, 0, 0, 0, 0, 0)),
    "NICU": ((0, 0, 0, 0, 0, 0, 25, 0, 0, 75, 0), (0, 0, 0, 0, 0, 0, 10, 0, 0, 90, 0)),
}
