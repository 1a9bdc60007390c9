# SPDX-License-Identifier: Apache-2.0
"""The checks that need no network, and the limits that the engine puts on one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from memoryguard.common.vocabulary import VOLUMES
from memoryguard.processor.domain.anatomy import Frame
from memoryguard.processor.domain.head import SHAPE, Part, lattice
from memoryguard.processor.domain.image import Image, box
from memoryguard.processor.domain.locating import Located, Soft
from memoryguard.processor.domain.measurement import Measured
from memoryguard.processor.domain.quality import (
    REASONS,
    Findings,
    Guards,
    certainty,
    check_geometry,
    check_intensities,
    in_one_piece,
    inside_evidence,
    lit_head,
    whole_evidence,
)
from memoryguard.processor.domain.volumes import SUMS, Line, lines_from


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
    assert (certainty(sure), in_one_piece(sure)) == (1.0, 1.0)
    sure[15:20, 5:10, 5:10] = 0.6
    assert (certainty(sure), in_one_piece(sure)) == pytest.approx((0.8, 0.5))
    nowhere = np.full((4, 4, 4), 0.4, np.float32)
    assert (certainty(nowhere), in_one_piece(nowhere)) == (0.0, 0.0)


def test_bounds_refuse_before_they_warn() -> None:
    guards = Guards(
        refuse={"residual_mm": (None, 6.0), "scale": (0.8, 1.25)},
        warn={"residual_mm": (None, 4.0)},
    )
    for evidence, verdict in (
        ({"residual_mm": 3.0, "scale": 1.0}, "accepted"),
        ({"residual_mm": 5.0, "scale": 1.0}, "warned"),
        ({"residual_mm": 7.0, "scale": 1.0}, "refused"),
        ({"residual_mm": 3.0, "scale": 1.3}, "refused"),
        ({"residual_mm": 3.0, "scale": 0.7}, "refused"),
        ({"residual_mm": math.nan, "scale": 1.0}, "refused"),
    ):
        found = Findings()
        guards.judge(evidence, found)
        assert found.verdict().verdict == verdict


def test_one_reason_is_given_once() -> None:
    guards = Guards(
        {"scale": (0.8, 1.2), "brain_mm3": (1.0, 2.0), "white_over_grey": (1.0, None)},
        {"grey_over_fluid": (1.0, None)},
    )
    found = Findings()
    evidence = {"scale": 2.0, "brain_mm3": 3.0, "grey_over_fluid": 0.0, "white_over_grey": 0.0}
    guards.judge(evidence, found)
    codes = [reason.code for reason in found.verdict().reasons]
    assert codes == ["size_implausible", "not_t1_contrast"]
    guards.judge({"grey_over_fluid": 0.0}, warned := Findings())
    guards.judge({"grey_over_fluid": 0.0}, warned)
    assert len(warned.verdict().reasons) == 1


def located(head_level: float = 0.5) -> Located:
    """A ball of white matter inside a ball of head, at 3 mm."""
    grid = box(np.zeros(3), (64, 80, 64), 3.0)
    away = np.linalg.norm(grid.points(), axis=0)
    white = (away < 60).astype(np.float32)
    head = ((away >= 60) & (away < 80)).astype(np.float32)
    seen = white + head_level * head
    soft = Soft(("background", "head", "white"), np.stack([1 - white - head, head, white]), grid)
    return Located(soft, Frame(np.eye(4), 1.0, 20), seen.astype(np.float32))


def test_a_head_that_was_cut_away_is_dark() -> None:
    assert lit_head(located()) == 1.0
    assert lit_head(located(0.0)) == 0.0


def reading(grey: float = 60.0, white: float = 100.0) -> dict[str, Any]:
    """A ball of white matter of 60 mm with a shell of grey and fluid, on the lattice."""
    grid = lattice(Frame(np.eye(4), 1.0, 20))
    away = np.linalg.norm(grid.points(), axis=0)
    whole = (slice(0, SHAPE[0]), slice(0, SHAPE[1]), slice(0, SHAPE[2]))
    nothing = Part(np.zeros(SHAPE, np.float32), whole)
    parts = dict.fromkeys({name for names in SUMS.values() for name in names}, nothing)
    fields = {
        "lateral_ventricle_left": away < 10,
        "white_left": (away >= 10) & (away < 55),
        "cortex_left": (away >= 55) & (away < 60),
        "csf": (away >= 60) & (away < 62),
        "outside": away >= 62,
    }
    parts |= {name: Part(mask.astype(np.float32), whole) for name, mask in fields.items()}
    # The deep network does not tell the sides of white matter and cortex apart.
    parts |= {"white": parts["white_left"], "cortex": parts["cortex_left"]}
    rng = np.random.default_rng(2)
    voxels = np.select([away < 10, away < 55, away < 60], [20.0, white, grey], 10.0)
    voxels = (voxels + rng.normal(0, 4, SHAPE)).astype(np.float32)
    return {"lattice": grid, "parts": parts, "voxels": voxels}


def test_evidence_of_a_known_reading() -> None:
    around = np.diag([1.0, 1.0, 1.0, 1.0])
    around[:3, 3] = -90.0
    image = Image(np.zeros((180, 180, 180), np.float32), around)
    head = reading()
    inside = inside_evidence(**head)
    whole = whole_evidence(image, located(), head["lattice"], head["parts"], 0.01)
    assert set(inside) | set(whole) <= set(REASONS)
    assert inside["white_over_grey"] == pytest.approx(10, abs=1.5)
    assert inside["grey_over_fluid"] == pytest.approx(10, abs=1.5)
    assert inside["hippocampus_left"] == inside["hippocampus_pieces"] == 0.0
    assert inside_evidence(**reading(100, 60))["white_over_grey"] < 0
    assert whole["stage_agreement"] > 0.97
    assert whole["cut_share"] == 0.0
    half = Image(np.zeros((90, 180, 180), np.float32), around)
    cut = whole_evidence(half, located(), head["lattice"], head["parts"], 0.0)
    assert cut["cut_share"] == pytest.approx(0.5, abs=0.02)


def test_lines_state_values_errors_and_reasons() -> None:
    line = Line(scale=2.0, offset_mm3=-10.0, error_share=0.03, error_mm3=4.0)
    stated = line.state(55.0, 0.9)
    assert stated.value == 100.0
    assert stated.error_sd == pytest.approx(5.0)
    assert stated.confidence == 0.9
    assert Line(reason="not_measured_by_engine").state(9.0) == Measured(
        None, None, "not_measured_by_engine"
    )
    assert set(lines_from({"volumes": {}})) == set(VOLUMES) == set(SUMS)
