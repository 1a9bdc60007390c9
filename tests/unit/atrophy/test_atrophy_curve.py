# SPDX-License-Identifier: Apache-2.0
"""The norm over age agrees with the score at the person's own age, and is small in the event."""

from __future__ import annotations

from dataclasses import replace

import pytest
from atrophy_people import BASELINE, VOLUMES, WOMAN_72, aged, scored

from memoryguard.atrophy.domain.choice import choices
from memoryguard.atrophy.domain.curve import CENTILES_Z, Curve, ages_of, curve, values_at
from memoryguard.atrophy.domain.measure import Engine, Person, Quantity
from memoryguard.atrophy.domain.setting import Norm, Setting, norm_of
from memoryguard.atrophy.domain.site import SiteOffset
from memoryguard.atrophy.packs import load_packs

PACKS = load_packs()
FREESURFER = Engine("freesurfer", "6.0")


def compared(region: str, engine: Engine, person: Person = WOMAN_72) -> tuple[Norm, Setting]:
    setting = Setting(person, engine, VOLUMES["intracranial"], PACKS)
    return norm_of(region, choices(engine, PACKS)[region], setting), setting


@pytest.mark.parametrize("engine", [BASELINE, FREESURFER], ids=["calibrated", "own"])
@pytest.mark.parametrize("region", ["hippocampus_total", "lateral_ventricles", "third_ventricle"])
def test_a_value_lies_at_the_centile_that_its_z_says(region: str, engine: Engine) -> None:
    """Whatever its scale, and with the engine's offset: five values, scored, are the five z."""
    norm, setting = compared(region, engine)
    for name, value in values_at(72.0, norm, setting).items():
        again = scored(engine=engine, **{region: Quantity(value, 1.0)}).regions[region]
        assert again.z == pytest.approx(CENTILES_Z[name], abs=1e-9)


@pytest.mark.parametrize("engine", [BASELINE, FREESURFER], ids=["calibrated", "own"])
@pytest.mark.parametrize("region", ["hippocampus_total", "lateral_ventricles"])
def test_the_median_stands_beside_what_was_measured(region: str, engine: Engine) -> None:
    """On the engine's scale, as the curve; what the norm says is on that of its software."""
    found = scored(engine=engine).regions[region]
    assert found.median == values_at(72.0, *compared(region, engine))["p50"]
    assert found.median is not None and found.expected is not None
    assert scored(engine=engine, **{region: Quantity(found.median, 1.0)}).regions[
        region
    ].z == pytest.approx(0.0, abs=1e-9)
    ratio = found.calibration.ratio if found.calibration else 1.0
    assert found.median == pytest.approx(ratio * found.expected)
    assert (ratio == 1.0) == (engine == FREESURFER)


def test_a_normal_norm_spreads_evenly_and_a_logarithm_does_not() -> None:
    volume = values_at(72.0, *compared("hippocampus_total", FREESURFER))
    assert volume["p95"] - volume["p50"] == pytest.approx(volume["p50"] - volume["p5"])
    ventricles = values_at(72.0, *compared("lateral_ventricles", FREESURFER))
    assert ventricles["p95"] / ventricles["p50"] == pytest.approx(
        ventricles["p50"] / ventricles["p5"]
    )


def test_what_a_site_is_off_moves_the_curve() -> None:
    norm, setting = compared("hippocampus_total", FREESURFER)
    off = replace(norm, site=SiteOffset("", CENTILES_Z["p95"], 0.1, 40))
    moved, before = values_at(72.0, off, setting), values_at(72.0, norm, setting)
    assert moved["p50"] == pytest.approx(before["p95"])


def test_a_curve_is_the_norm_at_every_fifth_year_of_its_range() -> None:
    norm, setting = compared("hippocampus_total", BASELINE)
    drawn = curve(norm, setting)
    assert drawn.age_years == (18.0, *(float(age) for age in range(20, 95, 5)), 94.0)
    assert drawn.age_years == ages_of(norm)
    for place, age in enumerate(drawn.age_years):
        exact = values_at(age, norm, setting)
        for name, values in drawn.centiles.items():
            assert values[place] == pytest.approx(exact[name], rel=5e-4)


def test_the_range_is_what_all_packs_of_a_mean_hold_for() -> None:
    norm, _ = compared("hippocampus_total", BASELINE)
    narrow = replace(norm.packs[0], valid_age_years=(20.0, 44.5))
    assert ages_of(replace(norm, packs=(narrow, *norm.packs[1:]))) == (
        *(20.0, 25.0, 30.0, 35.0),
        *(40.0, 44.5),
    )


def test_the_curve_is_the_same_at_every_age_of_the_person() -> None:
    """It is drawn for the sex, head and scanner alone; the measured value is only set on it."""
    assert drawn_at(60.0) == drawn_at(80.0)


def test_what_is_not_compared_has_no_curve() -> None:
    assert scored(aged(None)).regions["hippocampus_total"].curve is None
    assert scored().regions["grey_matter"].curve is None


def drawn_at(age_years: float) -> Curve:
    found = scored(aged(age_years)).regions["hippocampus_total"].curve
    assert found is not None
    return found
