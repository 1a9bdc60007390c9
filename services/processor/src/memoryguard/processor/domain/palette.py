# SPDX-License-Identifier: Apache-2.0
"""One colour for every structure, the same in pictures and surfaces."""

from __future__ import annotations

from typing import Final

COLOURS: Final[dict[str, tuple[int, int, int]]] = {
    "hippocampus": (255, 183, 64),
    "lateral_ventricle": (77, 171, 247),
    "third_ventricle": (63, 217, 196),
    "cortex": (214, 110, 150),
    "white": (236, 236, 224),
}
OTHER: Final = (128, 128, 128)


def colour_of(kind: str) -> tuple[int, int, int]:
    """Colour of a structure, named without its side; grey for one that is not known."""
    return COLOURS.get(kind, OTHER)
