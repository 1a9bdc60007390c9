# SPDX-License-Identifier: Apache-2.0
"""FreeSurfer's numbers."""

from __future__ import annotations

from memoryguard.processor.domain.labels import LEFT_RIGHT, MIDLINE, NAMES, number_of

STAND_INS = {"ventricle", "deep_grey"}
"""Tissues that share the number of a structure."""


def test_numbers_are_unique_and_known() -> None:
    pairs = [pair for name, pair in LEFT_RIGHT.items() if name not in STAND_INS]
    numbers = [n for pair in pairs for n in pair] + list(MIDLINE.values())
    assert len(numbers) == len(set(numbers)) == len(NAMES)
    assert (number_of("hippocampus", 0), number_of("hippocampus", 1)) == (17, 53)
    assert number_of("third_ventricle", 1) == 14
    assert number_of("background", 0) == number_of("head", 1) == 0


def test_a_number_is_named_after_the_structure_not_after_its_stand_in() -> None:
    assert NAMES[4] == "lateral_ventricle_left"
    assert NAMES[60] == "ventral_right"
