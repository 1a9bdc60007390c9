# SPDX-License-Identifier: Apache-2.0
"""A scan's score: what is compared with what, how certain it is, and what is withheld."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from atrophy_people import VOLUMES, WOMAN_72, aged, scored

from memoryguard.atrophy.domain.measure import Engine, Quantity
from memoryguard.atrophy.domain.result import Overall, RegionScore
from memoryguard.atrophy.domain.score import overall
from memoryguard.atrophy.packs import load_pack


def test_a_usual_brain_is_unremarkable() -> None:
    found = scored()
    hippocampus = found.regions["hippocampus_total"]
    assert hippocampus.pack == "potvin_2016_2017+nomis_fs6"
    assert hippocampus.z == pytest.approx(0.0, abs=0.3)
    assert hippocampus.severity == "none"
    assert hippocampus.centile == pytest.approx(50.0, abs=12.0)
    assert found.packs == {"potvin_2016_2017": "2", "nomis_fs6": "2"}
    assert found.flags == ()


def test_a_small_hippocampus_is_severe_and_names_itself() -> None:
    found = scored(hippocampus_total=Quantity(4000.0, 100.0))
    assert found.regions["hippocampus_total"].severity == "severe"
    assert found.overall.severity == "severe"
    assert found.overall.region == "hippocampus_total"


def test_wide_ventricles_are_abnormal_high() -> None:
    found = scored(lateral_ventricles=Quantity(150_000.0, 1000.0)).regions["lateral_ventricles"]
    assert found.direction == "high"
    assert found.z is not None
    assert found.z > 3.0
    assert found.severity == "severe"
    assert found.centile is not None
    assert found.centile > 99.8


def test_the_parts_make_the_sd() -> None:
    region = scored().regions["hippocampus_total"]
    parts = region.sd_parts
    assert parts is not None
    assert parts.retest == pytest.approx(100.0 / region.calibration.ratio / region.residual_sd)
    assert parts.calibration > 0.2
    assert parts.scanner == 0.0
    assert region.z_sd == pytest.approx(
        math.sqrt(
            parts.pack**2
            + parts.site**2
            + parts.scanner**2
            + parts.calibration**2
            + parts.version**2
            + (parts.retest or 0) ** 2
            + (parts.intracranial or 0) ** 2
        )
    )


def test_head_size_error_enters_by_the_norms_slope() -> None:
    region = scored(intracranial=Quantity(1_420_000.0, 100_000.0)).regions["hippocampus_total"]
    lower, upper = (
        scored(intracranial=Quantity(icv, 1.0)).regions["hippocampus_total"].expected
        for icv in (1_320_000.0, 1_520_000.0)
    )
    assert region.sd_parts is not None
    assert region.sd_parts.intracranial == pytest.approx((upper - lower) / 2.0 / region.residual_sd)


def test_unknown_scanner_costs_certainty_and_is_flagged() -> None:
    found = scored(replace(WOMAN_72, manufacturer=None, field_strength_t=None))
    region = found.regions["hippocampus_total"]
    assert region.sd_parts is not None
    assert region.sd_parts.scanner > 0.2
    assert "scanner_unknown" in found.flags


def test_a_missing_error_is_taken_from_published_rescans() -> None:
    region = scored(hippocampus_total=Quantity(7550.0)).regions["hippocampus_total"]
    assert region.sd_parts is not None
    assert region.calibration is not None
    cv = 0.018 * 7550.0 / region.calibration.ratio
    assert region.sd_parts.retest == pytest.approx(cv / region.residual_sd)


def test_a_volume_without_any_published_error_takes_the_bound_of_its_agreement() -> None:
    found = scored(third_ventricle=Quantity(1320.0)).regions["third_ventricle"]
    assert found.sd_parts is not None
    pack = load_pack("potvin_2016_2017")
    bound = math.sqrt(1.0 - 0.97) * pack.population_sd["third_ventricle"] / found.residual_sd
    assert found.sd_parts.retest == pytest.approx(bound)


@pytest.mark.parametrize(
    ("age_years", "reason"),
    [(None, "age_unknown"), (17.9, "age_outside_norm_range"), (94.1, "age_outside_norm_range")],
)
def test_age_is_never_extrapolated(age_years: float | None, reason: str) -> None:
    found = scored(aged(age_years))
    region = found.regions["hippocampus_total"]
    assert (region.z, region.centile, region.severity, region.reason) == (None, None, None, reason)
    assert found.overall == Overall(
        None, None, at_least=False, considered=(), reason="no_region_scored"
    )


@pytest.mark.parametrize("age_years", [18.0, 94.0])
def test_the_norms_own_limits_are_inside(age_years: float) -> None:
    assert scored(aged(age_years)).regions["hippocampus_total"].z is not None


def test_unknown_sex_withholds() -> None:
    found = scored(replace(WOMAN_72, sex=None))
    assert found.regions["hippocampus_total"].reason == "sex_unknown"


def test_seven_tesla_is_outside_the_norms() -> None:
    found = scored(replace(WOMAN_72, field_strength_t=7.0))
    assert found.regions["hippocampus_total"].reason == "field_strength_outside_norm_range"


def test_unmeasured_head_size_withholds() -> None:
    found = scored(intracranial=Quantity(None, None, "not_measured_by_engine"))
    assert found.regions["hippocampus_total"].reason == "intracranial_unknown"


def test_a_volumes_own_reason_is_kept() -> None:
    region = scored(hippocampus_total=Quantity(None, None, "engine_uncertain")).regions[
        "hippocampus_total"
    ]
    assert region.reason == "engine_uncertain"
    assert region.z is None


def test_refused_quality_withholds_everything() -> None:
    found = scored(quality="refused")
    assert {region.reason for region in found.regions.values()} == {"quality_refused"}
    assert found.overall.severity is None
    assert all(index.value is None for index in found.asymmetry_percent.values())


def test_unknown_engine_has_no_norm() -> None:
    found = scored(engine=Engine("somebody-elses", "3"))
    assert {region.reason for region in found.regions.values()} == {"no_norm_for_engine"}


def test_whole_brain_is_not_compared_across_programs() -> None:
    """The only brain norm falls 6 SD off on FreeSurfer's healthy people: it must not be used."""
    assert scored().regions["total_brain"].reason == "norm_not_transferable"
    own = scored(engine=Engine("synthseg", "2")).regions["total_brain"]
    assert own.reason is None
    assert own.z is not None


