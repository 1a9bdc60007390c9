# SPDX-License-Identifier: Apache-2.0
"""The checks that need no network, and the limits that the engine puts on one."""

from __future__ import annotations

import numpy as np
import pytest

from memoryguard.common.vocabulary import VOLUMES
from memoryguard.processor.domain.anatomy import Fit, MidPlane, fit_reference, mid_plane
from memoryguard.processor.domain.drawing import Soft
from memoryguard.processor.domain.image import Image, box
from memoryguard.processor.domain.measurement import Measured
from memoryguard.processor.domain.quality import (
    Certainty,
    Findings,
    Guards,
    certainty,
    check_geometry,
    check_intensities,
    check_structure,
    check_whole,
)
from memoryguard.processor.domain.volumes import Calibration, Line

GUARDS = Guards(
    uncertainty=0.24,
    confidence=0.8,
    largest_share=0.9,
    residual_mm=6.0,
    volume_ratio=(0.6, 1.7),
    brain_mm3=(700_000.0, 2_400_000.0),
    head_uncertainty=0.2,
)


def image(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> Image:
    rng = np.random.default_rng(3)
    return Image(rng.random(shape, dtype=np.float32), np.diag([*spacing, 1.0]))


def codes(found: Findings) -> set[str]:
    return {reason.code for reason in (*found.refused, *found.warned)}


@pytest.mark.parametrize(
    ("shape", "spacing", "code", "verdict"),
    [
        ((200, 200, 200), (1.0, 1.0, 1.0), None, "accepted"),
        ((200, 200, 100), (1.0, 1.0, 2.0), "thick_slices", "warned"),
        ((200, 200, 40), (1.0, 1.0, 5.0), "slices_too_thick", "refused"),
        ((200, 200, 60), (1.0, 1.0, 1.0), "field_of_view_too_small", "refused"),
    ],
)
def test_geometry(
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    code: str | None,
    verdict: str,
) -> None:
    found = Findings()
    check_geometry(image(shape, spacing), found)
    assert found.verdict().verdict == verdict
    assert codes(found) == (set() if code is None else {code})


def test_flat_binary_and_broken_volumes_are_refused() -> None:
    for voxels, code in (
        (np.full((50, 50, 50), 7.0, np.float32), "no_contrast"),
        ((np.indices((50, 50, 50))[0] > 25).astype(np.float32), "too_few_grey_levels"),
        (np.full((50, 50, 50), np.nan, np.float32), "not_finite"),
    ):
        found = Findings()
        check_intensities(Image(voxels, np.eye(4)), found)
        assert codes(found) == {code}


def test_certainty_of_known_fields() -> None:
    sure = np.zeros((20, 20, 20), np.float32)
    sure[5:10, 5:10, 5:10] = 1.0
    assert certainty(sure) == Certainty(0.0, 1.0, 1.0)
    sure[15:20, 5:10, 5:10] = 1.0
    assert certainty(sure).largest_share == 0.5
    assert certainty(np.full((4, 4, 4), 0.75, np.float32)).uncertainty == pytest.approx(0.25)
    assert certainty(np.zeros((4, 4, 4), np.float32)).confidence == 0.0


def test_unsure_or_broken_hippocampi_are_refused() -> None:
    for sure, refused in (
        (Certainty(0.1, 0.95, 1.0), False),
        (Certainty(0.3, 0.95, 1.0), True),
        (Certainty(0.1, 0.6, 1.0), True),
        (Certainty(0.1, 0.95, 0.5), True),
    ):
        found = Findings()
        check_structure("hippocampus_left", sure, GUARDS, found)
        assert bool(found.refused) is refused


def test_whole_head_limits() -> None:
    grid = box(np.zeros(3), (40, 40, 40), 3.0)
    inside = (np.linalg.norm(grid.points(), axis=0) < 60).astype(np.float32)
    whole = Soft(("background", "white"), np.stack([1 - inside, inside]), grid)
    for fit, code in (
        (Fit(2.0, 1.0, 20), None),
        (Fit(9.0, 1.0, 20), "anatomy_implausible"),
        (Fit(2.0, 3.0, 20), "size_implausible"),
    ):
        found = Findings()
        check_whole(whole, fit, GUARDS, found)
        assert codes(found) == (set() if code is None else {code})
    empty = Soft(("background", "white"), np.stack([inside * 0 + 1, inside * 0]), grid)
    found = Findings()
    check_whole(empty, Fit(2.0, 1.0, 20), GUARDS, found)
    assert codes(found) == {"no_brain"}


def test_reference_fit_recovers_an_affine_and_shrugs_off_one_outlier() -> None:
    rng = np.random.default_rng(4)
    reference = {f"p{n}": rng.uniform(-60, 60, 3).tolist() for n in range(20)}
    matrix = np.diag([1.1, 0.9, 1.05]) + 0.05 * rng.normal(size=(3, 3))
    moved = {n: matrix @ np.array(p) + [3.0, 4.0, 5.0] for n, p in reference.items()}
    moved["p7"] = moved["p7"] + 40.0
    fit = fit_reference(moved, reference)
    assert fit.residual_mm < 0.5
    assert fit.volume_ratio == pytest.approx(float(np.linalg.det(matrix)), rel=0.02)
    assert fit_reference({}, reference).residual_mm == float("inf")


def test_mid_plane_of_a_turned_pair() -> None:
    grid = box(np.zeros(3), (40, 40, 40), 3.0)
    points = grid.points()
    angle = 0.2
    right = np.array([np.cos(angle), np.sin(angle), 0.0])
    names = ("cortex", "white", "lateral_ventricle", "cerebellar_white", "cerebellar_cortex",
             "thalamus", "caudate", "putamen", "pallidum", "hippocampus", "amygdala")  # fmt: skip
    middle = np.array([5.0, 2.0, 1.0])
    soft = {}
    for n, name in enumerate(names):
        away = right * (14 + n) + np.array([0, 0, n - 5.0])
        soft[name] = sum(
            np.exp(-np.sum((points - (middle + s)[:, None, None, None]) ** 2, 0) / 60)
            for s in (away, away - 2 * right * (14 + n))
        ).astype(np.float32)
    plane = mid_plane(soft, points, np.zeros(3))
    assert isinstance(plane, MidPlane)
    assert float(plane.normal @ right) > 0.999
    assert abs(float(plane.normal @ middle) - plane.offset_mm) < 0.3


def test_calibration_states_values_errors_and_reasons() -> None:
    line = Line(scale=2.0, offset_mm3=-10.0, error_share=0.03, error_mm3=4.0)
    stated = line.state(55.0)
    assert stated.value == 100.0
    assert stated.error_sd == pytest.approx(5.0)
    assert Line(reason="not_measured_by_engine").state(9.0) == Measured(
        None, None, "not_measured_by_engine"
    )
    assert set(Calibration.from_dict({"volumes": {}}).lines) == set(VOLUMES)
