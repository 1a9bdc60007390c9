# SPDX-License-Identifier: Apache-2.0
"""Synthetic T1 heads with known truth, and rescans of real ones, for benchmarks and tests.

Drawn from whole-head label maps by code that shares nothing with the generator that trains the
networks: numpy and scipy only, a contrast table of its own, tissue borders averaged over eight
points a voxel. Truth is the count of those points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from memoryguard.processor.domain.image import Grid, Image, sample_field

LABEL_MAPS = Path(__file__).resolve().parents[2] / "shared" / "data" / "labelmaps"
HELD_BACK = ("02", "09", "18")
"""Maps that no network was trained on: a large, a young and an atrophied brain."""
CSF = 24
LATERAL = {"left": (4, 136, 137), "right": (43, 163, 164)}
WHITE = {"left": (2, 25, 30), "right": (41, 57, 62)}
VENTRICLES = (*LATERAL["left"], *LATERAL["right"], 5, 44, 14, 15, 72)
TRUTH: dict[str, tuple[int, ...]] = {
    **{
        f"{name}_{side}": (number,)
        for name, numbers in {
            "hippocampus": (17, 53), "amygdala": (18, 54), "thalamus": (10, 49),
            "caudate": (11, 50), "putamen": (12, 51), "pallidum": (13, 52),
            "accumbens": (26, 58), "inferior_lateral_ventricle": (5, 44),
            "cortical_grey": (3, 42),
        }.items()
        for side, number in zip(("left", "right"), numbers, strict=True)
    },
    **{f"lateral_ventricle_{side}": numbers for side, numbers in LATERAL.items()},
    **{f"cerebral_white_{side}": numbers for side, numbers in WHITE.items()},
    "hippocampus_total": (17, 53),
    "lateral_ventricles": (*LATERAL["left"], *LATERAL["right"]),
    "third_ventricle": (14,),
    "fourth_ventricle": (15,),
    "cortical_grey_matter": (3, 42),
    "cerebral_white_matter": (*WHITE["left"], *WHITE["right"]),
    "cerebellum": (7, 8, 46, 47),
    "brain_stem": (16,),
    "grey_matter": (3, 42, 8, 47, 10, 49, 11, 50, 12, 51, 13, 52, 17, 53, 18, 54, 26, 58),
    "white_matter": (*WHITE["left"], *WHITE["right"], 7, 46),
    "extraventricular_csf": (CSF,),
}  # fmt: skip
"""Label numbers of the maps behind every volume but `total_brain` and `intracranial`."""

# Grey values by label, white matter being 1: round figures of an MPRAGE. From 500 on the maps
# number what lies outside: air, eyes, soft tissue, muscle, mucosa, skin, cord, veins, bones, nerve.
GREY: dict[int, float] = {
    0: 0.0, 2: 1.0, 41: 1.0, 25: 0.8, 57: 0.8, 30: 0.55, 62: 0.55, 3: 0.64, 42: 0.64, 7: 0.98,
    46: 0.98, 8: 0.68, 47: 0.68, 10: 0.85, 49: 0.85, 11: 0.71, 50: 0.71, 12: 0.78, 51: 0.78,
    13: 0.93, 52: 0.93, 16: 0.95, 17: 0.66, 53: 0.66, 18: 0.64, 54: 0.64, 26: 0.70, 58: 0.70,
    28: 0.90, 60: 0.90, 85: 0.85, 502: 0.03, 506: 0.22, 507: 0.62, 508: 0.52, 509: 0.55,
    511: 0.95, 512: 0.9, 514: 0.4, 515: 0.10, 516: 0.85, 530: 0.75,
}  # fmt: skip
FLUID_GREY = 0.22
POINTS_A_VOXEL = 16
TEXTURE = 0.03


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to draw one head.

    Parameters
    ----------
    seed
        Of everything random: grey values (SD 0.03), texture, noise, bias field.
    rotation_deg
        Turns of the head about x, y and z.
    size
        Factor on the head's lengths.
    spacing_mm
        Voxels of the image.
    noise
        Standard deviation of Rician noise, white matter being 1.
    bias
        Standard deviation of the logarithm of the smooth bias field.
    shrink
        Share of both hippocampi's volume to take away, 0 to 0.3.
    stripped
        Leave only the brain and the fluid around it.
    grey, fluid
        Grey values by label, and of cerebrospinal fluid.
    """

    seed: int
    rotation_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    size: float = 1.0
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    noise: float = 0.03
    bias: float = 0.1
    shrink: float = 0.0
    stripped: bool = False
    grey: Mapping[int, float] = field(default_factory=lambda: GREY)
    fluid: float = FLUID_GREY


