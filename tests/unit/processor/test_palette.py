# SPDX-License-Identifier: Apache-2.0
"""Structures that touch can be told apart by everybody."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from memoryguard.processor.domain.labels import LEFT_RIGHT, MIDLINE
from memoryguard.processor.domain.palette import COLOURS, OTHER, colour_of

# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
SIGHT = {
    "all colours": np.eye(3),
    "no red": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "no green": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "no blue": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
APART = [{"third_ventricle", "white"}]
"""Never next to each other: thalamus and lateral ventricles lie between."""


@pytest.mark.parametrize("sight", SIGHT)
def test_structures_that_touch_differ(sight: str) -> None:
    srgb = np.array(list(COLOURS.values())) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ SIGHT[sight].T, 0, 1)
    lab = rgb2lab(np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055))
    for one, other in itertools.combinations(range(len(COLOURS)), 2):
        names = {list(COLOURS)[one], list(COLOURS)[other]}
        if names not in APART:
            assert deltaE_ciede2000(lab[one], lab[other]) >= 9.5, names


def test_every_structure_has_a_colour() -> None:
    placeholders = {"ventricle", "deep_grey", "csf"}
    assert set(COLOURS) == (LEFT_RIGHT.keys() | MIDLINE.keys()) - placeholders
    assert len(set(COLOURS.values())) == len(COLOURS)


def test_others_are_grey() -> None:
    assert colour_of("unheard_of") == OTHER
