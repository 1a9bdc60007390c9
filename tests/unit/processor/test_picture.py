# SPDX-License-Identifier: Apache-2.0
"""The picture shows the brain, and nothing that is not the brain."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Picture

from memoryguard.processor.domain.image import Image
from memoryguard.processor.picture import COLOURS, draw

SPACING_MM = 2.0
SHAPE = (80, 100, 90)


def affine() -> NDArray[np.float64]:
    """Axes (posterior, left, superior): not the order of the world."""
    matrix = np.zeros((4, 4))
    matrix[1, 0], matrix[0, 1], matrix[2, 2], matrix[3, 3] = -2, -2, 2, 1
    matrix[:3, 3] = (100, 80, -90)
    return matrix


def points_mm() -> NDArray[np.float64]:
    index = np.indices(SHAPE)
    return np.tensordot(affine()[:3, :3], index, 1) + affine()[:3, 3, None, None, None]


def ball(centre: tuple[float, float, float], semi_axes: tuple[float, float, float]):
    offset = points_mm() - np.array(centre)[:, None, None, None]
    return ((offset / np.array(semi_axes)[:, None, None, None]) ** 2).sum(0) < 1


@pytest.fixture
def labels() -> NDArray[np.int16]:
    found = np.zeros(SHAPE, np.int16)
    found[ball((0, 0, 0), (62, 70, 58))] = 3
    found[ball((-26, -20, -14), (8, 18, 7))] = 17
    found[ball((26, -20, -14), (8, 18, 7))] = 53
    return found


def scan(labels: NDArray[np.int16], outside: float) -> Image:
    voxels = np.where(labels > 0, 300 + 2 * labels, 0).astype(np.float32)
    voxels[~ball((0, 0, 0), (68, 76, 64))] = outside
    return Image(voxels, affine())


def pixels(png: bytes | None) -> NDArray[np.uint8]:
    assert png is not None
    return np.asarray(Picture.open(io.BytesIO(png)))


def near(image: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    return (np.abs(image.astype(int) - np.array(colour)) < 70).all(-1) & (
        image[..., 0].astype(int) - image[..., 2] > 60
    )


def test_a_face_does_not_change_a_single_byte(labels: NDArray[np.int16]) -> None:
    assert draw(scan(labels, 0), labels) == draw(scan(labels, 5000), labels)


def test_labels_astray_on_the_face_show_nothing_of_it(labels: NDArray[np.int16]) -> None:
    labels[ball((0, 74, -55), (12, 6, 9))] = 3
    plain, face = scan(labels, 0), scan(labels, 5000)
    stray = ball((0, 74, -55), (30, 20, 30)) & ~ball((0, 0, 0), (68, 76, 64))
    face.voxels[stray] = 4000
    plain.voxels[stray] = 10
    assert draw(plain, labels) == draw(face, labels)


def test_both_hippocampi_are_coloured_and_right_is_on_the_left(
    labels: NDArray[np.int16],
) -> None:
    labels[labels == 53] = 3
    labels[ball((26, -20, -14), (5, 5, 5))] = 53
    image = pixels(draw(scan(labels, 0), labels))
    axial = near(image[34:-40, : image.shape[1] // 4 + 60], COLOURS["Hippocampus"][1])
    columns = np.flatnonzero(axial.any(axis=0))
    middle = (columns[0] + columns[-1]) / 2
    left_half, right_half = axial[:, : int(middle)].sum(), axial[:, int(middle) :].sum()
    assert 0 < left_half < right_half


def test_without_a_strippable_brain_there_is_no_picture(labels: NDArray[np.int16]) -> None:
    image = scan(labels, 0)
    assert draw(image, np.zeros_like(labels)) is None
    only_left = np.where(labels == 53, 3, labels).astype(np.int16)
    assert draw(image, only_left) is None
    tiny = np.where(ball((0, 0, 0), (40, 40, 40)), labels, 0).astype(np.int16)
    assert draw(image, tiny) is None
    halves = np.where(np.abs(points_mm()[0]) > 6, labels, 0).astype(np.int16)
    assert draw(image, halves) is None
    everything = np.maximum(labels, 2).astype(np.int16)
    assert draw(image, everything) is None


def test_it_is_a_png_of_a_size_for_a_page(labels: NDArray[np.int16]) -> None:
    png = draw(scan(labels, 0), labels)
    image = pixels(png)
    assert image.ndim == 3
    assert 300 < image.shape[0] < 600
    assert 700 < image.shape[1] < 1400
