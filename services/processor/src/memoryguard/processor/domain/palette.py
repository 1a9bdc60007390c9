# SPDX-License-Identifier: Apache-2.0
"""One colour for every structure, the same in pictures and surfaces.

Near FreeSurfer's hues where that leaves them apart for people who do not see red, green or blue:
seen through any of the three dichromacies (Machado et al., IEEE Trans Vis Comput Graph 15:1291,
2009) every two structures that touch differ by at least 9.5 in CIEDE2000.
"""

from __future__ import annotations

from typing import Final

COLOURS: Final[dict[str, tuple[int, int, int]]] = {
    "hippocampus": (255, 183, 64),
    "amygdala": (160, 189, 154),
    "thalamus": (10, 117, 11),
    "caudate": (168, 207, 243),
    "putamen": (151, 26, 102),
    "pallidum": (41, 10, 169),
    "accumbens": (11, 133, 217),
    "ventral": (169, 84, 82),
    "lateral_ventricle": (77, 171, 247),
    "inferior_lateral_ventricle": (139, 66, 158),
    "third_ventricle": (63, 217, 196),
    "fourth_ventricle": (17, 171, 103),
    "cortex": (214, 110, 150),
    "white": (236, 236, 224),
    "cerebellar_cortex": (250, 216, 154),
    "cerebellar_white": (171, 155, 29),
    "brainstem": (105, 128, 123),
}
"""sRGB by structure, named as in labels.py without its side."""
OTHER: Final = (128, 128, 128)


def colour_of(kind: str) -> tuple[int, int, int]:
    """Colour of a structure, named without its side; grey for one that is not known."""
    return COLOURS.get(kind, OTHER)
