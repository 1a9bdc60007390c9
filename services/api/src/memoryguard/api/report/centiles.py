# SPDX-License-Identifier: Apache-2.0
"""Five classes of how a value lies among healthy people; charts and the 3D picture share them.

The colours are those that the web application gives to one z of each class
(web/src/brain/colour.ts, after ColorBrewer's RdBu): people who do not see red, green or blue tell
the two sides apart, and each side's two steps by their lightness.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

Colour = tuple[int, int, int]

# The normal distribution's z at these centiles.
EDGES: Final = {5: -1.6448536, 25: -0.6744898, 75: 0.6744898, 95: 1.6448536}
CLASSES: Final[tuple[tuple[str, Colour], ...]] = (
    ("below the 5th", (209, 81, 71)),
    ("5th to 25th", (250, 199, 174)),
    ("25th to 75th", (247, 247, 247)),
    ("75th to 95th", (183, 214, 232)),
    ("above the 95th", (68, 136, 190)),
)
"""Each class of centiles, from the lowest, with its colour in sRGB."""
CLASSES_Z: Final = (-2.5, -1.25, 0.0, 1.25, 2.5)
"""Whose colour in the web application is that of the class."""


def colour_of(z: float) -> Colour:
    """Colour of the class that a z lies in."""
    return CLASSES[bisect_right(list(EDGES.values()), z)][1]


def hexadecimal(colour: Colour) -> str:
    """Write a colour as style sheets do."""
    return "#{:02x}{:02x}{:02x}".format(*colour)
