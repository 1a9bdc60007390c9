# SPDX-License-Identifier: Apache-2.0
"""The shipped risk models: intact, equal to what was fitted, explained, and abstaining."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from memoryguard.common.errors import Misconfigured
from memoryguard.ml.domain.features import FEATURES, OPTIONAL, REQUIRED, FeatureSet
from memoryguard.ml.domain.prediction import NoPrediction, Prediction
from memoryguard.ml.model import SHIPPED, RiskModel

TRAINING = Path(__file__).parents[3] / "training/risk"
GOLDEN = json.loads((TRAINING / "golden.json").read_text())
FIGURES = json.loads((TRAINING / "figures.json").read_text())
SUBSETS = [extra for size in range(4) for extra in itertools.combinations(OPTIONAL, size)]
PERSON = {
    "age_years": 74.0,
    "male": 0.0,
    "hippocampus_total_mm3": 6300.0,
    "intracranial_mm3": 1_450_000.0,
    "education_years": 15.0,
    "apoe4_count": 1.0,
    "moca": 22.0,
}


@pytest.fixture(scope="module")
def model() -> RiskModel:
    return RiskModel()


def known(*extra: str, **values: float) -> FeatureSet:
    """Required inputs and the optional ones named."""
    kept = [name for name in FEATURES if name in REQUIRED or name in extra]
    found = {name: (PERSON | values)[name] for name in kept}
    return FeatureSet(found, {n: "not_reported" for n in FEATURES if n not in found})


def similarity(model: RiskModel, **values: float) -> float:
    names = tuple(FEATURES)
    row = np.asarray([[(PERSON | values)[name] for name in names]])
    return float(model.probabilities(names, row)[0, 2])


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: "-".join(case["features"][4:]) or "none")
def test_exports_equal_what_was_fitted(model: RiskModel, case: dict[str, list[float]]) -> None:
    """scikit-learn in double precision against ONNX in single."""
    names = tuple(str(name) for name in case["features"])
    found = model.probabilities(names, np.asarray([case["values"]]))[0]
    assert found == pytest.approx(case["probabilities"], abs=1e-5)


@pytest.mark.parametrize("extra", SUBSETS, ids=lambda extra: "-".join(extra) or "none")
def test_every_subset_answers_and_adds_up(model: RiskModel, extra: tuple[str, ...]) -> None:
    found = model.predict(known(*extra))
    assert isinstance(found, Prediction)
    assert sum(found.probabilities.values()) == pytest.approx(1.0, abs=1e-6)
    assert found.dementia_similarity == found.probabilities["Dementia"]
    explained = found.explanation
    assert tuple(explained.contributions) == REQUIRED + extra
    total = explained.base + math.fsum(explained.contributions.values())
    assert total == pytest.approx(found.dementia_similarity, abs=1e-6)
    assert set(found.missing) == set(OPTIONAL) - set(extra)


def test_shapley_values_are_exact(model: RiskModel) -> None:
    """Against the definition: every order's marginal contribution, over the whole background."""
    found = model.predict(known())
    assert isinstance(found, Prediction)
    document = json.loads((SHIPPED / "background.json").read_text())
    background = np.asarray(document["values"])[:, : len(REQUIRED)]
    person = np.asarray([PERSON[name] for name in REQUIRED])

    def value(coalition: frozenset[int]) -> float:
        rows = background.copy()
        for column in coalition:
            rows[:, column] = person[column]
        return float(model.probabilities(REQUIRED, rows)[:, 2].mean())

    everyone = range(len(REQUIRED))
    coalitions = [
        frozenset(chosen) for size in range(5) for chosen in itertools.combinations(everyone, size)
    ]
    worth = {coalition: value(coalition) for coalition in coalitions}
    for index, name in enumerate(REQUIRED):
        marginals = [
            worth[frozenset(order[: order.index(index) + 1])]
            - worth[frozenset(order[: order.index(index)])]
            for order in itertools.permutations(everyone)
        ]
        assert found.explanation.contributions[name] == pytest.approx(
            math.fsum(marginals) / len(marginals), abs=1e-6
        )