def test_tissue_without_a_norm_says_so() -> None:
    assert scored().regions["grey_matter"].reason == "no_norm_for_region"


def test_regions_the_engine_did_not_give_are_listed() -> None:
    assert scored().regions["cortical_grey_matter"].reason == "not_measured"


def test_unusual_head_is_flagged_not_refused() -> None:
    found = scored(intracranial=Quantity(1_900_000.0, 20_000.0))
    assert "intracranial_unusual" in found.flags
    assert found.regions["hippocampus_total"].z is not None


@pytest.mark.parametrize("volume_mm3", [0.0, -1.0, math.nan, math.inf])
def test_volumes_must_be_positive_numbers(volume_mm3: float) -> None:
    found = scored(lateral_ventricles=Quantity(volume_mm3, 10.0))
    assert found.regions["lateral_ventricles"].reason == "volume_not_positive"
    assert found.ratios["ventricles_to_brain"].reason == "volume_not_positive"
    no_head = scored(intracranial=Quantity(volume_mm3, 10.0)).regions["hippocampus_total"]
    assert no_head.reason == "intracranial_not_positive"


def test_smaller_hippocampus_never_scores_better() -> None:
    found = [
        scored(hippocampus_total=Quantity(float(mm3), 100.0)).regions["hippocampus_total"]
        for mm3 in range(9000, 3000, -250)
    ]
    zs = [region.z for region in found]
    assert zs == sorted(zs, reverse=True)
    order = ["none", "mild", "moderate", "severe"]
    ranks = [order.index(r.severity) for r in found if r.severity != "uncertain"]
    assert ranks == sorted(ranks)
    assert set(ranks) >= {0, 3}


def _region(severity: str) -> RegionScore:
    return RegionScore(Quantity(1.0), "low", z=0.0, severity=severity)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("hippocampus", "ventricles", "expected"),
    [
        ("none", "none", ("none", False)),
        ("mild", "severe", ("severe", False)),
        ("none", "uncertain", ("uncertain", False)),
        ("moderate", "uncertain", ("moderate", True)),
        ("uncertain", "uncertain", ("uncertain", False)),
    ],
)
def test_overall_is_the_worst_certain_word(
    hippocampus: str, ventricles: str, expected: tuple[str, bool]
) -> None:
    found = overall(
        {"hippocampus_total": _region(hippocampus), "lateral_ventricles": _region(ventricles)}
    )
    assert (found.severity, found.at_least) == expected
    assert found.considered == ("hippocampus_total", "lateral_ventricles")


def test_asymmetry_swaps_sign_with_the_sides() -> None:
    left, right = VOLUMES["hippocampus_left"], VOLUMES["hippocampus_right"]
    there = scored().asymmetry_percent["hippocampus"]
    back = scored(hippocampus_left=right, hippocampus_right=left).asymmetry_percent["hippocampus"]
    assert there.value == pytest.approx(200.0 * (3700.0 - 3850.0) / 7550.0)
    assert back.value == pytest.approx(-(there.value or 0.0))
    assert back.error_sd == pytest.approx(there.error_sd)
    # Equal errors of nearly equal sides: SD of the difference over the mean side.
    assert there.error_sd == pytest.approx(100.0 * 60.0 * math.sqrt(2.0) / 3775.0, rel=1e-3)


def test_ratios() -> None:
    found = scored().ratios
    assert found["hippocampus_to_brain"].value == pytest.approx(7550.0 / 1_050_000.0)
    assert found["grey_to_white"].value == pytest.approx(4.0 / 3.0)
    missing = scored(white_matter=Quantity(None, None, "too_noisy")).ratios["grey_to_white"]
    assert (missing.value, missing.reason) == (None, "too_noisy")
