# SPDX-License-Identifier: Apache-2.0
"""Measure how z of hippocampus, ventricles and brain go together in healthy people.

    python training/risk/healthy.py --table DIR/fcon1000.csv --facts DIR/norms.json

Writes ``healthy.json``: a 3 x 3 matrix with its n and source, and what whole-brain volume's norm
(NOMIS) expects in the middle of the cohort; never an individual row. Site means are taken out
first: a site's offset is no property of brains.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from expected import expected
from numpy.typing import NDArray

from memoryguard.atrophy.domain.norms import Scanner
from memoryguard.atrophy.packs import load_pack

SOURCE = (
    "1000 Functional Connectomes (FreeSurfer), healthy people aged 18 and over at sites of ten or"
    " more; residuals of Potvin 2016 (hippocampi, lateral ventricles) and NOMIS (BrainSegVolNotVent"
    ") without their site's mean"
)
MIDDLE = {"age_years": 73.0, "male": 0.5, "icv_mm3": 1_500_000.0}
SITE_AT_LEAST = 10
SIEMENS_3T = [Scanner(field_1_5t=False, ge=False, philips=False)]


def nomis_brain(
    facts: dict[str, Any],
    age_years: NDArray[np.float64],
    male: NDArray[np.float64],
    icv_mm3: NDArray[np.float64],
) -> tuple[NDArray[np.float64], float]:
    """Expected BrainSegVolNotVent in mm³ (n,), and the residual SD, by NOMIS without QC inputs."""
    model = facts["models"]["nomis_fs6"]
    norm = next(r for r in model["regions"] if r["region_key"] == "brainsegvolnotvent")
    age = age_years - model["centers"]["age"]
    head = icv_mm3 - model["centers"]["etiv_mm3"]
    terms = {
        **{"age": age, "age2": age**2, "age3": age**3},
        **{"etiv": head, "etiv2": head**2, "etiv3": head**3},
        **{"age_x_etiv": age * head, "age_x_sex_m": age * male, "etiv_x_sex_m": head * male},
        **{"sex_m": male, "voxel": np.ones_like(age)},
    }
    found = norm["intercept"] + sum(norm["coefficients"][k] * term for k, term in terms.items())
    return np.asarray(found, dtype=np.float64), float(norm["resid_sd"])


def numbers(rows: Iterable[dict[str, str]], *columns: str) -> NDArray[np.float64]:
    """Sum of the named columns (n,)."""
    return np.asarray([sum(float(row[column]) for column in columns) for row in rows])


def healthy_z(rows: list[dict[str, str]], facts: dict[str, Any]) -> NDArray[np.float64]:
    """Z (n, 3) of hippocampi, lateral ventricles and brain."""
    age, male, icv = (numbers(rows, name) for name in ("age", "sex", "eTIV"))
    pack = load_pack("potvin_2016_2017")
    hippocampi = numbers(rows, "Left-Hippocampus", "Right-Hippocampus")
    ventricles = np.log10(numbers(rows, "Left-Lateral-Ventricle", "Right-Lateral-Ventricle"))
    brain, brain_sd = nomis_brain(facts, age, male, icv)
    found = [
        (response - expected(pack, region, age, male, icv, SIEMENS_3T)) / pack.resid_sd(region)
        for region, response in (
            ("hippocampus_total", hippocampi),
            ("lateral_ventricles", ventricles),
        )
    ]
    return np.stack([*found, (numbers(rows, "BrainSegVolNotVent") - brain) / brain_sd], axis=1)


def within_sites(z: NDArray[np.float64], sites: NDArray[np.str_]) -> NDArray[np.float64]:
    """Z without the mean of their site; sites with few people are left out."""
    kept = [sites == site for site in np.unique(sites) if np.sum(sites == site) >= SITE_AT_LEAST]
    return np.concatenate([z[here] - z[here].mean(axis=0) for here in kept])


def main() -> None:
    """Write healthy.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--facts", type=Path, required=True)
    arguments = parser.parse_args()
    facts = json.loads(arguments.facts.read_text(encoding="utf-8"))
    with arguments.table.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if float(row["age"]) >= 18.0]
    rows = [row for row in rows if row["sex"] in {"0", "1"}]
    z = within_sites(healthy_z(rows, facts), np.asarray([row["site"] for row in rows]))
    at = {name: np.asarray([value]) for name, value in MIDDLE.items()}
    brain, brain_sd = nomis_brain(facts, at["age_years"], at["male"], at["icv_mm3"])
    document = {
        "source": SOURCE,
        "status": "computed here; mostly young people, taken to hold in old age",
        "order": ["hippocampus_z", "ventricles_z", "brain_z"],
        "n": len(z),
        "correlation": np.corrcoef(z.T).round(4).tolist(),
        "brain": {
            "source": facts["models"]["nomis_fs6"]["citation"],
            "at": MIDDLE,
            "expected_mm3": float(brain[0].round(1)),
            "residual_sd_mm3": round(brain_sd, 3),
        },
    }
    text = json.dumps(document, indent=1, ensure_ascii=False)
    Path(__file__).with_name("healthy.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