def test_less_hippocampus_and_fewer_points_never_look_healthier(model: RiskModel) -> None:
    volumes = [similarity(model, hippocampus_total_mm3=v) for v in range(9000, 4000, -250)]
    assert volumes == sorted(volumes)
    assert volumes[-1] - volumes[0] > 0.1
    points = [similarity(model, moca=m) for m in range(30, 10, -1)]
    assert points == sorted(points)


def test_extremes_look_like_their_groups(model: RiskModel) -> None:
    well = model.predict(known(*OPTIONAL, hippocampus_total_mm3=8200.0, moca=28.0, apoe4_count=0.0))
    ill = model.predict(known(*OPTIONAL, hippocampus_total_mm3=4800.0, moca=16.0, apoe4_count=2.0))
    assert isinstance(well, Prediction)
    assert isinstance(ill, Prediction)
    assert well.probabilities["CN"] > 0.6
    assert ill.probabilities["Dementia"] > 0.8
    assert ill.explanation.contributions["moca"] > 0.0 > well.explanation.contributions["moca"]


@pytest.mark.parametrize("entry", FIGURES, ids=lambda e: "-".join(e["features"][4:]) or "none")
def test_measured_figures_beat_the_prior(entry: dict[str, dict[str, float]]) -> None:
    for sample in ("fresh_draws", "synthetic_adni_table"):
        figures = entry[sample]
        assert figures["brier"] < figures["brier_of_prior"]
        assert figures["log_loss"] < figures["log_loss_of_prior"]
        assert figures["macro_ovr_auc"] > 0.65


def test_missing_required_input_withholds(model: RiskModel) -> None:
    features = known()
    values = {k: v for k, v in features.values.items() if k != "hippocampus_total_mm3"}
    missing = features.missing | {"hippocampus_total_mm3": "not_measured"}
    found = model.predict(FeatureSet(values, missing))
    assert isinstance(found, NoPrediction)
    assert [(r.code, r.feature) for r in found.reasons] == [
        ("required_input_missing", "hippocampus_total_mm3")
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [("age_years", 30.0), ("hippocampus_total_mm3", 1200.0), ("moca", 31.0), ("apoe4_count", 3.0)],
)
def test_outside_the_training_range_withholds(model: RiskModel, name: str, value: float) -> None:
    found = model.predict(known(*OPTIONAL, **{name: value}))
    assert isinstance(found, NoPrediction)
    assert found.out_of_range == (name,)


def test_refused_scan_withholds(model: RiskModel) -> None:
    assert isinstance(model.predict(known(), "refused"), NoPrediction)


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    folder = shutil.copytree(SHIPPED, tmp_path / "weights")
    file = folder / "risk.onnx"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(Misconfigured) as caught:
        RiskModel(folder)
    assert caught.value.code == "risk_model_damaged"


def test_an_absent_file_is_found(tmp_path: Path) -> None:
    folder = shutil.copytree(SHIPPED, tmp_path / "weights")
    (folder / "background.json").unlink()
    with pytest.raises(Misconfigured) as caught:
        RiskModel(folder)
    assert caught.value.code == "risk_model_absent"


def test_warming_up_says_nothing(model: RiskModel, capsys: pytest.CaptureFixture[str]) -> None:
    """shap draws a progress bar when it is left to itself."""
    model.warm_up()
    assert capsys.readouterr() == ("", "")


def test_the_family_is_known_by_its_manifest(model: RiskModel) -> None:
    manifest = (SHIPPED / "manifest.json").read_bytes()
    assert model.weights_sha256 == hashlib.sha256(manifest).hexdigest()


def test_manifest_names_the_moments_it_was_fitted_on() -> None:
    manifest = json.loads((SHIPPED / "manifest.json").read_text())
    moments = (TRAINING / "moments.json").read_bytes()
    assert manifest["moments_sha256"] == hashlib.sha256(moments).hexdigest()
    assert sum(manifest["class_priors"].values()) == pytest.approx(1.0)
