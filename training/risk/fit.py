# SPDX-License-Identifier: Apache-2.0
"""Fit and export the risk model shipped with the ml service.

    pip install -r training/risk/requirements.txt
    python training/risk/fit.py

One multinomial logistic regression for every set of known inputs: a missing input is never filled
in, the person is compared by what is known. All are fitted on people drawn from the moments, as
many of each group; nothing that is measured on is read. Every bootstrap draws the moments anew.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from cohort import (
    ASSUMPTIONS,
    CLASSES,
    FEATURES,
    HEALTHY,
    HERE,
    MOMENTS,
    Moments,
    crosswalk,
    draw,
    load_moments,
    rates,
    read,
)
from graph import build
from logistic import fit, raw
from numpy.typing import NDArray

WEIGHTS = HERE.parents[1] / "services/ml/src/memoryguard/ml/weights"
NAME, VERSION = "dementia-similarity", "2"
FIT_SEED, BOOTSTRAP_SEED, BACKGROUND_SEED, GOLDEN_SEED = 1, 2, 3, 4
FIT_PER_CLASS, BOOTSTRAP_PER_CLASS, BACKGROUND_PER_CLASS = 20_000, 4_000, 99
BOOTSTRAPS = 60
ALWAYS = 2  # age and sex
ONE_OF = ("hippocampus_z", "ventricles_z", "brain_z")
# Which way a feature pushes from CN to MCI to dementia; 0 where medicine does not say.
SIGNS = {
    "age_years": 0,
    "male": 0,
    "education_years": 0,
    "apoe4_alleles": 1,
    "moca": -1,
    "mmse": -1,
    "hippocampus_z": -1,
    "ventricles_z": 1,
    "brain_z": -1,
    "hippocampus_percent_per_year": -1,
}
RANGE_SD = 4.0
# A rate whose error is larger than people differ says nothing of the person.
LARGEST_ERROR_SD = {
    "hippocampus_percent_per_year": max(
        rates("hippocampus", name)[0][2] for name in ("CN", "Dementia")
    )
}


@dataclass(frozen=True)
class Scale:
    """Mean and SD (k,) by which features are standardised."""

    mean: NDArray[np.float64]
    sd: NDArray[np.float64]


def patterns() -> list[list[int]]:
    """Columns of the known inputs for every pattern: bit j says that optional input j is known."""
    optional = range(len(FEATURES) - ALWAYS)
    return [
        [*range(ALWAYS), *(ALWAYS + j for j in optional if number >> j & 1)]
        for number in range(2 ** len(optional))
    ]


def fit_all(
    x: NDArray[np.float64],
    labels: NDArray[np.int64],
    scale: Scale,
    starts: list[NDArray[np.float64]] | None = None,
) -> tuple[list[NDArray[np.float64]], NDArray[np.float64]]:
    """Increments per pattern, and the table (patterns, k + 1, 3) of raw coefficients."""
    standard = (x - scale.mean) / scale.sd
    signs = np.asarray([float(SIGNS[name]) for name in FEATURES])
    found: list[NDArray[np.float64]] = []
    table = np.zeros((len(patterns()), len(FEATURES) + 1, len(CLASSES)))
    for number, columns in enumerate(patterns()):
        start = starts[number] if starts else None
        found.append(fit(standard[:, columns], labels, signs[columns], start))
        table[number, [*columns, len(FEATURES)]] = raw(
            found[-1], scale.mean[columns], scale.sd[columns]
        )
    return found, table


def bootstraps(
    moments: Moments, scale: Scale, starts: list[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Tables (b, patterns, k + 1, 3) of moments drawn anew, on the same random numbers."""
    generator = np.random.default_rng(BOOTSTRAP_SEED)
    tables: list[NDArray[np.float64]] = []
    for place in range(BOOTSTRAPS):
        started = time.perf_counter()
        again = moments.resampled(generator).at_equal_age_and_sex()
        people = draw(again, BOOTSTRAP_PER_CLASS, np.random.default_rng(FIT_SEED))
        tables.append(fit_all(*people, scale, starts)[1])
        print(f"bootstrap {place + 1}: {time.perf_counter() - started:.1f} s", file=sys.stderr)
    return np.stack(tables)