@lru_cache(maxsize=len(HELD_BACK))
def read_map(number: str, folder: Path = LABEL_MAPS) -> NDArray[np.int32]:
    """Label map in RAS at 1 mm, narrow sulci and fissures counted as cortex.

    The maps cut fluid out of sulci that FreeSurfer's ribbon closes: fluid with at least 9 of 26
    neighbours in one cortex becomes that cortex (training/segmentation/label_maps.py says why).
    """
    stored: Any = nib.as_closest_canonical(nib.load(folder / f"training_seg_{number}.nii.gz"))
    labels = np.rint(np.asarray(stored.dataobj)).astype(np.int32)
    folded = np.array((3, 42, 8, 47))
    near = np.stack([ndimage.uniform_filter((labels == k).astype(np.float32), 3) for k in folded])
    narrow = (labels == CSF) & (27 * near.max(axis=0) > 8.5)
    return np.where(narrow, folded[near.argmax(axis=0)], labels)


def draw(labels: NDArray[np.int32], recipe: Recipe) -> tuple[Image, dict[str, float]]:
    """Image and true volumes (mm3) of every key of `TRUTH`, `total_brain` and `intracranial`."""
    rng = np.random.default_rng(recipe.seed)
    grid, map_from_grid = _grid(labels, recipe)
    losses = [] if recipe.shrink == 0 else [Loss.of(labels, k, recipe.shrink) for k in (17, 53)]
    grey = _grey_table(rng, recipe)
    image = np.zeros(grid.shape, np.float32)
    counts = np.zeros(1024, np.int64)
    corners = np.array(list(np.ndindex(2, 2, 2))) / 2 - 0.25
    for corner in corners:
        step = map_from_grid.copy()
        step[:3, 3] += map_from_grid[:3, :3] @ corner
        at = np.asarray(_nearest(labels, step, grid.shape), np.int32)
        for loss in losses:
            loss.draw_over(at, labels, step)
        image += grey[at] / len(corners)
        counts += np.bincount(at.ravel(), minlength=1024)
    low = _brain_bottom(labels)
    voxel_mm3 = grid.voxel_volume_mm3 / len(corners)
    truth = true_volumes(counts * voxel_mm3)
    truth["below_brain_csf"] = float((labels[:, :, :low] == CSF).sum()) * recipe.size**3
    truth["extraventricular_csf"] -= truth["below_brain_csf"]
    truth["intracranial"] -= truth.pop("below_brain_csf")
    image += TEXTURE * ndimage.gaussian_filter(rng.normal(0, 1, image.shape), 1.0) * (image > 0.05)
    image *= np.exp(recipe.bias * smooth_field(image.shape, rng))
    return Image(rician(image, recipe.noise, rng) * 400, grid.ras_from_ijk), truth


def true_volumes(mm3: NDArray[np.float64]) -> dict[str, float]:
    """Volumes by name from volumes by label number."""
    truth = {name: float(mm3[list(numbers)].sum()) for name, numbers in TRUTH.items()}
    inside = float(mm3[1:500].sum())
    truth["intracranial"] = inside
    truth["total_brain"] = inside - float(mm3[[CSF, *VENTRICLES]].sum())
    return truth


