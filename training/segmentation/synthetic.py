# SPDX-License-Identifier: Apache-2.0
"""Endless synthetic T1 boxes with known truth, drawn from label maps.

Everything comes from one seeded `torch.Generator` a step, so that step n of a run is the
same after a restart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from label_maps import CSF, FIELD_MM, FIELDS, LABELS, SPINAL_FLUID
from nets import LEAST_PRIOR, PRIOR_EVERY
from plans import MIRROR, WHITE, Plan, both

# Mean T1 intensity relative to white matter: our own round figures for an MPRAGE at 1.5-3 T.
T1 = {
    0: 0.02, 2: 1.0, 25: 0.78, 30: 0.6, 3: 0.66, 4: 0.2, 5: 0.24, 136: 0.22, 137: 0.3,
    7: 0.97, 8: 0.66, 10: 0.83, 11: 0.70, 12: 0.77, 13: 0.91, 14: 0.22, 15: 0.22, 16: 0.93,
    17: 0.67, 18: 0.66, 24: 0.2, 26: 0.70, 28: 0.88, 72: 0.22, 85: 0.8, 531: 0.2,
    # air inside, eyes, other soft tissue, eye muscles, mucosa, skin, spinal cord, veins,
    # cortical bone, cancellous bone, optic nerve
    502: 0.05, 506: 0.25, 507: 0.6, 508: 0.5, 509: 0.6, 511: 0.9, 512: 0.9, 514: 0.45,
    515: 0.12, 516: 0.8, 530: 0.8,
}  # fmt: skip
COUNT = len(LABELS)
INDEX = {label: i for i, label in enumerate(LABELS)}
BRAIN = torch.tensor([0 < label < 500 and label != CSF for label in LABELS])
OUTSIDE = torch.tensor([label == 0 or label >= 500 for label in LABELS])
FAR = torch.tensor([500 <= label < SPINAL_FLUID for label in LABELS])
IS_WHITE = torch.tensor([label in both(*WHITE) for label in LABELS])
CORTEX = torch.tensor([label in (3, 42) for label in LABELS])
NUCLEI = torch.tensor([label in both(10, 11, 12, 13, 26, 28) for label in LABELS])
VENTRICLE = torch.tensor([label in (*both(4, 5, 136, 137), 14) for label in LABELS])
FLUIDS = (4, 5, 14, 15, 24, 43, 44, 72, 136, 137, 163, 164, SPINAL_FLUID)
FLUID = torch.tensor([label in FLUIDS for label in LABELS])
LEFT_OF = {right: left for left, right in MIRROR.items()}
TWIN = torch.tensor([INDEX[LEFT_OF.get(label, label)] for label in LABELS])
OPPOSITE = torch.tensor([INDEX[LEFT_OF.get(label, MIRROR.get(label, label))] for label in LABELS])
OFFSETS = torch.tensor([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1.0]])
# How far each field moves borders, mm^2 (times the field's 1/mm), and how often.
REACH = {
    "ventricles": (-20.0, 55.0, 0.6),
    "hippocampi": (-22.0, 14.0, 0.75),
    "white": (-4.0, 4.0, 0.6),
    "brain": (-8.0, 5.0, 0.6),
    "striata": (-12.0, 8.0, 0.6),
    "pallida": (-8.0, 6.0, 0.5),
    "thalami": (-10.0, 8.0, 0.6),
    "amygdalae": (-10.0, 8.0, 0.5),
}
FADE_MM = 15.0
"""Distance over which a nucleus fades into white matter, at the least steep."""
LIFT_MM = 14.0
"""How far from the middle of its box a region is brightened up to white matter (SD)."""


def target_table(plan: Plan) -> torch.Tensor:
    """Compact index -> class of the plan, seen from the left side."""
    names = list(plan.classes)
    table = torch.tensor([0 if OUTSIDE[i] else names.index(plan.rest) for i in range(COUNT)])
    for number, labels in enumerate(plan.classes.values()):
        for label in labels:
            table[INDEX[label]] = number
    return table


@dataclass
class Head:
    """One label map in RAS at 1 mm with its frame and deformation fields."""

    labels: torch.Tensor
    map_from_frame: torch.Tensor
    fields: dict[str, torch.Tensor]


def load_heads(folder: Path, numbers: list[str]) -> list[Head]:
    """Read what label_maps.py wrote."""
    heads = []
    for number in numbers:
        with np.load(folder / f"{number}.npz") as stored:
            heads.append(
                Head(
                    torch.from_numpy(stored["labels"]),
                    torch.from_numpy(stored["map_from_frame"]).float(),
                    {name: torch.from_numpy(stored[name]).float()[None] for name in FIELDS},
                )
            )
    return heads


@dataclass
class Drawn:
    """One pair: image (1, 1, i, j, k), index (1,) of its box's place, and sub-voxel labels.

    `frame_from_box` (3, 4) takes box coordinates (mm from its middle) to the head's frame.

    `labels` (4, voxels) are compact indices at four points inside every voxel.
    """

    image: torch.Tensor
    place: torch.Tensor
    frame_from_box: torch.Tensor
    labels: torch.Tensor
    mirrored: bool


class Generator:
    """Draws images with their truth for one plan."""

    def __init__(self, plan: Plan, heads: list[Head]) -> None:
        self.plan, self.heads = plan, heads
        self.table = target_table(plan) if plan.classes else torch.zeros(COUNT, dtype=torch.long)
        self.grid = self._lattice(1)
        self.half = self._lattice(2)
        self.extent = torch.tensor(plan.shape) * plan.spacing_mm

    def _lattice(self, every: int) -> torch.Tensor:
        """Box coordinates (3, N) mm of every n-th voxel's (or group of voxels') centre."""
        axes = [
            ((torch.arange(n // every) + 0.5) * every - n / 2) * self.plan.spacing_mm
            for n in self.plan.shape
        ]
        return torch.stack(torch.meshgrid(*axes, indexing="ij")).reshape(3, -1)

    # -- random numbers ------------------------------------------------------------------
    def _u(self, low: float, high: float, *size: int) -> torch.Tensor:
        return low + (high - low) * torch.rand(*(size or (1,)), generator=self.rng)

    def _n(self, *size: int) -> torch.Tensor:
        return torch.randn(*size, generator=self.rng)

    def _coin(self, p: float) -> bool:
        return bool(torch.rand(1, generator=self.rng) < p)

    def _smooth(self, channels: int, every_mm: float, every: int = 1) -> torch.Tensor:
        """Smooth unit-variance field over the box, control points about `every_mm` apart."""
        size = [max(2, math.ceil(float(e) / every_mm) + 1) for e in self.extent]
        shape = [n // every for n in self.plan.shape]
        field = self._n(1, channels, *size)
        return F.interpolate(field, shape, mode="trilinear", align_corners=True)[0]

    # -- geometry ------------------------------------------------------------------------
    def _matrix(self) -> torch.Tensor:
        limit = self.plan.rotation_deg * math.pi / 180
        x, y, z = self._u(-limit, limit, 3).tolist()
        c, s = math.cos, math.sin
        rx = torch.tensor([[1, 0, 0], [0, c(x), -s(x)], [0, s(x), c(x)]])
        ry = torch.tensor([[c(y), 0, s(y)], [0, 1, 0], [-s(y), 0, c(y)]])
        rz = torch.tensor([[c(z), -s(z), 0], [s(z), c(z), 0], [0, 0, 1]])
        size = 1 + self._u(-self.plan.size, self.plan.size)
        scale = torch.diag((1 + self.plan.variety * self._u(-0.06, 0.06, 3)) * size)
        shear = torch.eye(3) + 0.04 * self.plan.variety * self._n(3, 3).triu(1)
        return rx @ ry @ rz @ scale @ shear

    def _bend(self, head: Head, points: torch.Tensor) -> torch.Tensor:
        """Displacement (3, N) in map voxels at the half-resolution points of the box."""
        bend = self._smooth(3, 48.0, 2) * self._u(0.0, 3.5)
        bend = bend + self._smooth(3, 20.0, 2) * self._u(0.0, 1.2)
        fine_mm = self.plan.fine_mm
        if fine_mm:
            bend = bend + self._smooth(3, 10.0, 2) * self._u(0.0, fine_mm)
        bend = bend.reshape(3, -1)
        for name, (low, high, often) in REACH.items():
            if self._coin(often):
                push = self._u(low, high)
                if fine_mm:
                    push = push * (1 + 0.7 * self._smooth(1, 18.0, 2).reshape(1, -1))
                bend = bend + push * self._field(head.fields[name], points)
        return bend * self.plan.variety

    def _field(self, field: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        size = torch.tensor(field.shape[2:]).float()
        where = (points / FIELD_MM * 2 / (size[:, None] - 1) - 1).flip(0).T
        shape = [n // 2 for n in self.plan.shape]
        return F.grid_sample(field, where.reshape(1, *shape, 3), align_corners=True).reshape(3, -1)

    def _points(
        self, head: Head, centre_mm: torch.Tensor, mirrored: bool
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Map coordinates (3, N) of the box's voxels, their affine part (3, 3), frame_from_box."""
        plan = self.plan
        reach = plan.far_shift_mm if plan.far_shift_mm and self._coin(0.3) else plan.shift_mm
        shift = self._u(-reach, reach, 3)
        sign = torch.tensor([-1.0 if mirrored else 1.0, 1.0, 1.0])
        turn, start = head.map_from_frame[:3, :3], head.map_from_frame[:3, 3]
        spread = sign[:, None] * self._matrix()
        matrix = turn @ spread
        middle = spread @ (centre_mm + shift)[:, None]
        origin = start[:, None] + turn @ middle
        bend = self._bend(head, matrix @ self.half + origin)
        shape = [n // 2 for n in plan.shape]
        bend = F.interpolate(bend.reshape(1, 3, *shape), scale_factor=2.0, mode="trilinear")
        points = torch.addmm(origin, matrix, self.grid).add_(bend.reshape(3, -1))
        return points, matrix, torch.cat([spread, middle], 1)

    def _labels(self, head: Head, points: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
        """Compact labels (4, N) at four points inside every voxel."""
        offsets = -OFFSETS if self._coin(0.5) else OFFSETS
        size = torch.tensor(head.labels.shape)
        flat = head.labels.reshape(-1)
        out = torch.empty(len(offsets), points.shape[1], dtype=torch.uint8)
        top = (size - 1).tolist()
        for row, offset in zip(out, offsets, strict=True):
            inside = offset * 0.25 * self.plan.spacing_mm + 0.1 * self.plan.spacing_mm * self._n(3)
            at = (points + (matrix @ inside)[:, None]).round_()
            i, j, k = (at[axis].clamp_(0, top[axis]) for axis in range(3))
            index = (i.long() * int(size[1]) + j.long()) * int(size[2]) + k.long()
            torch.index_select(flat, 0, index, out=row)
        return out.int()

    # -- intensities ---------------------------------------------------------------------
    def _contrast(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of every compact label."""
        if not self._coin(self.plan.random_contrast):
            mean = torch.tensor([T1[LABELS[TWIN[i]]] for i in range(COUNT)])
            mean = 1 - (1 - mean) * self._u(0.65, 1.3)
            mean[FLUID] = mean[FLUID] + 0.10 * self._n(1)
            mean = mean + (0.04 * self._n(COUNT))[TWIN]
        else:
            mean = self._u(0.0, 1.1, COUNT)[TWIN]
        if self._coin(0.5):
            mean[FAR] = self._u(0.0, 1.3, int(FAR.sum()))
        else:
            mean[FAR] = mean[FAR] + 0.12 * self._n(int(FAR.sum()))
        mean[0] = 0.02 if self._coin(0.85) else float(self._u(0.0, 0.6))
        std = self._u(0.01, 0.07, COUNT)
        std[FAR] = self._u(0.02, 0.25, int(FAR.sum()))
        std[0] = 0.01
        if self._coin(self.plan.stripped):  # half of them without the fluid over the brain
            mean[OUTSIDE], std[OUTSIDE] = 0.0, 0.0
            if self._coin(0.5):
                mean[INDEX[CSF]], std[INDEX[CSF]] = 0.0, 0.0
        return mean.clamp_(min=0), std

    def _blur(self, image: torch.Tensor, sigma: list[float]) -> torch.Tensor:
        for axis, s in enumerate(sigma):
            if s < 0.15:
                continue
            reach = 1 if s < 0.6 else (2 if s < 1.1 else 4)
            tap = torch.exp(-0.5 * (torch.arange(-reach, reach + 1.0) / s) ** 2)
            shape = [1, 1, 1, 1, 1]
            shape[axis + 2] = 2 * reach + 1
            pad = [0, 0, 0]
            pad[axis] = reach
            image = F.conv3d(image, (tap / tap.sum()).reshape(shape), padding=pad)
        return image

    def _near(self, labels: torch.Tensor, tissue: torch.Tensor) -> torch.Tensor:
        """Share (1, i, j, k) of a tissue within about five voxels."""
        mask = tissue[labels[0]].float().reshape(1, 1, *self.plan.shape)
        share = F.avg_pool3d(F.avg_pool3d(mask, 2), 5, 1, 2, count_include_pad=False)
        return F.interpolate(share, scale_factor=2.0, mode="trilinear")[0]

    def _changes(self, labels: torch.Tensor) -> torch.Tensor:
        """Relative changes of grey values that leave the truth as it is.

        Slow ones of every tissue; quicker ones of the nuclei, parts of which are as bright as
        white matter; darker patches of white matter, as in ageing; darker white matter next to the
        ventricles; and cortex that darkens outward, as where a sulcus is too narrow to be labelled.
        """
        shape = (1, *self.plan.shape)
        change = 0.06 * self._u(0, 1) * self._smooth(1, 25.0)
        if self._coin(0.7):
            nuclei = NUCLEI[labels[0]].float().reshape(shape)
            change = change + self._u(0, 0.13) * self._smooth(1, 12.0) * nuclei
        white = IS_WHITE[labels[0]].float().reshape(shape)
        if self._coin(0.4):
            level = float(self._u(1.2, 2.4))
            patch = (self._smooth(1, max(9.0, 2 * self.plan.spacing_mm)) - level).clamp_(0, 0.5)
            change = change - patch * white * self._u(0.2, 0.8)
        if self.plan.spacing_mm < 2 and self._coin(0.5):
            change = change - self._u(0, 0.5) * self._near(labels, VENTRICLE) * white
        if self.plan.spacing_mm < 2 and self._coin(0.6):
            outer = 1 - (2.2 * self._near(labels, IS_WHITE)).clamp_(max=1.0)
            cortex = CORTEX[labels[0]].float().reshape(shape)
            change = change - self._u(0, 0.35) * outer * cortex
        return change.mul_(BRAIN[labels[0]].reshape(shape))

    def _fading(self) -> torch.Tensor:
        """Share (N,) by which nuclei look like white matter: mostly from the front to the back.

        Iron and myelin brighten pallidum, thalamus and the rear of putamen. Where such a nucleus
        ends is told by its shape alone.
        """
        backwards = torch.tensor([0.0, -1.0, 0.0]) + 0.6 * self._n(3)
        centre = torch.tensor([0.0, self._u(-15.0, 35.0).item(), 0.0])
        along = (backwards @ (self.grid - centre[:, None])) / (FADE_MM * self._u(0.3, 1.0))
        share = (along + 0.4 * self._smooth(1, 12.0).reshape(-1)).clamp_(0, 1)
        return share * self._u(0.5, 1.1).clamp(max=1)

    def _lifted(self, image: torch.Tensor, white: torch.Tensor) -> torch.Tensor:
        """Brighten a region up to the level of white matter, which caps it.

        So do programs that normalise images and take deep grey matter for white: pallidum and the
        rear of putamen are no longer seen, the front of putamen is.
        """
        centre = LIFT_MM * self._n(3, 1)
        distance = (self.grid - centre).square_().sum(0) / (2 * self._u(15.0, 35.0) ** 2)
        gain = 1 + self._u(0.1, 0.5) * torch.exp(-distance)
        return torch.minimum(image * gain.reshape(image.shape), white * self._u(0.97, 1.05))

    def _image(self, labels: torch.Tensor) -> torch.Tensor:
        shape = (1, 1, *self.plan.shape)
        mean, std = self._contrast()
        image = mean[labels].mean(0)
        if self._coin(0.25):
            to_white = torch.where(NUCLEI, mean[INDEX[2]] - mean, 0.0)
            image = image + self._fading() * to_white[labels].mean(0)
        grain = std[labels[0]].reshape(shape) * 0.7
        image = image.reshape(shape) * (1 + self._changes(labels))
        if self._coin(0.4):
            lifted = self._lifted(image, mean[INDEX[2]])
            image = torch.where(BRAIN[labels[0]].reshape(shape), lifted, image)
        image = image + grain * (self._n(*shape) + 0.6 * self._smooth(1, 6 * self.plan.spacing_mm))
        sigma = self._u(0.0, 0.65, 3)
        if self._coin(0.15):  # thick slices, 2-4 mm
            axis = int(torch.randint(3, (1,), generator=self.rng))
            sigma[axis] = float(self._u(0.6, 1.5)) / max(self.plan.spacing_mm, 1.0)
        image = self._blur(image, sigma.tolist())
        image = image * torch.exp(self._smooth(1, 90.0) * self._u(0.0, 0.22))[None]
        image = image + self._n(*shape) * self._u(0.0, 0.06) * (1.5 / (0.5 + self.plan.spacing_mm))
        image = normalise(image.abs())
        return image.clamp(min=1e-4) ** torch.exp(0.2 * self._n(1))

    # -- pairs ---------------------------------------------------------------------------
    def draw(self, seed: int, head: int | None = None) -> Drawn:
        """One image with its truth; of a given head, or of any."""
        self.rng = torch.Generator().manual_seed(seed)
        any_head = int(torch.randint(len(self.heads), (1,), generator=self.rng))
        chosen = self.heads[any_head if head is None else head]
        place = int(torch.randint(len(self.plan.centres_mm), (1,), generator=self.rng))
        centre_mm = torch.tensor(self.plan.centres_mm[place])
        mirrored = self._coin(0.5) if self.plan.classes else False
        points, matrix, frame_from_box = self._points(chosen, centre_mm, mirrored)
        labels = self._labels(chosen, points, matrix)
        image = self._image(labels)
        return Drawn(image, torch.tensor([place]), frame_from_box, labels, mirrored)

    def target(self, drawn: Drawn) -> torch.Tensor:
        """Soft target (1, classes, i, j, k): shares of every voxel."""
        classes = (self.table[OPPOSITE] if drawn.mirrored else self.table)[drawn.labels]
        target = torch.zeros(len(self.plan.classes), classes.shape[1])
        share = torch.full_like(target[:1], 1 / len(classes))
        for layer in classes:
            target.scatter_add_(0, layer[None], share)
        return target.reshape(1, -1, *self.plan.shape)


def prior_of(source: Generator, draws: int, seed: int) -> torch.Tensor:
    """Logarithm of how often each class lies where: (places, classes, i/4, j/4, k/4)."""
    shape = [n // PRIOR_EVERY for n in source.plan.shape]
    places, classes = len(source.plan.centres_mm), len(source.plan.classes)
    total, count = torch.zeros(places, classes, *shape), torch.zeros(places)
    for n in range(draws):
        drawn = source.draw(seed + n)
        total[drawn.place] += F.avg_pool3d(source.target(drawn), PRIOR_EVERY)
        count[drawn.place] += 1
    return (total / count.clamp(min=1)[:, None, None, None, None] + LEAST_PRIOR).log()


def normalise(image: torch.Tensor) -> torch.Tensor:
    """Scale by the box's 1st and 99th percentile, clipped a little outside (as in use)."""
    flat = image.flatten()
    low, high = torch.quantile(flat[:: max(1, len(flat) // 40000)], torch.tensor([0.01, 0.99]))
    return ((image - low) / (high - low + 1e-6)).clamp(0.0, 1.4)
