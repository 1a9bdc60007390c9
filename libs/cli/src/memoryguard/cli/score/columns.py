# SPDX-License-Identifier: Apache-2.0
"""The columns of a table of people: names, units, meanings, and the limits of what is believable.

The limits are no norms. They lie far outside of every healthy person, and are there to notice a
volume in another unit (ml for mm³ is a factor of a thousand), a code for "missing" (-4, 999) and
slips of the pen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["text", "sex", "date", "number", "whole"]
Software = Literal["freesurfer", "synthseg", "memoryguard"]

ENGINES: Mapping[Software, str] = {
    "freesurfer": "freesurfer",
    "synthseg": "synthseg",
    "memoryguard": "headframe",
}
"""What the facts call the engine of each program."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Parameters
    ----------
    name
        Its documented name, which ends in the unit.
    kind
        How its cells are read.
    meaning
        What it is.
    example
        A cell of an example row, which is complete and can be scored.
    low, high
        Limits of what is believed.
    own
        Names by which each program calls it.
    """

    name: str
    kind: Kind
    unit: str
    meaning: str
    example: str
    low: float = 0.0
    high: float = 0.0
    own: Mapping[Software, tuple[str, ...]] | None = None

    def names(self, software: Software) -> tuple[str, ...]:
        """Every name under which the column is known when that program measured."""
        return (self.name, *(self.own or {}).get(software, ()))


def _own(freesurfer: str = "", synthseg: str = "") -> dict[Software, tuple[str, ...]]:
    names = tuple(name for name in synthseg.split("|") if name)
    return {
        "freesurfer": tuple(name for name in freesurfer.split("|") if name),
        "synthseg": (*names, *(f"vol_{name}" for name in names)),
    }


_IDS = ("subject", "subject_id", "participant_id", "sub_id", "Measure:volume")

PEOPLE: tuple[Column, ...] = (
    Column(
        "id", "text", "", "Name of the row, once in the table; its number where there is none",
        "s01-2", own=dict.fromkeys(ENGINES, _IDS),
    ),
    Column("person", "text", "", "Rows of one person, scanned several times, share it", "s01"),
    Column("scan_date", "date", "ISO date", "Day of the scan", "2021-06-30"),
    Column(
        "age_years", "number", "years", "Age at the scan", "71.4", 0.0, 120.0,
        own=dict.fromkeys(ENGINES, ("age",)),
    ),
    Column("sex", "sex", "", "F, M, female, male; a 0 or 1 is refused: it may mean either", "F"),
    Column("field_strength_t", "number", "tesla", "Of the scanner", "3.0", 0.1, 15.0),
    Column("manufacturer", "text", "", "Of the scanner", "Siemens"),
    Column("scanner_model", "text", "", "Tells whether a person's scanner changed", "Prisma"),
)  # fmt: skip
CLINICAL: tuple[Column, ...] = (
    Column("education_years", "number", "years", "Years of education", "14", 0.0, 40.0),
    Column("mmse", "number", "points", "Mini-Mental State Examination", "28", 0.0, 30.0),
    Column("moca", "number", "points", "Montreal Cognitive Assessment", "25", 0.0, 30.0),
    Column("apoe4_alleles", "whole", "", "Number of APOE ε4 alleles", "1", 0.0, 2.0),
)

# name: example, limits (mm³), FreeSurfer's and SynthSeg's own names.
_VOLUMES: Mapping[str, tuple[str, float, float, str, str]] = {
    "intracranial": (
        "1431000", 6e5, 3e6, "EstimatedTotalIntraCranialVol|eTIV", "total intracranial",
    ),
    "hippocampus_left": ("3410", 5e2, 9e3, "Left-Hippocampus", "left hippocampus"),
    "hippocampus_right": ("3550", 5e2, 9e3, "Right-Hippocampus", "right hippocampus"),
    "hippocampus_total": ("6960", 1e3, 1.8e4, "", ""),
    "lateral_ventricle_left": (
        "13200", 2e2, 3e5, "Left-Lateral-Ventricle", "left lateral ventricle",
    ),
    "lateral_ventricle_right": (
        "12400", 2e2, 3e5, "Right-Lateral-Ventricle", "right lateral ventricle",
    ),
    "lateral_ventricles": ("25600", 4e2, 6e5, "", ""),
    "inferior_lateral_ventricle_left": (
        "520", 0.0, 6e4, "Left-Inf-Lat-Vent", "left inferior lateral ventricle",
    ),
    "inferior_lateral_ventricle_right": (
        "480", 0.0, 6e4, "Right-Inf-Lat-Vent", "right inferior lateral ventricle",
    ),
    "third_ventricle": ("1420", 5e1, 5e4, "3rd-Ventricle", "3rd ventricle"),
    "fourth_ventricle": ("1800", 1e2, 6e4, "4th-Ventricle", "4th ventricle"),
    "total_brain": ("1035000", 4e5, 2.5e6, "BrainSegVolNotVent", ""),
    "cortical_grey_left": ("214000", 6e4, 6e5, "lhCortexVol", "left cerebral cortex"),
    "cortical_grey_right": ("215000", 6e4, 6e5, "rhCortexVol", "right cerebral cortex"),
    "cortical_grey_matter": ("429000", 1.2e5, 1.2e6, "CortexVol", ""),
    "cerebral_white_left": (
        "211000", 5e4, 7e5, "lhCerebralWhiteMatterVol", "left cerebral white matter",
    ),
    "cerebral_white_right": (
        "212000", 5e4, 7e5, "rhCerebralWhiteMatterVol", "right cerebral white matter",
    ),
    "cerebral_white_matter": ("423000", 1e5, 1.4e6, "CerebralWhiteMatterVol", ""),
    "grey_matter": ("580000", 2e5, 1.8e6, "", ""),
    "white_matter": ("450000", 1e5, 1.5e6, "", ""),
    "amygdala_left": ("1450", 2e2, 6e3, "Left-Amygdala", "left amygdala"),
    "amygdala_right": ("1560", 2e2, 6e3, "Right-Amygdala", "right amygdala"),
    "thalamus_left": (
        "6600", 1.5e3, 2.5e4, "Left-Thalamus|Left-Thalamus-Proper", "left thalamus",
    ),
    "thalamus_right": (
        "6500", 1.5e3, 2.5e4, "Right-Thalamus|Right-Thalamus-Proper", "right thalamus",
    ),
    "caudate_left": ("3300", 7e2, 1.5e4, "Left-Caudate", "left caudate"),
    "caudate_right": ("3400", 7e2, 1.5e4, "Right-Caudate", "right caudate"),
    "putamen_left": ("4600", 8e2, 2e4, "Left-Putamen", "left putamen"),
    "putamen_right": ("4600", 8e2, 2e4, "Right-Putamen", "right putamen"),
    "pallidum_left": ("1900", 2e2, 8e3, "Left-Pallidum", "left pallidum"),
    "pallidum_right": ("1850", 2e2, 8e3, "Right-Pallidum", "right pallidum"),
    "accumbens_left": ("420", 5e1, 3e3, "Left-Accumbens-area", "left accumbens area"),
    "accumbens_right": ("450", 5e1, 3e3, "Right-Accumbens-area", "right accumbens area"),
    "cerebellum": ("125000", 3e4, 4e5, "", ""),
    "brain_stem": ("20500", 5e3, 8e4, "Brain-Stem", "brain-stem"),
    "extraventricular_csf": ("310000", 5e3, 1.5e6, "", ""),
    # Not regions of ours: they only help to form sums.
    "cerebellar_white_left": (
        "", 2e3, 8e4, "Left-Cerebellum-White-Matter", "left cerebellum white matter",
    ),
    "cerebellar_white_right": (
        "", 2e3, 8e4, "Right-Cerebellum-White-Matter", "right cerebellum white matter",
    ),
    "cerebellar_cortex_left": (
        "", 1e4, 2e5, "Left-Cerebellum-Cortex", "left cerebellum cortex",
    ),
    "cerebellar_cortex_right": (
        "", 1e4, 2e5, "Right-Cerebellum-Cortex", "right cerebellum cortex",
    ),
    "ventral_left": ("", 5e2, 2e4, "Left-VentralDC", "left ventral DC"),
    "ventral_right": ("", 5e2, 2e4, "Right-VentralDC", "right ventral DC"),
}  # fmt: skip
_THICKNESS = {
    "cortex_left": ("mean_cortical_thickness_left_mm", "2.38", "lh_MeanThickness_thickness"),
    "cortex_right": ("mean_cortical_thickness_right_mm", "2.36", "rh_MeanThickness_thickness"),
    "cortex_mean": ("mean_cortical_thickness_mm", "2.37", ""),
}

VOLUMES: Mapping[str, Column] = {
    name: Column(
        f"{name}_mm3", "number", "mm³", name.replace("_", " "), example, low, high,
        own=_own(freesurfer, synthseg),
    )
    for name, (example, low, high, freesurfer, synthseg) in _VOLUMES.items()
}  # fmt: skip
"""Columns of volumes, by what the facts call the volume."""

THICKNESS: Mapping[str, Column] = {
    name: Column(
        column, "number", "mm", f"mean thickness: {name.replace('_', ' ')}", example, 1.0, 5.0,
        own={each: (f"{name}_mm", *_own(freesurfer).get(each, ())) for each in ENGINES},
    )
    for name, (column, example, freesurfer) in _THICKNESS.items()
}  # fmt: skip
"""Columns of thickness, by what the facts call it."""


def every_column() -> Iterator[Column]:
    """Yield all columns, in the order in which they are documented."""
    yield from PEOPLE
    yield from CLINICAL
    yield from VOLUMES.values()
    yield from THICKNESS.values()


def documented() -> list[dict[str, Any]]:
    """Describe every column as plain data."""
    return [
        {
            "column": column.name,
            "unit": column.unit,
            "meaning": column.meaning,
            "example": column.example,
            "believed": [column.low, column.high] if column.kind in ("number", "whole") else None,
            "freesurfer": list(column.names("freesurfer")[1:]),
            "synthseg": [name for name in column.names("synthseg")[1:] if name[:4] != "vol_"],
        }
        for column in every_column()
    ]


def schema_page() -> str:
    """Write the columns as a table in Markdown: docs/SCORE.md has it too."""
    lines = [
        "| column | unit | meaning | example | believed | FreeSurfer | SynthSeg |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in documented():
        limits = "{:,.10g} to {:,.10g}".format(*each["believed"]) if each["believed"] else ""
        own = (", ".join(f"`{name}`" for name in each[key]) for key in ("freesurfer", "synthseg"))
        cells = (f"`{each['column']}`", each["unit"], each["meaning"], each["example"], limits)
        lines.append(f"| {' | '.join((*cells, *own))} |")
    return "\n".join(lines)
