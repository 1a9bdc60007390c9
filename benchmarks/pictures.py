# SPDX-License-Identifier: Apache-2.0
"""The pictures of docs/MEASUREMENT.md.

    python benchmarks/pictures.py READINGS [--out docs/pictures]

Heads are painted from label maps that no network saw; no real scan is shown.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from bad_inputs import bad_inputs
from heads import HELD_BACK, Recipe, draw, read_map
from numpy.typing import NDArray
from PIL import Image as Canvas
from PIL import ImageDraw, ImageFont
from truth import Calibrated, read

from memoryguard.processor.domain.image import Image, grid_of, to_ras
from memoryguard.processor.domain.labelling import label
from memoryguard.processor.domain.labels import NAMES
from memoryguard.processor.domain.palette import colour_of
from memoryguard.processor.domain.surface import stem
from memoryguard.processor.engine import Engine
from memoryguard.processor.networks import WEIGHTS

INK, PAPER, QUIET = (32, 36, 44), (255, 255, 255), (120, 126, 138)
SERIES = ((0, 114, 178), (213, 94, 0), (0, 158, 115))
"""Of Okabe and Ito's palette for colour-blind readers."""


def font(size: int) -> Any:
    """Pillow's own face."""
    return ImageFont.load_default(size=size)


def grey(plane: NDArray[Any], top: float) -> NDArray[np.uint8]:
    """A slice (x, z) as it is looked at: up is up, as RGB."""
    values = np.clip(plane.T[::-1] / top * 255, 0, 255).astype(np.uint8)
    return np.repeat(values[..., None], 3, -1)


