# SPDX-License-Identifier: Apache-2.0
"""From a scored scan and health metrics to what is said about them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from contract.golden_events import MEASUREMENT
from unit.ml.ml_models import FOREIGN_INPUTS, foreign

from memoryguard.common.contracts import events as e
from memoryguard.common.errors import Misconfigured
from memoryguard.common.runtime.settings import read
from memoryguard.ml.answer import answer, configured_model
from memoryguard.ml.domain.features import FEATURES
from memoryguard.ml.model import RiskModel
from memoryguard.ml.settings import MlSettings

HEALTH = {"education_years": 14.0, "apoe4_alleles": 1.0, "moca": 22.0, "mmse": 26.0}
Z = {"hippocampus_total": -1.8, "lateral_ventricles": 1.2, "total_brain": -1.0}


def scored(**changes: object) -> e.AtrophyScored:
    golden = next(fact for fact in MEASUREMENT if isinstance(fact, e.AtrophyScored))
    regions = {
        name: e.RegionScore(volume_mm3=1.0, z=z, z_sd=0.4, z_sd_parts={"site": 0.4})
        for name, z in Z.items()
    }
    change = e.Change(
        scans=2,
        interval_years=2.0,
        percent_per_year=-3.0,
        se_percent_per_year=1.0,
    )
    fields: dict[str, object] = {
        "regions": regions,
        "change": {"hippocampus_total": change},
        "person": e.Person(age_years=74.0, sex="F"),
    }
    return golden.model_copy(update=fields | changes)


def predicted(scan: e.AtrophyScored, health: dict[str, float]) -> e.RiskPredicted:
    found = answer(scan, health)
    assert isinstance(found, e.RiskPredicted)
    return e.RiskPredicted.model_validate_json(found.model_dump_json())


def test_everything_that_was_promised_is_in_the_event() -> None:
    found = predicted(scored(), HEALTH)
    assert found.dementia_similarity == found.output == found.probabilities["Dementia"]
    assert found.explained == "dementia_similarity"
    assert found.method == "exact"
    assert found.background_people == 99
    assert found.baseline is not None
    assert found.additivity_error is not None
    assert found.additivity_error < 1e-6
    assert set(found.intervals95) == set(found.probabilities) == set(found.prevalence)
    assert found.missing == {}
    assert found.interval_omits == ()
    assert found.model.weights_sha256 == configured_model().sha256
    effects = [each.contribution for each in found.contributions]
    assert found.base + math.fsum(effects) == pytest.approx(found.output, abs=1e-9)
    assert math.fsum(found.group_contributions.values()) == pytest.approx(math.fsum(effects))
    assert effects == sorted(effects, key=lambda effect: -abs(effect))
    assert all(each.sentence and each.error is None for each in found.contributions)
    assert {each.group for each in found.contributions} == {"imaging", "clinical"}


def test_all_that_was_gathered_is_in_the_event_with_reasons() -> None:
    found = predicted(scored(), {"moca": 22.0})
    assert tuple(found.features) == FEATURES
    assert found.features["hippocampus_z"] == e.Quantity(value=-1.8, error_sd=0.4)
    assert found.features["hippocampus_percent_per_year"].error_sd == pytest.approx(1.0)
    assert found.features["mmse"] == e.Quantity(value=None, reason="not_reported")
    assert set(found.missing) == {"education_years", "apoe4_alleles", "mmse"}


def test_an_error_known_in_part_is_named() -> None:
    region = e.RegionScore(
        volume_mm3=1.0,
        z=-1.0,
        z_sd=None,
        z_sd_parts={"site": 0.3, "pack": 0.4, "measurement": None},
    )
    found = predicted(scored(regions={"hippocampus_total": region}), {})
    assert found.interval_omits == ("hippocampus_z",)
    assert found.features["hippocampus_z"].error_sd == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"person": e.Person(sex="F")}, "required_input_missing", "age_years (age_unknown)"),
        ({"regions": {}}, "too_much_missing", "too much is missing"),
        (
            {"person": e.Person(age_years=30.0, sex="F")},
            "input_outside_training_range",
            "fitted for: age_years",
        ),
        (
            {"quality": e.Quality(verdict="refused", reasons=())},
            "quality_refused",
            "the scan was refused",
        ),
    ],
)
def test_it_says_why_it_says_nothing(changes: dict[str, object], code: str, message: str) -> None:
    found = answer(scored(**changes), HEALTH)
    assert isinstance(found, e.RiskWithheld)
    assert [reason.code for reason in found.reasons] == [code]
    assert message in found.reasons[0].message
    assert tuple(found.features) == FEATURES


def test_a_model_of_somebody_elses_is_no_similarity_to_dementia(tmp_path: Path) -> None:
    model = RiskModel(foreign(tmp_path / "model"))
    scan = scored(
        thickness_mm={"cortex_mean": e.Quantity(value=2.3, error_sd=0.1)},
        asymmetry_percent={"hippocampus": e.Quantity(value=-3.0)},
    )
    found = answer(scan, {}, model)
    assert isinstance(found, e.RiskPredicted)
    assert found.dementia_similarity is None
    assert found.explained == "similarity_ill"
    assert {each.feature for each in found.contributions} == set(FOREIGN_INPUTS)
    assert found.method == "permutation"


def test_settings_choose_model_and_population(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(MlSettings) == MlSettings(model=None, prevalence=None)
    monkeypatch.setenv("MEMORYGUARD_ML_MODEL", "/models/new")
    monkeypatch.setenv("MEMORYGUARD_ML_PREVALENCE", '{"healthy": 0.4, "ill": 0.6}')
    found = read(MlSettings)
    assert found.model == Path("/models/new")
    assert found.prevalence == {"healthy": 0.4, "ill": 0.6}


@pytest.mark.parametrize("text", ["half and half", '{"CN": "most"}', "[0.5, 0.5]"])
def test_a_prevalence_that_cannot_be_read_is_no_setting(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("MEMORYGUARD_ML_PREVALENCE", text)
    with pytest.raises(Misconfigured) as caught:
        read(MlSettings)
    assert caught.value.code == "bad_settings"
