# SPDX-License-Identifier: Apache-2.0
"""What a structure is in SNOMED CT and DICOM's own words (PS3.16, CID 7140 and 7150)."""

from __future__ import annotations

from typing import Final, NamedTuple


class Code(NamedTuple):
    """A coded word: value, scheme, and what it means."""

    value: str
    scheme: str
    meaning: str


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


def category_of(structure: str) -> Code:
    """Tell what kind of thing a structure is."""
    return SUBSTANCE if structure == "csf" else ANATOMY