def _brain_bottom(labels: NDArray[np.int32]) -> int:
    """Lowest slice with brain in it; fluid below lies in the spine."""
    brain = (labels > 0) & (labels < 500) & (labels != CSF)
    return int(np.flatnonzero(brain.any(axis=(0, 1)))[0])


def _grid(labels: NDArray[np.int32], recipe: Recipe) -> tuple[Grid, NDArray[np.float64]]:
    """Image grid around the head, and the way from its indices to the map's."""
    turn = Rotation.from_euler("xyz", recipe.rotation_deg, degrees=True).as_matrix()
    spacing = np.array(recipe.spacing_mm)
    extent = np.minimum(np.array(labels.shape) * recipe.size + 24, 256)
    shape = np.ceil(extent / spacing).astype(int)
    ras_from_ijk = np.diag([*spacing, 1.0])
    ras_from_ijk[:3, 3] = -spacing * (shape - 1) / 2
    middle = np.array(labels.shape) / 2
    # The maps keep the neck: the brain's middle goes to the image's, a little above the centre.
    middle[2] = np.flatnonzero((labels > 0).any(axis=(0, 1)))[-1] - extent[2] / recipe.size / 2 + 10
    map_from_grid = np.eye(4)
    map_from_grid[:3, :3] = turn @ ras_from_ijk[:3, :3] / recipe.size
    map_from_grid[:3, 3] = middle + turn @ ras_from_ijk[:3, 3] / recipe.size
    i, j, k = (int(n) for n in shape)
    return Grid((i, j, k), ras_from_ijk), map_from_grid


def _nearest(
    labels: NDArray[np.int32], step: NDArray[np.float64], shape: tuple[int, int, int]
) -> NDArray[np.int32]:
    transform: Any = ndimage.affine_transform
    return transform(labels, step[:3, :3], step[:3, 3], output_shape=shape, order=0,
                     mode="constant", cval=0)  # fmt: skip


def _grey_table(rng: np.random.Generator, recipe: Recipe) -> NDArray[np.float32]:
    table = np.full(1024, 0.6)
    for label, value in recipe.grey.items():
        table[label] = value
    table[[CSF, *VENTRICLES]] = recipe.fluid
    pairs = {2: 41, 3: 42, 10: 49, 11: 50, 12: 51, 13: 52, 17: 53, 18: 54}
    jitter = rng.normal(0, 0.03, 1024)
    for left, right in pairs.items():
        jitter[right] = jitter[left]
    table = np.maximum(table + jitter, 0.0)
    table[0] = 0.0
    if recipe.stripped:
        table[500:] = 0.0
    return table.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Loss:
    """A smooth deformation of a label map that takes a share of one structure away.

    Its border moves inward by fractions of a voxel, its neighbours or fluid move in.

    Parameters
    ----------
    start
        First voxel of the map's part that is deformed.
    shift
        float32 (3, i, j, k): where a voxel of that part takes its label from, less itself.
    """

    start: NDArray[np.int64]
    shift: NDArray[np.float32]

    @classmethod
    def of(cls, labels: NDArray[np.int32], number: int, share: float) -> Loss:
        """Move along the gradient of the blurred structure, as far as needed (bisection)."""
        at = np.argwhere(labels == number)
        start, stop = at.min(0) - 8, at.max(0) + 9
        inside = labels[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] == number
        smooth = ndimage.gaussian_filter(inside.astype(np.float32), 1.5)
        outward = -np.stack(np.gradient(smooth)).astype(np.float32)
        # Points anywhere in the voxels: on a lattice the loss would come in steps.
        rng = np.random.default_rng(number)
        points = np.tile(np.argwhere(smooth > 1e-3).T, POINTS_A_VOXEL).astype(np.float32)
        points += rng.uniform(-0.5, 0.5, points.shape).astype(np.float32)
        way = _each_at(outward, points)
        low, high = 0.0, 20.0
        while high - low > 1e-3:
            reach = (low + high) / 2
            there = np.rint(points + reach * way).astype(int)
            left = int(inside[tuple(there)].sum()) / POINTS_A_VOXEL
            low, high = (reach, high) if left > (1 - share) * inside.sum() else (low, reach)
        return cls(start, low * outward)

    def draw_over(
        self, drawn: NDArray[np.int32], labels: NDArray[np.int32], step: NDArray[np.float64]
    ) -> None:
        """Sample the deformed part of the map anew; `step` takes indices of `drawn` to the map."""
        ends = np.array(list(np.ndindex(2, 2, 2))) * (np.array(self.shift.shape[1:]) - 1)
        corners = (ends + self.start - step[:3, 3]) @ np.linalg.inv(step[:3, :3]).T
        low = np.maximum(np.floor(corners.min(0)).astype(int), 0)
        high = np.minimum(np.ceil(corners.max(0)).astype(int) + 1, drawn.shape)
        points = np.indices(high - low).reshape(3, -1) + low[:, None]
        at = step[:3, :3] @ points + step[:3, 3:]
        shift = _each_at(self.shift, at - self.start[:, None])
        moved = (shift != 0).any(axis=0)
        found = ndimage.map_coordinates(labels, at[:, moved] + shift[:, moved], order=0)
        drawn[tuple(points[:, moved])] = found


