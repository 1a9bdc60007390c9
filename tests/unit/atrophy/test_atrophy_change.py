# SPDX-License-Identifier: Apache-2.0
"""Change between scans: rates, intervals, and when nothing is said."""

from __future__ import annotations

import math
from typing import Any

import pytest

from memoryguard.atrophy.domain.change import (
    DAYS_PER_YEAR,
    ENGINES_OWN_ERROR,
    Change,
    Scan,
    change,
)
from memoryguard.atrophy.domain.measure import Engine, Quantity
from memoryguard.atrophy.domain.rates import SIMULATED_RETEST_PERCENT, retest_error

ENGINE = Engine("headframe", "1")
OTHER = Engine("freesurfer", "6")


def scan(years: float, engine: Engine = ENGINE, scanner: str | None = "A", **mm3: Any) -> Scan:
    """One scan; a number stands for a volume without an error of its own."""
    volumes = {k: v if isinstance(v, Quantity) else Quantity(float(v)) for k, v in mm3.items()}
    return Scan(years * DAYS_PER_YEAR, volumes, engine, scanner)


def hippocampus(*scans: Scan) -> Change:
    return change(scans).regions["hippocampus_total"]


def test_two_scans_in_closed_form() -> None:
    found = hippocampus(scan(0, hippocampus_total=7000), scan(2, hippocampus_total=7000 * 0.95**2))
    assert found.percent_per_year == pytest.approx(-5.0)
    assert found.interval_years == pytest.approx(2.0)
    # SD of ln(V2/V1) is sqrt(2)·1.8 %, over two years.
    slope_se = math.sqrt(2.0) * 0.018 / 2.0
    assert found.se_percent_per_year == pytest.approx(95.0 * slope_se)
    low, high = found.ci95_percent_per_year or (0.0, 0.0)
    assert low == pytest.approx(100.0 * math.expm1(math.log(0.95) - 1.959963984540054 * slope_se))
    assert low < -5.0 < high < 0.0
    assert found.within_measurement_noise is False


def test_small_change_is_within_noise() -> None:
    found = hippocampus(scan(0, hippocampus_total=7000), scan(1.5, hippocampus_total=6900))
    assert found.within_measurement_noise is True


def test_order_of_arrival_does_not_matter() -> None:
    scans = [scan(t, hippocampus_total=7000 - 100 * t) for t in (0.0, 1.0, 2.5)]
    assert change(scans) == change(scans[::-1])


def test_more_scans_narrow_the_interval() -> None:
    volumes = {t: 7000 * 0.98**t for t in (0.0, 0.5, 1.0, 1.5, 2.0)}
    two = hippocampus(*(scan(t, hippocampus_total=volumes[t]) for t in (0.0, 2.0)))
    five = hippocampus(*(scan(t, hippocampus_total=v) for t, v in volumes.items()))
    assert five.percent_per_year == pytest.approx(-2.0)
    assert five.scans == 5
    assert (five.se_percent_per_year or 9.0) < (two.se_percent_per_year or 0.0)


def test_what_an_engine_always_does_wrong_does_not_widen_the_interval() -> None:
    plain = hippocampus(scan(0, hippocampus_total=7000), scan(1, hippocampus_total=6900))
    noisy = hippocampus(
        scan(0, hippocampus_total=Quantity(7000.0, 210.0)),
        scan(1, hippocampus_total=Quantity(6900.0, 207.0)),
    )
    assert noisy == plain


@pytest.mark.parametrize(
    ("region", "cv_percent"),
    [
        ("hippocampus_total", 1.8),  # published, and larger than the simulated .87
        ("total_brain", SIMULATED_RETEST_PERCENT["headframe"]["total_brain"]),  # published: .45
        ("third_ventricle", 2.1 * SIMULATED_RETEST_PERCENT["headframe"]["third_ventricle"]),
    ],
)
def test_the_retest_error_is_the_published_or_the_simulated_one(
    region: str, cv_percent: float
) -> None:
    found = retest_error(region, ENGINE)
    assert found is not None
    assert found.within_subject_cv_percent == pytest.approx(cv_percent)
    assert retest_error("third_ventricle", OTHER) is None


@pytest.mark.parametrize("years", [0.0, 0.1, 0.49])
def test_short_intervals_are_withheld(years: float) -> None:
    found = hippocampus(scan(0, hippocampus_total=7000), scan(years, hippocampus_total=6000))
    assert (found.percent_per_year, found.reason) == (None, "interval_too_short")


def test_one_scan_has_no_change() -> None:
    assert hippocampus(scan(0, hippocampus_total=7000)).reason == "fewer_than_two_scans"
    missing = Quantity(None, None, "not_measured")
    found = hippocampus(scan(0, hippocampus_total=7000), scan(1, hippocampus_total=missing))
    assert found.reason == "fewer_than_two_scans"


