# SPDX-License-Identifier: Apache-2.0
"""The shipped risk model: intact, equal to what was fitted, ordered, explained, and abstaining."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from unit.ml.ml_models import PERSON, measures

from memoryguard.common.errors import Misconfigured
from memoryguard.ml.domain.prediction import NoPrediction, Prediction
from memoryguard.ml.model import SHIPPED, RiskModel
from memoryguard.ml.network import Network

TRAINING = Path(__file__).parents[3] / "training/risk"
GOLDEN = json.loads((TRAINING / "golden.json").read_text())
NAMES = tuple(PERSON)
OPTIONAL = NAMES[2:]
RISES = {"apoe4_alleles", "ventricles_z"}
FALLS = {"moca", "mmse", "hippocampus_z", "brain_z", "hippocampus_percent_per_year"}
PATTERNS = np.asarray(list(itertools.product([True, False], repeat=len(OPTIONAL))))


@pytest.fixture(scope="module")
def model() -> RiskModel:
    return RiskModel()


@pytest.fixture(scope="module")
def network() -> Network:
    """The file alone, as any other runtime would load it."""
    return Network((SHIPPED / "risk.onnx").read_bytes(), len(NAMES), 3)


def rows_of_every_pattern(values: dict[str, float]) -> NDArray[np.float64]:
    rows = np.tile([values[name] for name in NAMES], (len(PATTERNS), 1))
    rows[:, 2:][~PATTERNS] = np.nan
    return rows


def predicted(model: RiskModel, values: dict[str, float], **errors: float) -> Prediction:
    found = model.predict(measures(values, errors))
    assert isinstance(found, Prediction)
    return found


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: f"{len(case['values'])} known")
def test_the_file_says_what_was_fitted(network: Network, case: dict[str, dict[str, float]]) -> None:
    row = [case["values"].get(name, math.nan) for name in NAMES]
    found = network.probabilities(np.asarray([row]))[0]
    assert found == pytest.approx(case["probabilities"], abs=1e-9)


def test_inputs_are_those_that_the_tests_know(model: RiskModel) -> None:
    assert model.manifest.features == NAMES
    assert model.manifest.classes == ("CN", "MCI", "Dementia")
    assert {n for n, sign in model.manifest.made["signs"].items() if sign > 0} == RISES
    assert {n for n, sign in model.manifest.made["signs"].items() if sign < 0} == FALLS


def test_the_file_is_ordered_in_every_pattern(network: Network) -> None:
    """A coefficient that rises from CN to MCI to dementia makes the probability rise everywhere."""
    found = network.run("coefficients", rows_of_every_pattern(PERSON))
    steps = np.diff(found[:, :-1], axis=2)
    for name, sign in [*((n, 1.0) for n in RISES), *((n, -1.0) for n in FALLS)]:
        assert (sign * steps[:, NAMES.index(name)] >= 0.0).all(), name
    unknown = np.isnan(rows_of_every_pattern(PERSON))
    assert (found[:, :-1][unknown] == 0.0).all()


@pytest.mark.parametrize("name", sorted(RISES | FALLS))
def test_the_probability_itself_goes_one_way(network: Network, name: str) -> None:
    """On the file, in every pattern, over the whole range and beyond."""
    generator = np.random.default_rng(1)
    for _ in range(3):
        values = {n: v + generator.standard_normal() for n, v in PERSON.items()}
        steps = [values | {name: values[name] + step} for step in np.linspace(-8.0, 8.0, 9)]
        found = np.asarray([network.probabilities(rows_of_every_pattern(v))[:, 2] for v in steps])
        changes = np.diff(found if name in RISES else found[::-1], axis=0)
        assert (changes >= -1e-12).all()
        known = ~np.isnan(rows_of_every_pattern(PERSON)[:, NAMES.index(name)])
        assert (changes[:, ~known] == 0.0).all()


def test_age_and_sex_are_asked_for_by_the_file_itself(network: Network) -> None:
    rows = rows_of_every_pattern(PERSON)
    assert np.isfinite(network.probabilities(rows)).all()
    for column in (0, 1):
        without = rows.copy()
        without[:, column] = np.nan
        assert np.isnan(network.probabilities(without)).all()


@given(st.sets(st.sampled_from(OPTIONAL)), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_whatever_is_known_it_answers_and_adds_up(known: set[str], seed: int) -> None:
    model = RiskModel()
    noise = np.random.default_rng(seed).uniform(-1.0, 1.0, len(NAMES))
    noise[1] = 0.0
    values = {n: PERSON[n] + e for n, e in zip(NAMES, noise, strict=True) if n in known}
    values |= {"age_years": 70.0, "male": 1.0, "brain_z": values.get("brain_z", 0.3)}
    found = predicted(model, values, brain_z=0.5)
    explained = found.explanation
    assert math.fsum(found.probabilities.values()) == pytest.approx(1.0, abs=1e-12)
    assert set(explained.effects) == set(values)
    total = explained.base + math.fsum(effect.value for effect in explained.effects.values())
    assert total == pytest.approx(found.similarity, abs=1e-9)
    assert explained.additivity_error < 1e-9
    for name, probability in found.probabilities.items():
        low, high = found.intervals95[name]
        assert 0.0 <= low <= probability <= high <= 1.0


def test_shap_agrees_with_the_shipped_model(model: RiskModel) -> None:
    """Warming up compares, and would refuse; and says nothing (shap draws a progress bar)."""
    model.warm_up()


def test_what_is_known_less_surely_gets_a_wider_interval(model: RiskModel) -> None:
    def width(error: float) -> float:
        low, high = predicted(model, PERSON, hippocampus_z=error).intervals95["Dementia"]
        return high - low

    assert 0.0 < width(0.0) < width(0.5) < width(1.5)
    again = predicted(model, PERSON, hippocampus_z=0.5)
    assert again == predicted(model, PERSON, hippocampus_z=0.5)


def test_another_population_has_other_odds(model: RiskModel) -> None:
    shares = {"CN": 0.8, "MCI": 0.15, "Dementia": 0.05}
    here, there = predicted(model, PERSON), predicted(RiskModel(None, shares), PERSON)
    assert there.prevalence == shares
    assert there.similarity < here.similarity
    for name in ("MCI", "Dementia"):
        odds = [each.probabilities[name] / each.probabilities["CN"] for each in (here, there)]
        assumed = [each.prevalence[name] / each.prevalence["CN"] for each in (here, there)]
        assert odds[0] / assumed[0] == pytest.approx(odds[1] / assumed[1])
    assert there.explanation.base < here.explanation.base
    assert "79 CN, 15 MCI, 5 Dementia" in there.explanation.baseline


def test_the_default_population_is_the_published_one(model: RiskModel) -> None:
    counts = [share * (229 + 398 + 192) for share in model.prevalence.values()]
    assert counts == pytest.approx([229.0, 398.0, 192.0])


@pytest.mark.parametrize(
    "shares",
    [
        {"CN": 0.5, "MCI": 0.5},
        {"CN": 0.5, "MCI": 0.4, "Dementia": 0.2},
        {"CN": 1.2, "MCI": -0.4, "Dementia": 0.2},
        {"CN": 0.5, "MCI": 0.3, "AD": 0.2},
    ],
)
def test_a_prevalence_that_is_none_is_refused(shares: dict[str, float]) -> None:
    with pytest.raises(Misconfigured) as caught:
        RiskModel(None, shares)
    assert caught.value.code == "risk_prevalence"


def test_extremes_look_like_their_groups(model: RiskModel) -> None:
    well = predicted(model, PERSON | {"hippocampus_z": 0.8, "moca": 29.0, "mmse": 30.0})
    ill = predicted(model, PERSON | {"hippocampus_z": -3.5, "moca": 15.0, "mmse": 20.0})
    assert well.probabilities["CN"] > 0.6
    assert ill.probabilities["Dementia"] > 0.8
    effects = [each.explanation.effects["moca"].value for each in (ill, well)]
    assert effects[0] > 0.0 > effects[1]


@pytest.mark.parametrize("missing", ["age_years", "male"])
def test_without_age_or_sex_it_says_nothing(model: RiskModel, missing: str) -> None:
    found = model.predict(measures({n: v for n, v in PERSON.items() if n != missing}))
    assert isinstance(found, NoPrediction)
    assert [(r.code, r.feature) for r in found.reasons] == [("required_input_missing", missing)]


def test_without_any_region_it_says_nothing(model: RiskModel) -> None:
    found = model.predict(measures({n: v for n, v in PERSON.items() if not n.endswith("_z")}))
    assert isinstance(found, NoPrediction)
    assert [r.code for r in found.reasons] == ["too_much_missing"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("age_years", 30.0), ("hippocampus_z", -9.0), ("moca", 31.0), ("apoe4_alleles", 3.0)],
)
def test_outside_the_training_range_it_says_nothing(
    model: RiskModel, name: str, value: float
) -> None:
    found = model.predict(measures(PERSON | {name: value}))
    assert isinstance(found, NoPrediction)
    assert [(r.code, r.feature) for r in found.reasons] == [("input_outside_training_range", name)]


def test_of_a_refused_scan_it_says_nothing(model: RiskModel) -> None:
    assert isinstance(model.predict(measures(PERSON), "refused"), NoPrediction)


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    folder = shutil.copytree(SHIPPED, tmp_path / "weights")
    data = bytearray((folder / "risk.onnx").read_bytes())
    data[-1] ^= 1
    (folder / "risk.onnx").write_bytes(data)
    with pytest.raises(Misconfigured) as caught:
        RiskModel(folder)
    assert caught.value.code == "risk_model_damaged"


def test_it_is_known_by_its_manifest_which_names_what_it_was_made_of(model: RiskModel) -> None:
    assert model.sha256 == hashlib.sha256((SHIPPED / "manifest.json").read_bytes()).hexdigest()
    for name, digest in model.manifest.made["inputs_sha256"].items():
        assert hashlib.sha256((TRAINING / name).read_bytes()).hexdigest() == digest
