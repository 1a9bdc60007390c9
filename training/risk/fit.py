# SPDX-License-Identifier: Apache-2.0
"""Fit, measure and export the risk models shipped with the ml service.

    pip install -r training/risk/requirements.txt
    python training/risk/fit.py [--table DIR/gsvd_synthetic_ADNI.csv]

One multinomial logistic regression for every subset of the optional inputs (education, APOE4,
MoCA): a missing input is then never filled in, the person is compared by what is known. All are
fitted without penalty on draws from the class moments with equal priors, so no coefficient is
typed or tuned. ``--table`` adds the sanity check on the synthetic ADNI rows (never fitted on).
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import itertools
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from card import render
from cohort import CLASSES, FEATURES, MOMENTS, OPTIONAL, REQUIRED, Moments, draw, load_moments
from measure import bootstrap_interval, figures, reliability, with_prior
from numpy.typing import NDArray
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

WEIGHTS = Path(__file__).parents[2] / "services/ml/src/memoryguard/ml/weights"
NAME, VERSION = "dementia-similarity", "1"
FIT_SEED, CHECK_SEED, BACKGROUND_SEED, GOLDEN_SEED, BOOTSTRAP_SEED = 1, 2, 3, 4, 5
FIT_PER_CLASS, CHECK_PER_CLASS, BACKGROUND_PER_CLASS = 20_000, 20_000, 33
RANGE_SD = 4.0
# Where medicine says which way a feature points, the fitted model must agree: sign of the change
# of dementia's odds against normal with the feature.
EXPECTED_SIGNS = {
    "hippocampus_total_mm3": -1,
    "intracranial_mm3": 1,
    "moca": -1,
    "apoe4_count": 1,
}
# Of these, the ones along which the probability of dementia itself must fall everywhere. (APOE4
# is about as common in MCI as in dementia, given MoCA, so it cannot be asked of it.)
MONOTONE = ("hippocampus_total_mm3", "moca")


def subsets() -> list[tuple[str, ...]]:
    """Feature names of the eight models, from the fewest optional inputs to all."""
    chosen = itertools.chain.from_iterable(
        itertools.combinations(OPTIONAL, size) for size in range(len(OPTIONAL) + 1)
    )
    return [REQUIRED + extra for extra in chosen]


def model_file(features: tuple[str, ...]) -> str:
    """File name of the model with exactly these features."""
    return "-".join(["risk", *[f.split("_")[0] for f in features[len(REQUIRED) :]]]) + ".onnx"


def columns(features: tuple[str, ...]) -> list[int]:
    """Columns of a cohort that hold the named features."""
    return [FEATURES.index(name) for name in features]


def fit(x: NDArray[np.float64], y: NDArray[np.int64]) -> Pipeline:
    """Standardised multinomial logistic regression without penalty."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=np.inf, max_iter=1000)).fit(x, y)


def check_signs(model: Pipeline, features: tuple[str, ...]) -> None:
    """Stop when a feature points against medicine (see `EXPECTED_SIGNS` and `MONOTONE`).

    With a linear score per class the probability of dementia falls everywhere with a feature
    exactly when dementia's coefficient is the smallest of the three.
    """
    normal, _, dementia = model[-1].coef_
    for index, name in enumerate(features):
        wrong = EXPECTED_SIGNS.get(name, 0) * (dementia[index] - normal[index]) < 0
        if wrong or (name in MONOTONE and model[-1].coef_[:, index].argmin() != 2):
            raise SystemExit(f"{name} points the wrong way in {features}")


