# SPDX-License-Identifier: Apache-2.0
"""FreeSurfer label numbers (FreeSurferColorLUT) of the structures that we name."""

from __future__ import annotations

from typing import Final

LEFT_RIGHT: Final[dict[str, tuple[int, int]]] = {
    "white": (2, 41),
    "cortex": (3, 42),
    "lateral_ventricle": (4, 43),
    "cerebellar_white": (7, 46),
    "cerebellar_cortex": (8, 47),
    "thalamus": (10, 49),
    "caudate": (11, 50),
    "putamen": (12, 51),
    "pallidum": (13, 52),
    "hippocampus": (17, 53),
    "amygdala": (18, 54),
    "accumbens": (26, 58),
    "ventral": (28, 60),
    "inferior_lateral_ventricle": (5, 44),
    # What the tissue network calls so and the deep one leaves over:
    "ventricle": (4, 43),
    "deep_grey": (28, 60),
}
MIDLINE: Final[dict[str, int]] = {
    "third_ventricle": 14,
    "fourth_ventricle": 15,
    "brainstem": 16,
    "csf": 24,
}
NAMES: Final[dict[int, str]] = {
    **{number: name for name, number in MIDLINE.items()},
    **{pair[0]: f"{name}_left" for name, pair in reversed(LEFT_RIGHT.items())},
    **{pair[1]: f"{name}_right" for name, pair in reversed(LEFT_RIGHT.items())},
}


def number_of(structure: str, side: int) -> int:
    """FreeSurfer number of a structure.

    Parameters
    ----------
    structure
        A key of `LEFT_RIGHT` or `MIDLINE`; anything else is outside the brain (0).
    side
        0 for left, 1 for right; ignored on the mid-line.
    """
    pair = LEFT_RIGHT.get(structure)
    return MIDLINE.get(structure, 0) if pair is None else pair[side]
