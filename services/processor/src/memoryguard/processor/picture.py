# SPDX-License-Identifier: Apache-2.0
"""A picture of a measured brain: three slices through the hippocampi, structures in colour.

A T1 shows a face, so nothing outside the brain is drawn. Where the labels cannot strip the skull
(see domain/stripping.py), or hold no hippocampi to go through, there is no picture.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memoryguard.processor.domain.image import Image
from memoryguard.processor.domain.labels import number_of
from memoryguard.processor.domain.palette import colour_of
from memoryguard.processor.domain.stripping import MARGIN_MM, one_brain, with_rim

COLOURS: dict[str, tuple[tuple[int, ...], tuple[int, int, int]]] = {
    "Hippocampus": ((17, 53), colour_of("hippocampus")),
    "Lateral ventricles": ((4, 43, 5, 44), colour_of("lateral_ventricle")),
    "Third ventricle": ((14,), colour_of("third_ventricle")),
    "Cortex": ((3, 42), colour_of("cortex")),
    "White matter": ((2, 41), colour_of("white")),
}
"""FreeSurfer label numbers and the colour of each structure in the picture."""

HIPPOCAMPI = {"left": 17, "right": 53}
PIXEL_MM = 0.5
GAP = 12
CAPTION = 34
STRENGTH = {"Cortex": 0.22, "White matter": 0.10}
"""How much the colour covers; what is not named is covered by half."""


def draw(image: Image, labels: NDArray[np.int16]) -> bytes | None:
    """Draw an axial, a coronal and a sagittal slice through the hippocampi.

    Parameters
    ----------
    image
        The scan.
    labels
        int16, FreeSurfer label numbers on the grid of the scan.

    Returns
    -------
    bytes or None
        A PNG; None where the labels do not hold one brain with both hippocampi.
    """
    image, labels = _crop(image, labels)
    brain = _brain(labels, image.ras_from_ijk)
    if brain is None:
        return None
    centres = [_centre_mm(labels == number, image.ras_from_ijk) for number in HIPPOCAMPI.values()]
    middle = (centres[0] + centres[1]) / 2
    low, high = _extent_mm(brain, image.ras_from_ijk)
    white = 1.1 * float(np.percentile(image.voxels[brain], 99.5)) or 1.0
    shown = (np.where(brain, image.voxels, 0) / white).astype(np.float32)
    # Viewed as radiologists do: the person's right is on the left side of the picture.
    views = {
        "Axial": (0, -1, 1, middle),
        "Coronal": (0, -1, 2, middle),
        "Sagittal (left)": (1, -1, 2, centres[0]),
    }
    panels: list[NDArray[np.uint8]] = []
    for across, direction, up, centre in views.values():
        points = _plane_mm(low, high, centre, across, direction, up)
        panels.append(_render(points, shown, brain, labels, image.ras_from_ijk))
    return _compose(list(views), panels)


def _crop(image: Image, labels: NDArray[np.int16]) -> tuple[Image, NDArray[np.int16]]:
    """Cut both to the labels' box and a margin: half of a scan is air and neck."""
    spacing_mm = np.linalg.norm(image.ras_from_ijk[:3, :3], axis=0)
    box: list[slice] = []
    for axis in range(3):
        along = np.flatnonzero((labels > 0).any(axis=tuple({0, 1, 2} - {axis})))
        pad = int(np.ceil(MARGIN_MM / spacing_mm[axis])) + 1
        first, last = (along[0], along[-1]) if along.size else (0, 0)
        box.append(slice(max(0, int(first) - pad), int(last) + pad + 1))
    ras_from_ijk = image.ras_from_ijk.copy()
    ras_from_ijk[:3, 3] += ras_from_ijk[:3, :3] @ [b.start for b in box]
    return Image(image.voxels[tuple(box)], ras_from_ijk), labels[tuple(box)]


def _brain(
    labels: NDArray[np.int16], ras_from_ijk: NDArray[np.float64]
) -> NDArray[np.bool_] | None:
    """Return the one labelled brain with a narrow rim, or None."""
    if not all((labels == number).any() for number in HIPPOCAMPI.values()):
        return None
    # Fluid is no brain: an eye is dark and round, and may be labelled as fluid.
    brain = one_brain((labels > 0) & (labels != number_of("csf", 0)), ras_from_ijk)
    return None if brain is None else with_rim(brain, ras_from_ijk)