def export(model: Pipeline, features: tuple[str, ...]) -> str:
    """Write one model as ONNX (opset 17, scaling inside) and return its SHA-256."""
    onnx_model = to_onnx(
        model,
        initial_types=[("features", FloatTensorType([None, len(features)]))],
        options={id(model): {"zipmap": False}},
        target_opset=17,
    )
    data = onnx_model.SerializeToString()
    (WEIGHTS / model_file(features)).write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def run_onnx(features: tuple[str, ...], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities (n, 3) of the exported model."""
    path = WEIGHTS / model_file(features)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["probabilities"], {"features": x.astype(np.float32)})[0].astype(np.float64)


def ranges(moments: Moments) -> dict[str, list[float]]:
    """Per feature: lowest mean − 4 SD and highest mean + 4 SD over the classes."""
    sd = {name: np.sqrt(np.diag(moments.covariance[name])) for name in CLASSES}
    low = np.min([moments.mean[name] - RANGE_SD * sd[name] for name in CLASSES], axis=0)
    high = np.max([moments.mean[name] + RANGE_SD * sd[name] for name in CLASSES], axis=0)
    found = {name: [float(low[i]), float(high[i])] for i, name in enumerate(FEATURES)}
    # What can only take certain values is bounded by them.
    limits = {"male": (0.0, 1.0), "apoe4_count": (0.0, 2.0), "moca": (0.0, 30.0)}
    for name, (least, most) in limits.items():
        found[name] = [max(least, found[name][0]), min(most, found[name][1])]
    found["male"] = [0.0, 1.0]
    found["apoe4_count"] = [0.0, 2.0]
    return found


def read_table(path: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Read the synthetic ADNI rows, columns in the order of `FEATURES`."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = ("age", "ptgender", "hippocampus", "icv", "pteducat", "apoe4", "moca")
    features = [
        [float(row[n] == "Male") if n == "ptgender" else float(row[n]) for n in names]
        for row in rows
    ]
    return np.asarray(features), np.asarray([CLASSES.index(row["dx"]) for row in rows])


def measured(
    features: tuple[str, ...], x: NDArray[np.float64], y: NDArray[np.int64], *, table: bool
) -> dict[str, Any]:
    """Figures of one exported model; a table's probabilities are moved to its class shares."""
    probabilities = run_onnx(features, x[:, columns(features)])
    if not table:
        found: dict[str, Any] = dict(figures(probabilities, y))
        found["reliability_dementia"] = reliability(probabilities[:, 2], y == 2)
        return found
    moved = with_prior(probabilities, np.bincount(y, minlength=3) / len(y))
    found = dict(figures(moved, y))
    found["macro_ovr_auc_ci95"] = bootstrap_interval(moved, y, "macro_ovr_auc", BOOTSTRAP_SEED)
    found["auc_cn_vs_dementia_ci95"] = bootstrap_interval(
        moved, y, "auc_cn_vs_dementia", BOOTSTRAP_SEED
    )
    found["class_counts"] = np.bincount(y, minlength=3).tolist()
    found["reliability_dementia"] = reliability(moved[:, 2], y == 2)
    return found


def write_json(name: str, document: Any) -> str:
    """Write a JSON file into the weights folder and return its SHA-256."""
    data = (json.dumps(document, indent=1) + "\n").encode()
    (WEIGHTS / name).write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def golden(models: dict[tuple[str, ...], Pipeline], moments: Moments) -> list[dict[str, Any]]:
    """A few drawn people with scikit-learn's probabilities, to hold the exports against."""
    people, _ = draw(moments, 2, GOLDEN_SEED)
    return [
        {
            "features": list(features),
            "values": row[columns(features)].tolist(),
            "probabilities": model.predict_proba(row[None, columns(features)])[0].tolist(),
        }
        for features, model in models.items()
        for row in people
    ]


def main() -> None:
    """Fit, export, measure, and write the manifest and the model card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path)
    table = parser.parse_args().table
    WEIGHTS.mkdir(parents=True, exist_ok=True)
    moments = load_moments()
    x, y = draw(moments, FIT_PER_CLASS, FIT_SEED)
    fresh = draw(moments, CHECK_PER_CLASS, CHECK_SEED)
    rows = read_table(table) if table else None
    models: dict[tuple[str, ...], Pipeline] = {}
    entries: list[dict[str, Any]] = []
    report: list[dict[str, Any]] = []
    for features in subsets():
        models[features] = fit(x[:, columns(features)], y)
        check_signs(models[features], features)
        sha256 = export(models[features], features)
        entries.append({"file": model_file(features), "features": list(features), "sha256": sha256})
        figure: dict[str, Any] = {"features": list(features)}
        figure["fresh_draws"] = measured(features, *fresh, table=False)
        if rows is not None:
            figure["synthetic_adni_table"] = measured(features, *rows, table=True)
        report.append(figure)
    background, _ = draw(moments, BACKGROUND_PER_CLASS, BACKGROUND_SEED)
    background_sha = write_json(
        "background.json", {"features": list(FEATURES), "values": background.round(4).tolist()}
    )
    packages = ("numpy", "scikit-learn", "skl2onnx", "onnx", "onnxruntime")
    manifest = {
        "name": NAME,
        "version": VERSION,
        "classes": list(CLASSES),
        "class_priors": {name: 1 / len(CLASSES) for name in CLASSES},
        "required": list(REQUIRED),
        "optional": list(OPTIONAL),
        "ranges": ranges(moments),
        "range_sd": RANGE_SD,
        "models": entries,
        "background": {
            "file": "background.json",
            "sha256": background_sha,
            "people": len(background),
        },
        "moments_sha256": hashlib.sha256(MOMENTS.read_bytes()).hexdigest(),
        "seeds": {"fit": FIT_SEED, "check": CHECK_SEED, "background": BACKGROUND_SEED},
        "per_class": {"fit": FIT_PER_CLASS, "check": CHECK_PER_CLASS},
        "versions": {name: version(name) for name in packages},
    }
    write_json("manifest.json", manifest)
    here = Path(__file__).parent
    text = json.dumps(report, indent=1)
    (here / "figures.json").write_text(text + "\n", encoding="utf-8")
    text = json.dumps(golden(models, moments), indent=1)
    (here / "golden.json").write_text(text + "\n", encoding="utf-8")
    (WEIGHTS / "MODEL_CARD.md").write_text(render(manifest, report), encoding="utf-8")


if __name__ == "__main__":
    main()
