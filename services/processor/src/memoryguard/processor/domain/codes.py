# SPDX-License-Identifier: Apache-2.0
"""What a structure is in SNOMED CT and DICOM's own words (PS3.16, CID 7140 and 7150)."""

from __future__ import annotations

from typing import Final, NamedTuple

from memoryguard.processor.domain.labelling import split_side


class Code(NamedTuple):
    """A coded word: value, scheme, and what it means."""

    value: str
    scheme: str
    meaning: str


class Site(NamedTuple):
    """Where something was measured: its code, its side, and the structure that shows it alone."""

    code: Code
    side: Code | None = None
    structure: str | None = None


PRIVATE: Final = "99MEMGUARD"
"""Scheme of our own words, where the standard has none (docs/DICOM.md)."""
SOFT_VOLUME: Final = Code("SOFT_VOLUME", PRIVATE, "Sum of tissue probabilities, calibrated")
THICKNESS: Final = Code("THICKNESS", PRIVATE, "Mean thickness of the cortex")
CHANGE: Final = Code("VOLUME_CHANGE", PRIVATE, "Relative change of volume per year")
CHANGE_LOW: Final = Code("CHANGE_CI95_LOW", PRIVATE, "Lower end of the 95 % interval")
CHANGE_HIGH: Final = Code("CHANGE_CI95_HIGH", PRIVATE, "Upper end of the 95 % interval")
CHANGE_YEARS: Final = Code("CHANGE_YEARS", PRIVATE, "Years between the first and the last scan")
CHANGE_SCANS: Final = Code("CHANGE_SCANS", PRIVATE, "Scans that the change is computed from")
OURS: Final = (SOFT_VOLUME, THICKNESS, CHANGE, CHANGE_LOW, CHANGE_HIGH, CHANGE_YEARS, CHANGE_SCANS)

ANATOMY: Final = Code("91723000", "SCT", "Anatomical Structure")
SUBSTANCE: Final = Code("91720002", "SCT", "Body Substance")
BRAIN: Final = Code("12738006", "SCT", "Brain")
SIDES: Final = {
    "left": Code("7771000", "SCT", "Left"),
    "right": Code("24028007", "SCT", "Right"),
}
STRUCTURES: Final[dict[str, Code]] = {
    "white": Code("68523003", "SCT", "Cerebral white matter"),
    "cortex": Code("40146001", "SCT", "Cerebral cortex"),
    "lateral_ventricle": Code("66720007", "SCT", "Lateral ventricle"),
    "inferior_lateral_ventricle": Code("53118009", "SCT", "Inferior horn of lateral ventricle"),
    "third_ventricle": Code("49841001", "SCT", "Third ventricle"),
    "fourth_ventricle": Code("35918002", "SCT", "Fourth ventricle"),
    "cerebellar_white": Code("33060004", "SCT", "Cerebellar white matter"),
    "cerebellar_cortex": Code("25991003", "SCT", "Cerebellar cortex"),
    "thalamus": Code("119406000", "SCT", "Thalamus"),
    "caudate": Code("11000004", "SCT", "Caudate nucleus"),
    "putamen": Code("89278009", "SCT", "Putamen"),
    "pallidum": Code("14738005", "SCT", "Globus pallidus"),
    "hippocampus": Code("5366008", "SCT", "Hippocampus"),
    "amygdala": Code("4958002", "SCT", "Amygdala"),
    "accumbens": Code("427667007", "SCT", "Nucleus accumbens"),
    "ventral": Code("110700", "DCM", "Ventral Diencephalon"),
    "brainstem": Code("119238007", "SCT", "Brain stem"),
    "csf": Code("65216001", "SCT", "Cerebrospinal Fluid"),
}
"""By structure, named as in labels.py without its side."""


BILATERAL: Final = Code("51440002", "SCT", "Bilateral")
_WHOLES: Final[dict[str, Site]] = {
    "hippocampus_total": Site(STRUCTURES["hippocampus"], BILATERAL),
    "lateral_ventricles": Site(STRUCTURES["lateral_ventricle"], BILATERAL),
    "cortical_grey_matter": Site(STRUCTURES["cortex"], BILATERAL),
    "cerebral_white_matter": Site(STRUCTURES["white"], BILATERAL),
    "cerebellum": Site(Code("113305005", "SCT", "Cerebellum")),
    "grey_matter": Site(Code("389081007", "SCT", "Gray Matter")),
    "white_matter": Site(Code("389080008", "SCT", "White Matter")),
    "total_brain": Site(BRAIN),
    "intracranial": Site(Code("1101003", "SCT", "Cranial Cavity")),
    "cortex_mean": Site(STRUCTURES["cortex"], BILATERAL),
}
"""What is measured over several structures."""
_ONES: Final = {
    "cortical_grey": "cortex",
    "cerebral_white": "white",
    "brain_stem": "brainstem",
    "extraventricular_csf": "csf",
}
"""Names of volumes of one structure that is called otherwise in labels.py."""


def site_of(measured: str) -> Site | None:
    """Tell where something lies that is measured (`common.vocabulary`); None: nobody knows."""
    if measured in _WHOLES:
        return _WHOLES[measured]
    name, side = split_side(measured)
    structure = _ONES.get(name, name)
    if structure not in STRUCTURES:
        return None
    label = f"{structure}_{side}" if side else structure
    return Site(STRUCTURES[structure], SIDES[side] if side else None, label)


def category_of(structure: str) -> Code:
    """Tell what kind of thing a structure is."""
    return SUBSTANCE if structure == "csf" else ANATOMY
