# SPDX-License-Identifier: Apache-2.0
"""Write the atrophy service's norm packs from the sourced facts, and measure how they carry over.

    python training/risk/norms/make_packs.py --facts DIR/norms.json --tables DIR/tables

Coefficients are copied by this program. The `evidence` rows are computed here, with the service's
own code, on healthy people measured with other software than the pack's: one mean and SD of z per
sample. Only those summaries go into the pack; no individual row leaves the tables.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memoryguard.atrophy.domain.norms import Covariates, expect, possible_scanners, z_score
from memoryguard.atrophy.domain.pack import Pack
from memoryguard.atrophy.packs import parse_pack

PACKS = Path(__file__).parents[3] / "services/atrophy/src/memoryguard/atrophy/packs"
# The facts' region names that the service calls otherwise.
IXI_NAMES = {
    "hippocampus_left": "hippocampus_left",
    "hippocampus_right": "hippocampus_right",
    "hippocampus_total": "hippocampus_total",
    "log10_lateral_ventricles": "lateral_ventricles",
    "log10_third_ventricle": "third_ventricle",
    "cortical_grey": "cortical_grey_matter",
    "cerebral_white": "cerebral_white_matter",
    "total_brain": "total_brain",
}
POTVIN_NAMES = (
    "hippocampus_left",
    "hippocampus_right",
    "lateral_ventricle_left",
    "lateral_ventricle_right",
    "third_ventricle",
    "cortical_grey_left",
    "cortical_grey_right",
)
# Scanners of the three IXI hospitals, as the IXI project describes them.
IXI_SCANNERS = {"HH": (3.0, "Philips"), "Guys": (1.5, "Philips"), "IOP": (1.5, "GE")}
YOUNGEST_YEARS = 50.0


@dataclass(frozen=True)
class Healthy:
    """One healthy person of a table, as the packs see them."""

    age_years: float
    male: bool
    icv_mm3: float
    field_strength_t: float | None
    manufacturer: str | None
    volumes_mm3: dict[str, float]


def potvin(facts: dict[str, Any]) -> dict[str, Any]:
    """Potvin 2016/2017 as a pack document, without evidence."""
    model = facts["models"]["potvin_2016_2017"]
    by_name = {region["structure"]: region for region in model["regions"]}
    return {
        "name": "potvin_2016_2017",
        "version": "1",
        **{key: model[key] for key in ("citation", "address", "licence", "exactness", "software")},
        "licence_note": "coefficients are published facts; no text or code of the source is copied",
        "population": model["population"],
        "valid_age_years": model["valid_age"],
        "field_strengths_t": [1.5, 3.0],
        # 23 samples are pooled in the residual, so it already holds the spread between sites.
        "new_site_sd_factor": 1.0,
        "regions": {name: _potvin_region(by_name[name]) for name in POTVIN_NAMES},
        "totals": {
            "hippocampus_total": {
                "rule": "sum",
                "parts": ["hippocampus_left", "hippocampus_right"],
                "rho": model["total_hippocampus"]["rho"],
                "status": model["total_hippocampus"]["status"],
                "source": model["total_hippocampus"]["rho_evidence"],
            },
            "lateral_ventricles": {
                "rule": "log10_of_sum",
                "parts": ["lateral_ventricle_left", "lateral_ventricle_right"],
                "resid_sd": model["total_lateral_ventricles"]["sd"],
                "status": model["total_lateral_ventricles"]["status"],
                "source": model["total_lateral_ventricles"]["sd_evidence"],
            },
        },
        "evidence": {},
    }


def _potvin_region(region: dict[str, Any]) -> dict[str, Any]:
    cortical = region["region_key"].startswith("Cortex")
    return {
        "region_key": region["region_key"],
        "response": "log10_mm3" if region["response"].startswith("log10") else "mm3",
        "center_age_years": region["center_age"],
        "center_icv_mm3": region["center_icv_mm3"],
        "coefficients": region["coefficients"],
        "resid_sd": region["resid_sd"],
        # The population's two sample sizes, as the facts give them.
        "fit_n": 2713 if cortical else 2790,
    }


def ixi(facts: dict[str, Any]) -> dict[str, Any]:
    """The fit on IXI's SynthSeg volumes as a pack document, without evidence."""
    model = facts["models"]["ixi_synthseg_fit"]
    low, high = model["valid_age"]
    return {
        "name": "ixi_synthseg_fit",
        "version": "1",
        "citation": [
            "IXI dataset, brain-development.org (CC BY-SA 3.0): SynthSeg volumes of healthy adults",
            model["status"],
        ],
        "address": model["address"],
        "licence": "CC BY-SA 3.0 (IXI)",
        "licence_note": "regression summaries only, attributed to IXI; no individual values",
        "exactness": model["exactness"],
        "software": model["software"],
        "population": f"{model['status']}; total_brain is every label but ventricles and CSF",
        "valid_age_years": [low, high],
        "field_strengths_t": [1.5, 3.0],
        "caution": model["caution"],
        # From the caution: z spreads 1.3 times wider at a site that is not in the fit.
        "new_site_sd_factor": 1.3,
        "regions": {
            IXI_NAMES[name]: _ixi_region(name, region)
            for name, region in model["regions"].items()
            if name in IXI_NAMES
        },
        "totals": {},
        "evidence": {},
    }