def ranges(x: NDArray[np.float64], labels: NDArray[np.int64]) -> dict[str, tuple[float, float]]:
    """Per feature: lowest mean − 4 SD and highest mean + 4 SD over the classes.

    MMSE's is MoCA's through the crosswalk: its own spread is cut off at 30 points.
    """
    groups = [x[labels == number] for number in range(len(CLASSES))]
    low = np.min([g.mean(axis=0) - RANGE_SD * g.std(axis=0) for g in groups], axis=0)
    high = np.max([g.mean(axis=0) + RANGE_SD * g.std(axis=0) for g in groups], axis=0)
    found = {n: (float(low[i]), float(high[i])) for i, n in enumerate(FEATURES)}
    found |= {"male": (0.0, 1.0), "apoe4_alleles": (0.0, 2.0)}
    found["moca"] = (max(0.0, found["moca"][0]), 30.0)
    found["mmse"] = (float(crosswalk(np.asarray([found["moca"][0]]))[0]), 30.0)
    return {name: (round(least, 3), round(most, 3)) for name, (least, most) in found.items()}


def write(folder: Path, name: str, data: bytes) -> dict[str, str]:
    """Write a file, and name it with its SHA-256."""
    (folder / name).write_bytes(data)
    return {"name": name, "sha256": hashlib.sha256(data).hexdigest()}


def as_json(document: Any) -> bytes:
    """Encode a document."""
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def background(moments: Moments) -> dict[str, Any]:
    """Drawn people that explanations compare with; as many of each group."""
    x, labels = draw(moments, BACKGROUND_PER_CLASS, np.random.default_rng(BACKGROUND_SEED))
    groups = [CLASSES[label] for label in labels]
    return {"features": list(FEATURES), "groups": groups, "values": x.round(3).tolist()}


def golden(moments: Moments, table: NDArray[np.float64]) -> list[dict[str, Any]]:
    """People with different things known, and what the table says of them in numpy."""
    x, _ = draw(moments, 4, np.random.default_rng(GOLDEN_SEED))
    generator = np.random.default_rng(GOLDEN_SEED)
    found: list[dict[str, Any]] = []
    for person in x.round(3):
        number = int(generator.integers(len(table)))
        columns = patterns()[number]
        scores = person[columns] @ table[number, columns] + table[number, -1]
        powers = np.exp(scores - scores.max())
        values = {FEATURES[column]: float(person[column]) for column in columns}
        found.append({"values": values, "probabilities": (powers / powers.sum()).tolist()})
    return found


def manifest(x: NDArray[np.float64], labels: NDArray[np.int64]) -> dict[str, Any]:
    """What the service must know of the model beside its files."""
    recruited = read(ASSUMPTIONS)["prevalence"]
    everybody = sum(recruited["counts"].values())
    limits = ranges(x, labels)
    return {
        "format": 1,
        "name": NAME,
        "version": VERSION,
        "inputs": [
            {
                "name": name,
                "low": limits[name][0],
                "high": limits[name][1],
                "required": place < ALWAYS,
                "largest_error_sd": LARGEST_ERROR_SD.get(name),
            }
            for place, name in enumerate(FEATURES)
        ],
        "one_of": list(ONE_OF),
        "missing_as_nan": True,
        "classes": list(CLASSES),
        "explained": CLASSES[-1],
        "trained_for": {name: 1 / len(CLASSES) for name in CLASSES},
        "prevalence": {n: count / everybody for n, count in recruited["counts"].items()},
        "prevalence_source": f"{recruited['what']}; {recruited['source']}",
        "made": {
            "inputs_sha256": {
                path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in (MOMENTS, ASSUMPTIONS, HEALTHY)
            },
            "seeds": {"fit": FIT_SEED, "bootstrap": BOOTSTRAP_SEED, "background": BACKGROUND_SEED},
            "per_class": {"fit": FIT_PER_CLASS, "bootstrap": BOOTSTRAP_PER_CLASS},
            "bootstraps": BOOTSTRAPS,
            "range_sd": RANGE_SD,
            "signs": {name: sign for name, sign in SIGNS.items() if sign},
            "versions": {name: version(name) for name in ("numpy", "scipy", "onnx")},
        },
    }


def main() -> None:
    """Fit, export, and write the manifest."""
    WEIGHTS.mkdir(parents=True, exist_ok=True)
    moments = load_moments().at_equal_age_and_sex()
    x, labels = draw(moments, FIT_PER_CLASS, np.random.default_rng(FIT_SEED))
    scale = Scale(x.mean(axis=0), x.std(axis=0))
    increments, table = fit_all(x, labels, scale)
    drawn = bootstraps(moments, scale, increments)
    model = build(table, drawn, ALWAYS).SerializeToString()
    document = manifest(x, labels)
    document["model"] = write(WEIGHTS, "risk.onnx", model)
    document["background"] = write(
        WEIGHTS, "background.json", json.dumps(background(moments)).encode()
    )
    write(WEIGHTS, "manifest.json", as_json(document))
    write(HERE, "golden.json", as_json(golden(moments, table)))


if __name__ == "__main__":
    main()