def coloured(base: NDArray[np.uint8], numbers: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Structures in their colours over a slice."""
    out = base.astype(np.float32)
    seen = numbers.T[::-1]
    for number in np.unique(seen):
        if int(number) in NAMES:
            tint = np.array(colour_of(stem(NAMES[int(number)])), np.float32)
            out[seen == number] = 0.45 * out[seen == number] + 0.55 * tint
    return out.astype(np.uint8)


def row(panels: list[tuple[str, NDArray[np.uint8]]], height: int = 260) -> Canvas.Image:
    """Panels of one height beside each other, each with a title."""
    scaled = [
        (title, Canvas.fromarray(p).resize((round(p.shape[1] * height / p.shape[0]), height)))
        for title, p in panels
    ]
    width = sum(p.width for _, p in scaled) + 12 * (len(scaled) + 1)
    sheet = Canvas.new("RGB", (width, height + 46), PAPER)
    pen, left = ImageDraw.Draw(sheet), 12
    for title, panel in scaled:
        pen.text((left, 8), title, INK, font(15))
        sheet.paste(panel, (left, 34))
        left += panel.width + 12
    return sheet


def steps(engine: Engine) -> Canvas.Image:
    """One head through every step, in a coronal slice through the hippocampi."""
    recipe = Recipe(seed=9, rotation_deg=(6.0, 9.0, -8.0), size=1.04, bias=0.15)
    image, _ = draw(read_map(HELD_BACK[0]), recipe)
    upright = to_ras(image)
    located = engine.locate(image)
    reading = engine.read_whole(engine.read_inside(image, located))
    labels = label(reading.parts, reading.lattice, grid_of(upright))
    y = int(np.argwhere(np.isin(labels, (17, 53)))[:, 1].mean())
    scan = upright.voxels[:, y]
    whole = located.whole
    middle = whole.grid.shape[1] // 2 - 2
    names = whole.probability.argmax(0)[:, middle]
    look = np.zeros((*names.shape, 3), np.float32)
    for index, name in enumerate(whole.names):
        if name not in ("background", "head", "csf"):
            look[names == index] = colour_of(name)
    coarse = grey(located.intensity[:, middle], float(located.intensity.max()) * 0.8)
    mixed = (0.4 * coarse + 0.6 * look.transpose(1, 0, 2)[::-1]).astype(np.uint8)
    here = label(reading.parts, reading.lattice, reading.lattice)
    k = int(np.argwhere(np.isin(here, (17, 53)))[:, 1].mean())
    top = float(np.percentile(upright.voxels, 99.5))
    lattice = coloured(grey(reading.voxels[:, k], top), here[:, k])
    share = np.zeros(reading.lattice.shape, np.float32)
    for side in ("left", "right"):
        part = reading.parts[f"hippocampus_{side}"]
        share[part.box] += part.probability
    return row(
        [
            ("the scan", grey(scan, top)),
            ("located at 3 mm", mixed),
            ("read in the head's frame", lattice),
            ("share of hippocampus", grey(share[:, k], 1.0)),
            ("labels on the scan", coloured(grey(scan, top), labels[:, y])),
        ]
    )


class Axes:
    """A plain scatter plot."""

    def __init__(self, title: str, low: float, high: float, unit: str) -> None:
        self.size, self.edge, self.low, self.high = 340, 56, low, high
        self.sheet = Canvas.new("RGB", (self.size + 30, self.size + 40), PAPER)
        self.pen = ImageDraw.Draw(self.sheet)
        self.pen.text((self.edge, 8), title, INK, font(15))
        for value in np.linspace(low, high, 5):
            x, y = self.at(value, value)
            self.pen.line((x, self.at(0, low)[1], x, self.at(0, high)[1]), (230, 232, 236))
            self.pen.line((self.at(low, 0)[0], y, self.at(high, 0)[0], y), (230, 232, 236))
            self.pen.text((x - 10, self.at(0, low)[1] + 4), f"{value:.4g}", QUIET, font(12))
            self.pen.text((8, y - 7), f"{value:.4g}", QUIET, font(12))
        self.pen.line((*self.at(low, low), *self.at(high, high)), QUIET)
        self.pen.text((self.edge, self.size + 22), f"true, {unit} (across); measured (up)", QUIET,
                      font(12))  # fmt: skip

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Place of a value on the sheet."""
        span = self.size - self.edge
        scale = span / (self.high - self.low)
        return self.edge + (x - self.low) * scale, 30 + span - (y - self.low) * scale

    def dots(self, x: NDArray[Any], y: NDArray[Any], colour: tuple[int, int, int]) -> None:
        """Add points."""
        for a, b in zip(x, y, strict=True):
            px, py = self.at(float(a), float(b))
            self.pen.ellipse((px - 3, py - 3, px + 3, py + 3), fill=colour)


def beside(sheets: list[Canvas.Image]) -> Canvas.Image:
    """Sheets in one row."""
    sheet = Canvas.new("RGB", (sum(s.width for s in sheets), max(s.height for s in sheets)), PAPER)
    left = 0
    for each in sheets:
        sheet.paste(each, (left, 0))
        left += each.width
    return sheet


def truth(readings: Path) -> Canvas.Image:
    """Measured against true volumes, and against known losses."""
    stated = Calibrated(WEIGHTS / "calibration.json")
    heads = [head for head in read(readings, "held_back") if "raw_mm3" in head]
    sheets = []
    for name, title in (("hippocampus_total", "Hippocampi, mL"),
                        ("lateral_ventricles", "Lateral ventricles, mL"),
                        ("total_brain", "Whole brain, mL"),
                        ("intracranial", "Inside of the skull, mL")):  # fmt: skip
        true = np.array([head["truth_mm3"][name] for head in heads]) / 1e3
        value = stated.column(heads, name) / 1e3
        both = np.concatenate([true, value])
        axes = Axes(title, 0.95 * both.min(), 1.05 * both.max(), "mL")
        for colour, number in zip(SERIES, HELD_BACK, strict=True):
            mine = np.array([head["name"].startswith(number) for head in heads])
            axes.dots(true[mine], value[mine], colour)
        sheets.append(axes.sheet)
    losses = Axes("Known loss of hippocampus, %", -2, 24, "%")
    for colour, number in zip(SERIES, HELD_BACK, strict=True):
        same = [h for h in read(readings, "shrunk") if h["name"].startswith(number)]
        true = np.array([h["truth_mm3"]["hippocampus_total"] for h in same])
        value = stated.column(same, "hippocampus_total")
        losses.dots(100 * (1 - true / true[0]), 100 * (1 - value / value[0]), colour)
    return beside([*sheets, losses.sheet])


def refused(readings: Path) -> Canvas.Image:
    """A slice of every bad input with its verdict."""
    verdicts = {head["name"]: head for head in read(readings, "bad")}
    head, _ = draw(read_map("18"), Recipe(seed=3))
    tile, columns = 132, 9
    cases = list(bad_inputs(head, read_map("09")))
    rows = -(-len(cases) // columns)
    sheet = Canvas.new("RGB", (columns * (tile + 8) + 8, rows * (tile + 44) + 8), PAPER)
    pen = ImageDraw.Draw(sheet)
    for n, case in enumerate(cases):
        left, top = 8 + n % columns * (tile + 8), 8 + n // columns * (tile + 44)
        sheet.paste(thumbnail(case.image, tile), (left, top))
        found = verdicts.get(case.name, {"verdict": "?", "reasons": []})
        pen.text((left, top + tile + 2), case.name[:22], INK, font(11))
        pen.text((left, top + tile + 16), found["verdict"], SERIES[1], font(11))
        pen.text((left, top + tile + 29), ", ".join(found["reasons"])[:24], QUIET, font(10))
    return sheet


def thumbnail(image: Image, size: int) -> Canvas.Image:
    """The sagittal slice through the middle."""
    upright = to_ras(image)
    plane = np.nan_to_num(upright.voxels[upright.voxels.shape[0] // 2])
    top = float(np.percentile(plane, 99.5)) or 1.0
    picture = Canvas.fromarray(grey(plane, top))
    picture.thumbnail((size, size))
    tile = Canvas.new("RGB", (size, size), (0, 0, 0))
    tile.paste(picture, ((size - picture.width) // 2, (size - picture.height) // 2))
    return tile


def main() -> None:
    """Write every picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("readings", type=Path)
    default = Path(__file__).resolve().parents[1] / "docs" / "pictures"
    parser.add_argument("--out", type=Path, default=default)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    steps(Engine()).save(args.out / "steps.png", optimize=True)
    truth(args.readings).save(args.out / "truth.png", optimize=True)
    refused(args.readings).save(args.out / "refused.png", optimize=True)
    print(json.dumps(sorted(path.name for path in args.out.glob("*.png"))))


if __name__ == "__main__":
    main()