def _ixi_region(name: str, region: dict[str, Any]) -> dict[str, Any]:
    return {
        "region_key": name,
        "response": "log10_mm3" if name.startswith("log10") else "mm3",
        "center_age_years": 65.0,
        "center_icv_mm3": 1.45e6,
        # The source states two coefficients per 100 years² and per 100 cm³ (1e5 mm³).
        "coefficients": {
            "1": region["b0"],
            "A": region["b_age"],
            "A^2": region["b_age2_per100"] / 100.0,
            "M": region["b_male"],
            "V": region["b_icv_per100cm3"] / 1e5,
        },
        "resid_sd": region["resid_sd"],
        "fit_n": region["n"],
    }


def freesurfer_people(tables: Path) -> list[Healthy]:
    """1000 Functional Connectomes: FreeSurfer volumes, 23 sites, scanners not in the table."""
    people: list[Healthy] = []
    for row in _rows(tables / "fcon1000.csv"):
        sides = {
            "hippocampus": ("Left-Hippocampus", "Right-Hippocampus"),
            "lateral_ventricle": ("Left-Lateral-Ventricle", "Right-Lateral-Ventricle"),
        }
        volumes = _with_totals({k: (float(row[a]), float(row[b])) for k, (a, b) in sides.items()})
        volumes |= {
            "third_ventricle": float(row["3rd-Ventricle"]),
            "cortical_grey_matter": float(row["CortexVol"]),
            "cerebral_white_matter": float(row["CerebralWhiteMatterVol"]),
            "total_brain": float(row["BrainSegVolNotVentSurf"]),
        }
        icv = float(row["EstimatedTotalIntraCranialVol"])
        people.append(
            Healthy(float(row["age"]), float(row["sex"]) == 1.0, icv, None, None, volumes)
        )
    return people


def synthseg_people(tables: Path) -> list[Healthy]:
    """IXI: SynthSeg volumes, three hospitals with known scanners."""
    who = {int(row["IXI_ID"]): row for row in _rows(tables / "ixi_demographics.csv")}
    people: list[Healthy] = []
    for row in _rows(tables / "ixi_synthseg_volumes.csv"):
        person = who[int(row["subject_id"].removeprefix("IXI"))]
        sides = {
            "hippocampus": ("vol_left hippocampus", "vol_right hippocampus"),
            "lateral_ventricle": ("vol_left lateral ventricle", "vol_right lateral ventricle"),
        }
        volumes = _with_totals({k: (float(row[a]), float(row[b])) for k, (a, b) in sides.items()})
        volumes["third_ventricle"] = float(row["vol_3rd ventricle"])
        icv = float(row["vol_total intracranial"])
        field_t, maker = IXI_SCANNERS[person["SITE"]]
        male = person["SEX_LABEL"] == "Male"
        people.append(Healthy(float(person["AGE"]), male, icv, field_t, maker, volumes))
    return people


def _with_totals(sides: dict[str, tuple[float, float]]) -> dict[str, float]:
    totals = {"hippocampus": "hippocampus_total", "lateral_ventricle": "lateral_ventricles"}
    volumes: dict[str, float] = {}
    for name, (left, right) in sides.items():
        volumes |= {f"{name}_left": left, f"{name}_right": right, totals[name]: left + right}
    return volumes


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def evidence(
    pack: Pack, region: str, people: list[Healthy], sample: str, software: str
) -> dict[str, Any] | None:
    """Mean and SD of z over the people of a sample that the pack covers and aged 50 or over."""
    low, high = pack.valid_age_years
    values = [
        _z(pack, region, person)
        for person in people
        if max(low, YOUNGEST_YEARS) <= person.age_years <= high and region in person.volumes_mm3
    ]
    if len(values) < 2:
        return None
    return {
        "sample": sample,
        "software": software,
        "n": len(values),
        "mean_z": round(statistics.fmean(values), 4),
        "sd_z": round(statistics.stdev(values), 4),
    }


def _z(pack: Pack, region: str, person: Healthy) -> float:
    covariates = Covariates(person.age_years, person.male, person.icv_mm3)
    scanners = possible_scanners(person.field_strength_t, person.manufacturer)
    return z_score(
        pack, region, person.volumes_mm3[region], expect(pack, region, covariates, scanners)
    )


def documents(facts: Path, tables: Path) -> list[dict[str, Any]]:
    """Both packs as documents, with their evidence."""
    sources = json.loads(facts.read_text(encoding="utf-8"))
    free = ("fcon1000, healthy, 50 and over", "FreeSurfer", freesurfer_people(tables))
    synth = ("IXI, healthy, 50 and over", "SynthSeg", synthseg_people(tables))
    made: list[dict[str, Any]] = []
    # A pack is never judged on the people it was fitted to.
    for document, samples in ((potvin(sources), (free, synth)), (ixi(sources), (free,))):
        pack = parse_pack(document)
        for region in pack.regions:
            found = [evidence(pack, region, people, name, sw) for name, sw, people in samples]
            if rows := [row for row in found if row]:
                document["evidence"][region] = rows
        made.append(document)
    return made


def main() -> None:
    """Write both packs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--facts", type=Path, required=True)
    parser.add_argument("--tables", type=Path, required=True)
    arguments = parser.parse_args()
    for document in documents(arguments.facts, arguments.tables):
        text = json.dumps(document, indent=1, ensure_ascii=False)
        (PACKS / f"{document['name']}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
