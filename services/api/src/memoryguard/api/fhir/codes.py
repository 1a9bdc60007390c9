# SPDX-License-Identifier: Apache-2.0
"""Which codes say what was measured: SNOMED CT as in DICOM (PS3.16), DICOM's own, UCUM, and ours.

A code of SNOMED CT or LOINC stands without the words those have for it: they are not in DICOM, and
the text beside says what is meant. What has no code there has one of ours (`OWN`); nothing is
invented in anybody else's system.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from memoryguard.tlog.fhir_codes import DCM, REASON

SCT: Final = "http://snomed.info/sct"
LOINC: Final = "http://loinc.org"
UCUM: Final = "http://unitsofmeasure.org"
OWN: Final = "urn:memoryguard:measure"
REASONS: Final = "urn:memoryguard:reason"
"""System of the reason codes that a result carries: docs/ERRORS.md and docs/MEASUREMENT.md."""
ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
INTERPRETATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"


class Coded(NamedTuple):
    """A code; ``display`` only where its system's own words are known."""

    system: str
    code: str
    display: str | None = None


class Site(NamedTuple):
    """A part of the body, and which side of it."""

    structure: Coded
    side: Coded | None


LEFT, RIGHT, BOTH = (Coded(SCT, code) for code in ("7771000", "24028007", "51440002"))
LATERALITY: Final = Coded(SCT, "272741003")
VOLUME: Final = Coded(SCT, "118565006")
LENGTH: Final = Coded(SCT, "410668003")
VOLUME_RATIO: Final = Coded(OWN, "volume-ratio")
"""DICOM has 113288 since; the DICOM codes that R4 was published with do not."""
AGE: Final = Coded(DCM, "121033", "Subject Age")
Z_SCORE: Final = Coded(DCM, "121416", "Z-Score of measurement")
CENTILE: Final = Coded(DCM, "121415", "Percentile Ranking of measurement")
MEDIAN: Final = Coded(SCT, "373099004")
REPORT: Final = Coded(LOINC, "18748-4")
MR: Final = Coded(DCM, "MR", "Magnetic Resonance")

STRUCTURES: Final[Mapping[str, str]] = {
    "hippocampus": "5366008",
    "amygdala": "4958002",
    "thalamus": "119406000",
    "caudate": "11000004",
    "putamen": "89278009",
    "pallidum": "14738005",
    "accumbens": "427667007",
    "lateral_ventricle": "66720007",
    "inferior_lateral_ventricle": "53118009",
    "third_ventricle": "49841001",
    "fourth_ventricle": "35918002",
    "cortical_grey": "40146001",
    "cerebral_white": "68523003",
    "cerebellum": "113305005",
    "brain_stem": "119238007",
    "grey_matter": "389081007",
    "white_matter": "389080008",
    "total_brain": "12738006",
    "extraventricular_csf": "65216001",
    "intracranial": "1101003",
    "cortex": "40146001",
}
"""SNOMED CT's codes of what is measured, by its name without the side."""

_TOTALS: Mapping[str, str] = {
    "hippocampus_total": "hippocampus",
    "lateral_ventricles": "lateral_ventricle",
    "cortical_grey_matter": "cortical_grey",
    "cerebral_white_matter": "cerebral_white",
    "cortex_mean": "cortex",
}
_SIDES: Mapping[str, Coded] = {"left": LEFT, "right": RIGHT}

PARTS: Final[Mapping[str, tuple[str, str]]] = {
    "hippocampus_to_brain": ("hippocampus_total", "total_brain"),
    "ventricles_to_brain": ("lateral_ventricles", "total_brain"),
    "grey_to_white": ("grey_matter", "white_matter"),
    "brain_to_intracranial": ("total_brain", "intracranial"),
}
"""Volumes that a ratio is made of."""

HIGH_LOW: Final[Mapping[str, Coded]] = {
    "high": Coded(INTERPRETATION, "H", "High"),
    "low": Coded(INTERPRETATION, "L", "Low"),
    "none": Coded(INTERPRETATION, "N", "Normal"),
    "uncertain": Coded(INTERPRETATION, "IND", "Indeterminate"),
}

RESEARCH: Final = Coded(REASON, "HRESCH", "healthcare research")
PSEUDONYM: Final = Coded(
    "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "PSEUDED", "pseudonymized"
)


def site_of(name: str) -> Site | None:
    """Where something is measured, None when there is no code for it."""
    total = _TOTALS.get(name)
    stem, _, last = name.rpartition("_")
    side = BOTH if total else _SIDES.get(last)
    code = STRUCTURES.get(total or (stem if side else name))
    return Site(Coded(SCT, code), side) if code else None