def _each_at(field: NDArray[np.float32], at: NDArray[np.floating]) -> NDArray[np.float32]:
    """Vector field (3, i, j, k) at points (3, ...), trilinear, 0 outside."""
    return np.stack([ndimage.map_coordinates(axis, at, order=1) for axis in field])


def smooth_field(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Smooth field of unit variance, varying over a third of the image."""
    field = rng.normal(0, 1, (4, 4, 4))
    for n in shape:
        # One axis at a time, each to the end of the line: cubic splines are separable.
        spline: Any = ndimage.zoom(np.eye(4), (n / 4, 1), order=3, grid_mode=True, mode="nearest")
        field = np.tensordot(field, spline, axes=(0, 1))
    return ((field - field.mean()) / field.std()).astype(np.float32)


def rician(image: NDArray[np.float32], sd: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Magnitude of the image with complex noise."""
    real = image + rng.normal(0, sd, image.shape)
    return np.hypot(real, rng.normal(0, sd, image.shape)).astype(np.float32)


def rescan(image: Image, seed: int, degrees: float = 15.0) -> Image:
    """The same head again: turned, on another grid, with other noise and another bias field.

    Resampling is cubic; the turn is up to `degrees` about each axis, the shift up to 6 mm, the
    voxels between 0.9 and 1.1 times the image's; noise is 2 % of the 99th percentile.
    """
    rng = np.random.default_rng(seed)
    spacing = np.array(image.spacing_mm) * rng.uniform(0.9, 1.1, 3)
    shape = np.ceil(np.array(image.voxels.shape) * image.spacing_mm / spacing).astype(int)
    turn = Rotation.from_euler("xyz", rng.uniform(-degrees, degrees, 3), degrees=True).as_matrix()
    axes = image.ras_from_ijk[:3, :3] / np.array(image.spacing_mm)
    middle = image.ras_from_ijk[:3, :3] @ (np.array(image.voxels.shape) / 2)
    middle += image.ras_from_ijk[:3, 3] + rng.uniform(-6, 6, 3)
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ axes * spacing
    matrix[:3, 3] = middle - matrix[:3, :3] @ (shape / 2)
    i, j, k = (int(n) for n in shape)
    coefficients: Any = ndimage.spline_filter(image.voxels, order=3)
    moved = sample_field(coefficients, image.ras_from_ijk, Grid((i, j, k), matrix), order=3)
    top = float(np.percentile(image.voxels, 99))
    field = np.exp(0.1 * smooth_field(moved.shape, rng))
    values = rician(np.maximum(moved, 0) / top * field, 0.02, rng) * top
    # The scanner does not know that the head is turned: the image's axes stay the table's.
    stated = np.eye(4)
    stated[:3, :3] = axes * spacing
    stated[:3, 3] = -stated[:3, :3] @ (shape / 2)
    return Image(values, stated)