@pytest.mark.parametrize("volume_mm3", [0.0, math.nan])
def test_volumes_must_be_positive_numbers(volume_mm3: float) -> None:
    found = hippocampus(scan(0, hippocampus_total=7000), scan(1, hippocampus_total=volume_mm3))
    assert found.reason == "volume_not_positive"


def test_without_a_retest_figure_there_is_no_interval() -> None:
    scans = [scan(0, OTHER, third_ventricle=1000), scan(1, OTHER, third_ventricle=1100)]
    found = change(scans).regions["third_ventricle"]
    assert found.percent_per_year == pytest.approx(10.0)
    assert found.ci95_percent_per_year is None
    assert found.within_measurement_noise is None
    assert found.error_reason == "no_retest_figure"


def test_rates_are_compared_with_published_ones() -> None:
    found = hippocampus(scan(0, hippocampus_total=7000), scan(1, hippocampus_total=6720))
    healthy = found.compared[0]
    assert healthy.published.group == "healthy"
    assert "ADNI" in healthy.published.source
    spread = math.hypot(1.9, found.se_percent_per_year or 0.0)
    assert healthy.z == pytest.approx((-4.0 + 1.0) / spread)
    # No spread over people was published with this mean: nothing to measure a distance with.
    assert [c.z for c in found.compared if c.published.sd_percent_per_year is None] == [None] * 3


def test_the_engines_error_alone_gives_an_interval() -> None:
    volumes = (Quantity(1000.0, 50.0), Quantity(1400.0, 70.0))
    found = change([scan(2 * n, OTHER, third_ventricle=each) for n, each in enumerate(volumes)])
    third = found.regions["third_ventricle"]
    # SD of ln(V2/V1) is sqrt(2)·5 %, over two years; the rate is sqrt(1.4) − 1.
    assert third.percent_per_year == pytest.approx(100.0 * (math.sqrt(1.4) - 1.0))
    assert third.se_percent_per_year == pytest.approx(
        100.0 * math.sqrt(1.4) * math.sqrt(0.5) * 0.05
    )
    assert third.within_measurement_noise is False
    assert third.error_source == ENGINES_OWN_ERROR


def test_another_scanner_is_flagged_and_leaves_no_interval() -> None:
    same = change([scan(0, hippocampus_total=7000), scan(1, hippocampus_total=7000)])
    assert same.flags == ()
    other = change([scan(0, hippocampus_total=7000), scan(1, scanner="B", hippocampus_total=6900)])
    assert other.flags == ("scanner_changed",)
    found = other.regions["hippocampus_total"]
    assert found.percent_per_year == pytest.approx(-100.0 / 70.0)
    assert (found.ci95_percent_per_year, found.within_measurement_noise) == (None, None)
    assert found.error_reason == "scanner_changed"
    unknown = change([scan(0, scanner=None, hippocampus_total=7000), *SAME[1:]])
    assert unknown.flags == ("scanner_unknown",)


def test_scans_of_another_engine_are_left_out() -> None:
    older = Engine("headframe", "0")
    two = change([scan(0, older, hippocampus_total=5000), scan(1, hippocampus_total=7000)])
    assert two.flags == ("engine_changed",)
    assert two.regions["hippocampus_total"].reason == "engine_changed"
    three = change([scan(-1, older, hippocampus_total=5000), *SAME])
    assert three.flags == ("engine_changed",)
    assert three.regions == change(SAME).regions


SAME = (scan(0, hippocampus_total=7000), scan(1, hippocampus_total=6900))


def test_the_points_are_told_with_the_error_that_the_interval_counts() -> None:
    found = hippocampus(scan(3, hippocampus_total=6900), scan(1, hippocampus_total=7000))
    assert [years for years, _, _ in found.points] == pytest.approx([-2.0, 0.0])
    assert [volume for _, volume, _ in found.points] == [7000.0, 6900.0]
    cv = retest_error("hippocampus_total", ENGINE).within_subject_cv_percent / 100.0  # type: ignore[union-attr]
    assert [sd for _, _, sd in found.points] == pytest.approx([70.0 * 100 * cv, 69.0 * 100 * cv])


def test_a_point_without_a_known_error_has_none_and_what_is_withheld_has_no_points() -> None:
    unknown = change([scan(t, intracranial_other=1e6) for t in (0.0, 1.0)])
    assert [sd for _, _, sd in unknown.regions["intracranial_other"].points] == [None, None]
    short = hippocampus(scan(0, hippocampus_total=7000), scan(0.1, hippocampus_total=7000))
    assert short.points == ()
