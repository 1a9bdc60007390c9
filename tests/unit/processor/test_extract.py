# SPDX-License-Identifier: Apache-2.0
"""What an engine measured becomes files and facts; what may not be shown becomes no file."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from memoryguard.processor.domain.image import Grid, Image
from memoryguard.processor.domain.measurement import Measured, Measurement, Quality, nothing
from memoryguard.processor.engine import Clock
from memoryguard.processor.extract import files_of, quantities
from memoryguard.processor.labelmap import from_nifti

AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])
GRID = Grid((54, 60, 50), AFFINE)


def ball(radius: float) -> NDArray[np.float32]:
    middle = (np.array(GRID.shape) - 1)[:, None, None, None] / 2
    away = np.linalg.norm(np.indices(GRID.shape) - middle, axis=0)
    return np.clip(radius + 0.5 - away, 0, 1).astype(np.float32)


@pytest.fixture
def image() -> Image:
    return Image(np.random.default_rng(1).uniform(50, 90, GRID.shape).astype(np.float32), AFFINE)


def measurement(**more: object) -> Measurement:
    labels = np.zeros(GRID.shape, np.int16)
    return Measurement(Quality("accepted"), *nothing("none"), labels, {"net": 1.0}, **more)  # type: ignore[arg-type]


def test_surfaces_and_stripped_image_are_packed(image: Image) -> None:
    clock = Clock({"read": 2.0})
    measured = measurement(surfaces={"white_left": (ball(9), GRID)}, brain=(ball(21), GRID))
    labels, picture, surfaces, brain = files_of(image, measured, clock)
    assert labels is not None
    assert picture is None  # no hippocampi
    assert surfaces is not None
    assert (
        json.loads(surfaces[20 : surfaces.index(b"BIN\0") - 4])["nodes"][0]["name"] == "white_left"
    )
    assert brain is not None
    voxels, ras_from_ijk = from_nifti(brain)
    np.testing.assert_allclose(ras_from_ijk, AFFINE)
    assert voxels[27, 30, 25] > 0
    assert not voxels[0].any()
    assert set(clock.seconds) == {"read", "picture", "meshes", "strip"}


def test_what_the_engine_does_not_offer_is_no_file(image: Image) -> None:
    assert files_of(image, measurement(), Clock())[1:] == (None, None, None)


def test_a_brain_that_is_none_is_no_file(image: Image) -> None:
    measured = measurement(surfaces={"white_left": (ball(0), GRID)}, brain=(ball(9), GRID))
    assert files_of(image, measured, Clock())[1:] == (None, None, None)


def test_a_refused_scan_has_no_files(image: Image) -> None:
    refused = Measurement(Quality("refused"), *nothing("scan_refused"), None, {})
    assert files_of(image, refused, Clock()) == (None, None, None, None)


def test_confidence_is_said() -> None:
    said = quantities({"a": Measured(2.0, 0.1, None, 0.9), "b": Measured(None, None, "none")})
    assert (said["a"].value, said["a"].error_sd, said["a"].confidence) == (2.0, 0.1, 0.9)
    assert (said["b"].reason, said["b"].confidence) == ("none", None)
