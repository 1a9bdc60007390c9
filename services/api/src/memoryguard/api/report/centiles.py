# SPDX-License-Identifier: Apache-2.0
"""Five classes of how a value lies among healthy people; charts and the 3D picture share them.

The colours run from orange over grey to violet (after ColorBrewer's PuOr): people who do not see
red, green or blue tell the two sides apart, and each side's two steps by their lightness.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

Colour = tuple[int, int, int]

# The normal distribution's z at these centiles.
EDGES: Final = {5: -1.6448536, 25: -0.6744898, 75: 0.6744898, 95: 1.6448536}
CLASSES: Final[tuple[tuple[str, Colour], ...]] = (
    ("below the 5th", (179, 88, 6)),
    ("5th to 25th", (241, 163, 64)),
    ("25th to 75th", (200, 206, 214)),
    ("75th to 95th", (153, 142, 195)),
    ("above the 95th", (84, 39, 136)),
)
"""Each class of centiles, from the lowest, with its colour in sRGB."""


def colour_of(z: float) -> Colour:
    """Colour of the class that a z lies in."""
    return CLASSES[bisect_right(list(EDGES.values()), z)][1]


def hexadecimal(colour: Colour) -> str:
    """Write a colour as style sheets do."""
    return "#{:02x}{:02x}{:02x}".format(*colour)
