# SPDX-License-Identifier: Apache-2.0
"""Any other ONNX model can be put in our model's place, and is checked at start."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto
from unit.ml.ml_models import FOREIGN_INPUTS, foreign, linear, linear_network, measures, network

from memoryguard.common.errors import Misconfigured
from memoryguard.ml.domain.prediction import NoPrediction, Prediction
from memoryguard.ml.manifest import MANIFEST
from memoryguard.ml.model import RiskModel

PERSON = dict(zip(FOREIGN_INPUTS, (75.0, 2.1, -8.0), strict=True))


def refused(folder: Path) -> str:
    with pytest.raises(Misconfigured) as caught:
        RiskModel(folder)
    return caught.value.code


@pytest.mark.parametrize("element", [TensorProto.FLOAT, TensorProto.DOUBLE])
def test_it_answers_and_is_explained_by_permutations(tmp_path: Path, element: int) -> None:
    model = RiskModel(foreign(tmp_path / "model", network(element)))
    model.warm_up()
    found = model.predict(measures(PERSON, {"cortex_thickness_mm": 0.1}))
    assert isinstance(found, Prediction)
    explained = found.explanation
    assert set(found.probabilities) == {"healthy", "ill"}
    assert explained.method == "permutation"
    assert explained.background_people == 40
    assert found.prevalence == {}
    total = explained.base + sum(effect.value for effect in explained.effects.values())
    assert total == pytest.approx(found.similarity, abs=1e-6)
    assert all(effect.error is not None for effect in explained.effects.values())
    low, high = found.intervals95["ill"]
    assert low < found.similarity < high


def test_what_it_is_not_made_for_is_missing(tmp_path: Path) -> None:
    """It says nothing of NaN, so all its inputs are needed."""
    model = RiskModel(foreign(tmp_path / "model"))
    found = model.predict(measures({"age_years": 75.0}))
    assert isinstance(found, NoPrediction)
    assert [r.feature for r in found.reasons] == list(FOREIGN_INPUTS[1:])


def test_shares_it_was_not_trained_for_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        RiskModel(foreign(tmp_path / "model"), {"healthy": 0.5, "ill": 0.5})
    assert caught.value.code == "risk_prevalence"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"no ONNX", "risk_model_unreadable"),
        (network(inputs=4), "risk_model_shape"),
        (network(classes=3), "risk_model_shape"),
        (network(TensorProto.FLOAT, output="answers"), "risk_model_shape"),
        (network(scale=0.9), "risk_model_output"),
        (network(scale=-1.0), "risk_model_output"),
        (network(scale=float("nan")), "risk_model_output"),
    ],
)
def test_a_network_that_will_not_do(tmp_path: Path, content: bytes, code: str) -> None:
    assert refused(foreign(tmp_path / "model", content)) == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"format": 2}, "risk_model_manifest"),
        ({"explained": "dead"}, "risk_model_manifest"),
        ({"classes": ["ill", "ill"]}, "risk_model_manifest"),
        ({"one_of": ["moca"]}, "risk_model_manifest"),
        ({"trained_for": {"healthy": 0.5, "ill": 0.5}}, "risk_model_manifest"),
        (
            {
                "trained_for": {"healthy": 0.5, "ill": 0.5},
                "prevalence": {"healthy": 0.5, "ill": 0.6},
            },
            "risk_model_manifest",
        ),
        ({"unheard_of": 1}, "risk_model_manifest"),
        ({"model": {"name": "../model", "sha256": "0" * 64}}, "risk_model_manifest"),
        ({"model": {"name": "other", "sha256": "0" * 64}}, "risk_model_absent"),
        ({"model": {"name": "model", "sha256": "0" * 64}}, "risk_model_damaged"),
        ({"inputs": [{"name": "shoe_size", "low": 0, "high": 50}]}, "risk_model_features"),
        (
            {"inputs": [{"name": n, "low": 0, "high": 100} for n in reversed(FOREIGN_INPUTS)]},
            "risk_model_background",
        ),
        ({"missing_as_nan": True, "inputs": "optional"}, "risk_model_output"),
    ],
)
def test_a_manifest_that_will_not_do(tmp_path: Path, changes: dict[str, Any], code: str) -> None:
    if changes.get("inputs") == "optional":  # it says that it takes gaps, and answers NaN
        optional = [{"name": name, "low": -200, "high": 200} for name in FOREIGN_INPUTS]
        changes = changes | {"inputs": optional}
    assert refused(foreign(tmp_path / "model", **changes)) == code


def test_one_that_states_its_coefficients_is_explained_exactly(tmp_path: Path) -> None:
    model = RiskModel(linear(tmp_path / "model", linear_network()))
    model.warm_up()
    found = model.predict(measures({"hippocampus_z": -1.0, "brain_z": 0.5}))
    assert isinstance(found, Prediction)
    assert found.explanation.method == "exact"
    assert found.intervals95["ill"] == (found.similarity, found.similarity)  # nothing is uncertain


def test_coefficients_that_are_not_its_own_are_found(tmp_path: Path) -> None:
    assert refused(linear(tmp_path / "model", linear_network(off=0.01))) == "risk_model_output"


def test_where_they_are_only_true_of_the_background_shap_disagrees(tmp_path: Path) -> None:
    model = RiskModel(linear(tmp_path / "model", linear_network(bend=3.0)))
    with pytest.raises(Misconfigured) as caught:
        model.warm_up()
    assert caught.value.code == "risk_model_explanation"


def test_an_empty_folder(tmp_path: Path) -> None:
    assert refused(tmp_path) == "risk_model_absent"


def test_a_background_with_gaps(tmp_path: Path) -> None:
    folder = foreign(tmp_path / "model")
    document = json.loads((folder / MANIFEST).read_text())

    data = json.dumps({"features": FOREIGN_INPUTS, "values": [[1.0, 2.0, None]]}).encode()
    (folder / "background").write_bytes(data)
    document["background"]["sha256"] = hashlib.sha256(data).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(document))
    assert refused(folder) == "risk_model_background"
