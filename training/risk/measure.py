# SPDX-License-Identifier: Apache-2.0
"""Measure the shipped model on fresh draws and on the synthetic table, and write its card.

    python training/risk/measure.py --tables DIR

Neither says anything of the world: the draws come from what the model was fitted on, and so do,
in the end, the moments from the table. What does is ``benchmarks/risk.py``; its figures are read
from ``outside.json``, which it wrote.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from card import render
from cohort import (
    CLASSES,
    FEATURES,
    HERE,
    NORM,
    SCANNERS,
    draw,
    load_moments,
    read,
)
from expected import expected
from merit import auc_cn_dementia, figures, interval, macro_auc, reliability
from numpy.typing import NDArray

from memoryguard.atrophy.packs import load_pack
from memoryguard.ml.model import SHIPPED, RiskModel

CHECK_SEED, CHECK_PER_CLASS = 6, 20_000
TABLE = "gsvd_synthetic_ADNI.csv"
SCAN = ("hippocampus_z", "ventricles_z", "brain_z")
KNOWN: dict[str, tuple[str, ...]] = {
    "brain": ("brain_z",),
    "hippocampus": ("hippocampus_z",),
    "hippocampus, ventricles, brain": SCAN,
    "and the hippocampus's rate": (*SCAN, "hippocampus_percent_per_year"),
    "and schooling, APOE4": (*SCAN, "education_years", "apoe4_alleles"),
    "brain, MMSE": ("brain_z", "mmse"),
    "hippocampus, MMSE": ("hippocampus_z", "mmse"),
    "hippocampus, MoCA": ("hippocampus_z", "moca"),
    "everything": FEATURES[2:],
}
KNOWN_OF_TABLE: dict[str, tuple[str, ...]] = {
    "hippocampus": ("hippocampus_z",),
    "and schooling, APOE4": ("hippocampus_z", "education_years", "apoe4_alleles"),
    "and MoCA": ("hippocampus_z", "education_years", "apoe4_alleles", "moca"),
}
BANDS = {"under 65": (0.0, 65.0), "65 to 74": (65.0, 75.0), "75 and over": (75.0, 200.0)}


def with_known(x: NDArray[np.float64], names: tuple[str, ...]) -> NDArray[np.float64]:
    """Rows of which only age, sex and the named features are known."""
    rows = x.copy()
    rows[:, [place >= 2 and name not in names for place, name in enumerate(FEATURES)]] = np.nan
    return rows


def on_draws() -> dict[str, Any]:
    """Figures on people drawn with another seed, at equal shares as fitted."""
    model = RiskModel(None, {name: 1 / len(CLASSES) for name in CLASSES})
    moments = load_moments().at_equal_age_and_sex()
    x, labels = draw(moments, CHECK_PER_CLASS, np.random.default_rng(CHECK_SEED))
    stated = {known: model.probabilities(with_known(x, names)) for known, names in KNOWN.items()}
    strata = {
        "women": x[:, 1] == 0.0,
        "men": x[:, 1] == 1.0,
        **{name: (low <= x[:, 0]) & (x[:, 0] < high) for name, (low, high) in BANDS.items()},
    }
    return {
        "known": {known: figures(found, labels) for known, found in stated.items()},
        "strata": {
            known: {who: figures(stated[known][here], labels[here]) for who, here in strata.items()}
            for known in ("hippocampus, ventricles, brain", "everything")
        },
        "reliability": reliability(stated["everything"][:, 2], labels == 2),
    }


def read_table(path: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Read the synthetic ADNI rows, columns in the order of `FEATURES`; NaN: not in the table."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    column = {n: np.asarray([float(r[n]) for r in rows]) for n in ("age", "icv", "hippocampus")}
    male = np.asarray([float(row["ptgender"] == "Male") for row in rows])
    pack, region = load_pack(NORM), "hippocampus_total"
    mean = expected(pack, region, column["age"], male, column["icv"], SCANNERS)
    known = {
        "age_years": column["age"],
        "male": male,
        "hippocampus_z": (column["hippocampus"] - mean) / pack.resid_sd(region),
    }
    for ours, theirs in (
        ("education_years", "pteducat"),
        ("apoe4_alleles", "apoe4"),
        ("moca",) * 2,
    ):
        known[ours] = np.asarray([float(row[theirs]) for row in rows])
    nothing = np.full(len(rows), np.nan)
    x = np.stack([known.get(name, nothing) for name in FEATURES], axis=1)
    return x, np.asarray([CLASSES.index(row["dx"]) for row in rows])


def on_table(path: Path) -> dict[str, Any]:
    """Figures on the synthetic rows, at the table's own shares."""
    x, labels = read_table(path)
    shares = np.bincount(labels, minlength=3) / len(labels)
    model = RiskModel(None, dict(zip(CLASSES, shares.tolist(), strict=True)))
    found: dict[str, Any] = {"counts": np.bincount(labels).tolist(), "known": {}}
    for known, names in KNOWN_OF_TABLE.items():
        stated = model.probabilities(with_known(x, names))
        found["known"][known] = figures(stated, labels) | {
            "macro_auc_ci95": interval(macro_auc, labels, stated),
            "auc_cn_dementia_ci95": interval(auc_cn_dementia, labels, stated),
        }
    return found


def main() -> None:
    """Write figures.json and the model card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=Path, required=True)
    tables = parser.parse_args().tables
    report = {
        "model_sha256": RiskModel().sha256,
        "draws": on_draws(),
        "synthetic_adni": on_table(tables / TABLE),
    }
    text = json.dumps(report, indent=1)
    (HERE / "figures.json").write_text(text + "\n", encoding="utf-8")
    card = render(read(SHIPPED / "manifest.json"), report, read(HERE / "outside.json"))
    (SHIPPED / "MODEL_CARD.md").write_text(card, encoding="utf-8")


if __name__ == "__main__":
    main()