def _centre_mm(mask: NDArray[np.bool_], ras_from_ijk: NDArray[np.float64]) -> NDArray[np.float64]:
    index = np.argwhere(mask).mean(axis=0)
    return ras_from_ijk[:3, :3] @ index + ras_from_ijk[:3, 3]


def _extent_mm(
    mask: NDArray[np.bool_], ras_from_ijk: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the two corners of the mask's box in the world, with a little air."""
    points = np.argwhere(mask)[::7] @ ras_from_ijk[:3, :3].T + ras_from_ijk[:3, 3]
    return points.min(axis=0) - 3, points.max(axis=0) + 3


def _plane_mm(
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    centre: NDArray[np.float64],
    across: int,
    direction: int,
    up: int,
) -> NDArray[np.float64]:
    """Return the world points (3, rows, columns) of a slice through a centre."""
    columns = np.arange(low[across], high[across], PIXEL_MM)[::direction]
    rows = np.arange(low[up], high[up], PIXEL_MM)[::-1]
    points = np.empty((3, rows.size, columns.size))
    points[:] = centre[:, None, None]
    points[across] = columns[None, :]
    points[up] = rows[:, None]
    return points


def _render(
    points_mm: NDArray[np.float64],
    shown: NDArray[np.float32],
    brain: NDArray[np.bool_],
    labels: NDArray[np.int16],
    ras_from_ijk: NDArray[np.float64],
) -> NDArray[np.uint8]:
    """Return one slice in colour, uint8 (rows, columns, 3); black outside the brain."""
    from scipy import ndimage

    ijk_from_ras = np.linalg.inv(ras_from_ijk)
    index = np.tensordot(ijk_from_ras[:3, :3], points_mm, 1) + ijk_from_ras[:3, 3, None, None]

    def sample(volume: NDArray[Any], order: int) -> NDArray[Any]:
        return ndimage.map_coordinates(volume, index, order=order, output=np.float32)

    grey = np.clip(sample(shown, 1), 0, 1)
    rgb = np.repeat(grey[..., None] * 255, 3, axis=-1)
    seen = sample(labels, 0)
    for name, (numbers, colour) in COLOURS.items():
        inside = np.isin(seen, numbers)
        core: Any = ndimage.binary_erosion(inside)
        edge = inside & ~core
        strength = STRENGTH.get(name, 0.5)
        cover = strength * inside + min(1 - strength, 1.6 * strength) * edge
        rgb += cover[..., None] * (np.array(colour, np.float32) - rgb)
    rgb[sample(brain, 0) == 0] = 0
    return np.clip(rgb, 0, 255).astype(np.uint8)


def _compose(titles: list[str], panels: list[NDArray[np.uint8]]) -> bytes:
    """Set the slices side by side with captions, sides and a legend, as a PNG."""
    from PIL import Image as Canvas
    from PIL import ImageDraw, ImageFont

    height = max(p.shape[0] for p in panels)
    width = sum(p.shape[1] for p in panels) + GAP * (len(panels) + 1)
    canvas = Canvas.new("RGB", (width, height + 2 * CAPTION))
    pen = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=15)
    quiet = (160, 166, 178)
    left = GAP
    for title, panel in zip(titles, panels, strict=True):
        rows, columns = panel.shape[:2]
        top = CAPTION + (height - rows) // 2
        canvas.paste(Canvas.fromarray(panel), (left, top))
        pen.text((left, 8), title, quiet, font)
        sides = ("A", "P") if title.startswith("Sagittal") else ("R", "L")
        pen.text((left + 2, height + CAPTION - 22), sides[0], quiet, font)
        pen.text((left + columns - 12, height + CAPTION - 22), sides[1], quiet, font)
        left += columns + GAP
    left = GAP
    for name, (_, colour) in COLOURS.items():
        top = height + CAPTION + 10
        pen.rectangle((left, top + 3, left + 11, top + 14), fill=colour)
        pen.text((left + 18, top), name, quiet, font)
        left += 18 + int(pen.textlength(name, font)) + 24
    packed = io.BytesIO()
    canvas.save(packed, format="PNG", optimize=False)
    return packed.getvalue()
