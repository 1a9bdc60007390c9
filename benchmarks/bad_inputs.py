# SPDX-License-Identifier: Apache-2.0
"""Inputs that are no usable T1 head: what the engine must refuse, or at least warn about.

Each is a `Case`: a name, an image, and whether a warning is enough. Spoilt heads are made of one
good head; other contrasts of a label map.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from heads import GREY, Recipe, draw
from numpy.typing import NDArray
from scipy import ndimage

from memoryguard.processor.domain.image import Image

SHAPE = (192, 224, 192)


@dataclass(frozen=True, slots=True)
class Case:
    """One bad input; `warning_suffices` where a careful reader might still measure it."""

    name: str
    image: Image
    warning_suffices: bool = False


def bad_inputs(head: Image, labels: NDArray[np.int32]) -> Iterator[Case]:
    """Everything, in the order of the table: a good head to spoil, a label map to paint."""
    yield from nonsense()
    yield from bodies()
    yield from other_contrasts(labels)
    yield from spoilt(head)


def nonsense() -> Iterator[Case]:
    """Noise, empty volumes and phantoms."""
    rng = np.random.default_rng(5)
    eye = np.eye(4)
    noise = rng.normal(0, 1, SHAPE).astype(np.float32)
    yield Case("empty", Image(np.zeros(SHAPE, np.float32), eye))
    yield Case("constant", Image(np.full(SHAPE, 7.0, np.float32), eye))
    yield Case("not a number", Image(np.full(SHAPE, np.nan, np.float32), eye))
    yield Case("two grey values", Image((noise > 1).astype(np.float32), eye))
    yield Case("noise", Image(np.abs(noise) * 100, eye))
    for sigma in (2, 4, 8, 16):
        smooth = ndimage.gaussian_filter(noise, sigma)
        yield Case(f"noise, blurred {sigma} voxels", Image((smooth - smooth.min()) * 1e3, eye))
    i, j, k = np.indices(SHAPE) - np.array(SHAPE)[:, None, None, None] / 2
    ball = np.sqrt(i**2 + j**2 + k**2)
    inside = ndimage.gaussian_filter(noise, 3) * 30
    yield Case("noise in a ball", _image(np.where(ball < 80, 100 + 20 * inside, 1 + noise**2)))
    yield Case("phantom: ball", _image(np.where(ball < 80, 100.0, 0.0) + noise))
    shells = np.where(ball < 90, 50 + 40 * np.cos(ball / 6), 0)
    yield Case("phantom: shells", _image(shells + noise))
    box = (abs(i) < 60) & (abs(j) < 80) & (abs(k) < 60)
    yield Case("phantom: box", _image(np.where(box, 90, 0) + noise))
    chequers = ((i // 20 + j // 20 + k // 20) % 2) * 60 + 30
    yield Case("phantom: chequers", _image(np.where(ball < 90, chequers, 0) + noise))
    tubes = np.where(ball < 90, 40.0, 0.0)
    for n in range(6):
        x, y = 45 * np.cos(n), 45 * np.sin(n)
        tubes[np.hypot(i - x, j - y) < 12] = 40 + 15 * n
    yield Case("phantom: tubes", _image(tubes + noise))


def _image(values: NDArray[np.floating]) -> Image:
    return Image(np.abs(values).astype(np.float32), np.eye(4))


def bodies() -> Iterator[Case]:
    """Limbs, joints and trunks as T1 would show them: fat bright, muscle grey, bone dark."""
    rng = np.random.default_rng(6)
    noise = rng.normal(0, 3, SHAPE).astype(np.float32)
    texture = ndimage.gaussian_filter(rng.normal(0, 1, SHAPE), 2) * 40
    i, j, k = np.indices(SHAPE) - np.array(SHAPE)[:, None, None, None] / 2
    across = np.hypot(i, j)
    thigh = np.select([across < 12, across < 18, across < 65, across < 80], [200, 20, 90, 220], 0)
    yield Case("thigh", _image(thigh + texture * (across < 80) + noise))
    width = 22 + 14 * np.exp(-((k / 30) ** 2))
    gap = np.abs(k) < 3
    bone = (across < width) & ~gap
    cartilage = (across < width + 2) & (np.abs(k) < 6) & ~bone
    knee = np.select(
        [bone & (across < width - 3), bone, cartilage, across < 62, across < 72],
        [190, 15, 120, 85, 210], 0,
    )  # fmt: skip
    yield Case("knee", _image(knee + texture * (across < 72) + noise))
    trunk = (i / 92) ** 2 + (j / 75) ** 2
    spine = np.hypot(i, j + 40) < 16
    lungs = (((np.abs(i) - 45) / 30) ** 2 + (j / 50) ** 2 < 1) & (k > 0)
    body = np.select([spine, lungs, trunk < 0.8, trunk < 1], [120, 5, 90, 220], 0)
    yield Case("trunk", _image(body + texture * (trunk < 1) + noise))


# Grey values of white matter, grey matter, deep grey, fluid, soft tissue, fat under the skin, bone.
CONTRASTS = {
    "T2": (0.35, 0.55, 0.45, 1.0, 0.35, 0.6, 0.05),
    "FLAIR": (0.55, 0.75, 0.65, 0.1, 0.5, 0.7, 0.05),
    "proton density": (0.7, 0.9, 0.8, 0.95, 0.7, 0.8, 0.1),
    "CT": (0.42, 0.46, 0.45, 0.33, 0.45, 0.25, 1.0),
    "CT, bone window": (0.40, 0.41, 0.41, 0.39, 0.41, 0.36, 1.0),
    "susceptibility": (0.7, 0.74, 0.6, 0.8, 0.5, 0.3, 0.0),
    "diffusion": (0.5, 0.7, 0.6, 0.15, 0.1, 0.02, 0.0),
    "perfusion": (0.3, 1.0, 0.9, 0.1, 0.1, 0.02, 0.0),
}


def other_contrasts(labels: NDArray[np.int32], spacing_mm: float = 1.0) -> Iterator[Case]:
    """A real arrangement of structures, painted as other sequences show it."""
    spacing = (spacing_mm, spacing_mm, spacing_mm)
    for name, (white, grey, deep, fluid, soft, fat, bone) in CONTRASTS.items():
        table = dict.fromkeys(GREY, soft) | {0: 0.0}
        table |= dict.fromkeys((2, 41, 7, 46, 25, 57, 16, 28, 60), white)
        table |= dict.fromkeys((3, 42, 8, 47, 17, 53, 18, 54), grey)
        table |= dict.fromkeys((10, 49, 11, 50, 12, 51, 13, 52, 26, 58), deep)
        table |= {511: fat, 515: bone, 516: (bone + fat) / 2, 506: fluid}
        image, _ = draw(labels, Recipe(seed=21, grey=table, fluid=fluid, spacing_mm=spacing))
        yield Case(name, image)


def spoilt(head: Image) -> Iterator[Case]:
    """A good head made useless: cut, turned over, moved, swamped in noise, scaled wrongly."""
    rng = np.random.default_rng(7)
    voxels, place = head.voxels, head.ras_from_ijk
    top = float(voxels.max())
    yield Case("upside down", Image(voxels, np.diag([1.0, 1.0, -1.0, 1.0]) @ place))
    yield Case("back to front", Image(voxels, np.diag([1.0, -1.0, 1.0, 1.0]) @ place))
    yield Case("axes mixed up", Image(voxels, place[[2, 0, 1, 3]]))
    yield Case("grey values reversed", Image(np.where(voxels > top / 50, top - voxels, 0), place))
    mixed = rng.permuted(voxels.reshape(-1)).reshape(voxels.shape)
    yield Case("voxels shuffled", Image(mixed, place))
    slices = voxels[:, :, rng.permutation(voxels.shape[2])]
    yield Case("slices shuffled", Image(np.ascontiguousarray(slices), place))
    for factor in (0.6, 1.5, 2.0):
        scaled = np.diag([factor, factor, factor, 1.0]) @ place
        padded = np.pad(voxels, 60) if factor < 1 else voxels
        yield Case(f"spacing wrong by {factor}", Image(padded, scaled))
    yield Case("one axis stretched 1.9", Image(voxels, np.diag([1.0, 1.0, 1.9, 1.0]) @ place))
    yield Case("one axis squeezed 0.6", Image(voxels, np.diag([1.0, 0.6, 1.0, 1.0]) @ place))
    yield Case("edges only", Image(ndimage.gaussian_gradient_magnitude(voxels, 1.0), place))
    noisy = np.hypot(voxels + 0.5 * top * rng.normal(0, 1, voxels.shape), 0)
    yield Case("swamped in noise", Image(noisy.astype(np.float32), place))
    yield Case("blurred away", Image(ndimage.gaussian_filter(voxels, 5.0), place))
    yield Case("motion, severe", Image(moved(voxels, rng, 0.5, 14.0), place))
    yield Case("motion, visible", Image(moved(voxels, rng, 0.3, 4.0), place), True)
    axes = [int(np.argmax(np.abs(place[world, :3]))) for world in range(3)]
    signs = [float(np.sign(place[world, axis])) for world, axis in enumerate(axes)]
    halves = {"left half": (0, 1), "right half": (0, -1), "front half": (1, 1),
              "back half": (1, -1), "upper half": (2, 1), "lower half": (2, -1)}  # fmt: skip
    for name, (world, keep) in halves.items():
        where = np.arange(voxels.shape[axes[world]]) - voxels.shape[axes[world]] / 2
        kept = (where * signs[world] * keep > 0).reshape(
            [-1 if axis == axes[world] else 1 for axis in range(3)]
        )
        side = -1 if world == 0 else 1  # the left half has small x
        kept = ~kept if side < 0 else kept
        yield Case(f"{name} only", Image(np.where(kept, voxels, 0), place))
    crop = [slice(None)] * 3
    n = voxels.shape[axes[2]]
    crop[axes[2]] = slice(0, int(n * 0.62)) if signs[2] > 0 else slice(int(n * 0.38), n)
    yield Case("top of the brain not scanned", _cropped(head, tuple(crop)))
    band = [slice(None)] * 3
    band[axes[2]] = slice(n // 2 - 25, n // 2 + 25)
    yield Case("a slab of 50 slices", _cropped(head, tuple(band)))
    thick = ndimage.uniform_filter1d(voxels, 5, axes[2])
    every = [slice(None)] * 3
    every[axes[2]] = slice(None, None, 5)
    spaced = place.copy()
    spaced[:3, axes[2]] *= 5
    yield Case("slices of 5 mm", Image(np.ascontiguousarray(thick[tuple(every)]), spaced))


def _cropped(head: Image, part: tuple[slice, ...]) -> Image:
    start = [s.indices(n)[0] for s, n in zip(part, head.voxels.shape, strict=True)]
    matrix = head.ras_from_ijk.copy()
    matrix[:3, 3] += matrix[:3, :3] @ start
    return Image(np.ascontiguousarray(head.voxels[part]), matrix)


def moved(
    voxels: NDArray[np.float32], rng: np.random.Generator, share: float, reach: float
) -> NDArray[np.float32]:
    """The head shifted by up to `reach` voxels during a share of the phase-encoding steps."""
    spectrum = np.fft.fftn(voxels)
    lines = np.sort(rng.choice(voxels.shape[1], int(share * voxels.shape[1]), replace=False))
    frequency = [np.fft.fftfreq(n) for n in voxels.shape]
    for chunk in np.array_split(lines, 12):
        shift = rng.uniform(-reach, reach, 3)
        phase = np.exp(
            -2j * np.pi * (
                shift[0] * frequency[0][:, None, None]
                + shift[1] * frequency[1][None, chunk, None]
                + shift[2] * frequency[2][None, None, :]
            )
        )  # fmt: skip
        spectrum[:, chunk, :] *= phase
    return np.abs(np.fft.ifftn(spectrum)).astype(np.float32)
