# SPDX-License-Identifier: Apache-2.0
"""Healthy people of public tables, as the norms see them. Rows stay in memory."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

# Scanners of the three IXI hospitals, as the IXI project describes them.
IXI_SCANNERS = {"HH": (3.0, "Philips"), "Guys": (1.5, "Philips"), "IOP": (1.5, "GE")}
SIDES = ("left", "right")


@dataclass(frozen=True)
class Healthy:
    """One healthy person of a table; `values` are volumes in mm³ and thicknesses in mm."""

    site: str
    age_years: float
    male: bool
    icv_mm3: float
    field_strength_t: float | None
    manufacturer: str | None
    values: dict[str, float]


def freesurfer_people(tables: Path) -> list[Healthy]:
    """1000 Functional Connectomes: FreeSurfer, version and scanners not in the table."""
    people: list[Healthy] = []
    for row in _rows(tables / "fcon1000.csv"):
        values = _pair(row, "hippocampus", "Left-Hippocampus", "Right-Hippocampus")
        values |= _pair(
            row, "lateral_ventricle", "Left-Lateral-Ventricle", "Right-Lateral-Ventricle"
        )
        values |= _pair(row, "cortical_grey", "lhCortexVol", "rhCortexVol")
        values |= _thickness(row) | {
            "third_ventricle": float(row["3rd-Ventricle"]),
            "cortical_grey_matter": float(row["CortexVol"]),
            "cerebral_white_matter": float(row["CerebralWhiteMatterVol"]),
            "total_brain": float(row["BrainSegVolNotVent"]),
        }
        icv, male = float(row["EstimatedTotalIntraCranialVol"]), float(row["sex"]) == 1.0
        site = row["sub_id"].partition("_sub")[0]
        people.append(Healthy(site, float(row["age"]), male, icv, None, None, values))
    return people


def ixi_freesurfer_people(tables: Path) -> list[Healthy]:
    """IXI: FreeSurfer's brain volume and thickness, three hospitals with known scanners."""
    who = ixi_demographics(tables)
    people: list[Healthy] = []
    for row in _rows(tables / "IXI_aparc_thickness.csv"):
        number = int(row["participant_id"].removeprefix("sub-IXI"))
        if number not in who or not who[number]["AGE"]:
            continue
        values = _thickness(row) | {"total_brain": float(row["BrainSegVolNotVent"])}
        people.append(_of_ixi(who[number], float(row["eTIV"]), values))
    return people


def synthseg_people(tables: Path) -> list[Healthy]:
    """IXI: SynthSeg volumes, three hospitals with known scanners."""
    who = ixi_demographics(tables)
    people: list[Healthy] = []
    for row in _rows(tables / "ixi_synthseg_volumes.csv"):
        pairs = {
            "hippocampus": "hippocampus",
            "lateral_ventricle": "lateral ventricle",
            "cortical_grey": "cerebral cortex",
            "cerebral_white": "cerebral white matter",
        }
        values: dict[str, float] = {"third_ventricle": float(row["vol_3rd ventricle"])}
        for name, theirs in pairs.items():
            values |= _pair(row, name, f"vol_left {theirs}", f"vol_right {theirs}")
        values["total_brain"] = sum(
            float(value)
            for key, value in row.items()
            if key.startswith("vol_")
            and not key.startswith("vol_ctx-")
            and not any(word in key for word in ("ventricle", "csf", "intracranial"))
        )
        person = who[int(row["subject_id"].removeprefix("IXI"))]
        people.append(_of_ixi(person, float(row["vol_total intracranial"]), values))
    return people


def linear_index_people(tables: Path) -> list[Healthy]:
    """IXI: both lateral ventricles by a program of its own; head size from FreeSurfer's table."""
    heads = {
        int(row["participant_id"].removeprefix("sub-IXI")): float(row["eTIV"])
        for row in _rows(tables / "IXI_aparc_thickness.csv")
    }
    who = ixi_demographics(tables)
    people: list[Healthy] = []
    path = tables / "ixi_lateral_ventricles_linearindices.tsv"
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            number = int(row["Name"].split("-")[0].removeprefix("IXI"))
            if number in heads and number in who and who[number]["AGE"]:
                volume = float(row["Lateral Ventricular Volume"])
                people.append(_of_ixi(who[number], heads[number], {"lateral_ventricles": volume}))
    return people


def ixi_demographics(tables: Path) -> dict[int, dict[str, str]]:
    """IXI's people by number: hospital, sex, age."""
    return {int(row["IXI_ID"]): row for row in _rows(tables / "ixi_demographics.csv")}


def _of_ixi(person: dict[str, str], icv_mm3: float, values: dict[str, float]) -> Healthy:
    field_t, maker = IXI_SCANNERS[person["SITE"]]
    male = person["SEX_LABEL"] == "Male"
    site = f"IXI {person['SITE']}"
    return Healthy(site, float(person["AGE"]), male, icv_mm3, field_t, maker, values)


def _pair(row: dict[str, str], name: str, left: str, right: str) -> dict[str, float]:
    totals = {
        "hippocampus": "hippocampus_total",
        "lateral_ventricle": "lateral_ventricles",
        "cortical_grey": "cortical_grey_matter",
        "cerebral_white": "cerebral_white_matter",
    }
    sides = (float(row[left]), float(row[right]))
    named = {f"{name}_{side}": value for side, value in zip(SIDES, sides, strict=True)}
    return named | {totals[name]: sum(sides)}


def _thickness(row: dict[str, str]) -> dict[str, float]:
    sides = [float(row[f"{side}_MeanThickness_thickness"]) for side in ("lh", "rh")]
    return {"cortex_left": sides[0], "cortex_right": sides[1], "cortex_mean": sum(sides) / 2.0}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
