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
from label_maps import FIELD_MM, LABELS
from plans import MIRROR, Plan

# Mean T1 intensity relative to white matter: our own round figures for an MPRAGE at 1.5-3 T.
T1 = {
    0: 0.02, 2: 1.0, 25: 0.78, 30: 0.6, 3: 0.65, 4: 0.2, 5: 0.22, 136: 0.22, 137: 0.22,
    7: 0.97, 8: 0.64, 10: 0.82, 11: 0.70, 12: 0.76, 13: 0.90, 14: 0.22, 15: 0.22, 16: 0.92,
    17: 0.66, 18: 0.65, 24: 0.2, 26: 0.70, 28: 0.86, 72: 0.22, 85: 0.8,
}  # fmt: skip
COUNT = len(LABELS)
INDEX = {label: i for i, label in enumerate(LABELS)}
OUTSIDE = torch.tensor([label == 0 or label >= 500 for label in LABELS])
FAR = torch.tensor([label >= 500 for label in LABELS])
CSF = INDEX[24]
FLUIDS = (4, 5, 14, 15, 24, 43, 44, 72, 136, 137, 163, 164)
FLUID = torch.tensor([label in FLUIDS for label in LABELS])
LEFT_OF = {right: left for left, right in MIRROR.items()}
TWIN = torch.tensor([INDEX[LEFT_OF.get(label, label)] for label in LABELS])
OPPOSITE = torch.tensor([INDEX[LEFT_OF.get(label, MIRROR.get(label, label))] for label in LABELS])


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
    """One label map in RAS at 1 mm with its anchors (voxels) and deformation fields."""

    labels: torch.Tensor
    anchors: dict[str, torch.Tensor]
    ventricle_field: torch.Tensor
    hippocampus_field: torch.Tensor


def load_heads(folder: Path, numbers: list[str]) -> list[Head]:
    """Read what label_maps.py wrote."""
    heads = []
    for number in numbers:
        with np.load(folder / f"{number}.npz") as stored:
            heads.append(
                Head(
                    torch.from_numpy(stored["labels"]),
                    {
                        key: torch.from_numpy(stored[key]).float()
                        for key in ("brain", "deep", "hippocampus_left", "hippocampus_right")
                    },
                    torch.from_numpy(stored["ventricle_field"]).float()[None],
                    torch.from_numpy(stored["hippocampus_field"]).float()[None],
                )
            )
    return heads


class Generator:
    """Draws (image, soft target) pairs for one plan."""

    def __init__(self, plan: Plan, heads: list[Head]) -> None:
        self.plan, self.heads = plan, heads
        self.table = target_table(plan) if plan.classes else torch.zeros(COUNT, dtype=torch.long)
        axes = [(torch.arange(n) - (n - 1) / 2) * plan.spacing_mm for n in plan.shape]
        self.grid = torch.stack(torch.meshgrid(*axes, indexing="ij")).reshape(3, -1)
        self.extent = torch.tensor(plan.shape) * plan.spacing_mm

    # -- random numbers ------------------------------------------------------------------
    def _u(self, low: float, high: float, *size: int) -> torch.Tensor:
        return low + (high - low) * torch.rand(*(size or (1,)), generator=self.rng)

    def _n(self, *size: int) -> torch.Tensor:
        return torch.randn(*size, generator=self.rng)

    def _coin(self, p: float) -> bool:
        return bool(torch.rand(1, generator=self.rng) < p)

    def _smooth(self, channels: int, every_mm: float) -> torch.Tensor:
        """Smooth unit-variance field over the box, control points about `every_mm` apart."""
        size = [max(2, math.ceil(float(e) / every_mm) + 1) for e in self.extent]
        field = F.interpolate(
            self._n(1, channels, *size), self.plan.shape, mode="trilinear", align_corners=True
        )
        return field[0]

    # -- geometry ------------------------------------------------------------------------
    def _matrix(self) -> torch.Tensor:
        limit = self.plan.rotation_deg * math.pi / 180
        x, y, z = self._u(-limit, limit, 3).tolist()
        c, s = math.cos, math.sin
        rx = torch.tensor([[1, 0, 0], [0, c(x), -s(x)], [0, s(x), c(x)]])
        ry = torch.tensor([[c(y), 0, s(y)], [0, 1, 0], [-s(y), 0, c(y)]])
        rz = torch.tensor([[c(z), -s(z), 0], [s(z), c(z), 0], [0, 0, 1]])
        spread = self.plan.variety
        scale = torch.diag(
            (1 + spread * self._u(-0.07, 0.07, 3)) * (1 + spread * self._u(-0.12, 0.14))
        )
        shear = torch.eye(3) + 0.04 * self._n(3, 3).triu(1)
        return rx @ ry @ rz @ scale @ shear

    def _coordinates(self, head: Head, mirrored: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Map coordinates (3, N) of the box's voxel centres, and the affine part (3, 3)."""
        plan, key = self.plan, self.plan.anchor
        sign = torch.tensor([-1.0 if mirrored else 1.0, 1.0, 1.0])
        if mirrored and key == "hippocampus_left":
            key = "hippocampus_right"
        reach = plan.far_jitter_mm if plan.far_jitter_mm and self._coin(0.3) else plan.jitter_mm
        shift = torch.tensor(plan.offset_mm) + self._u(-reach, reach, 3)
        matrix = sign[:, None] * self._matrix()
        points = matrix @ (self.grid + shift[:, None]) + head.anchors[key][:, None]
        bend = self._smooth(3, 48.0) * self._u(0.0, 3.5) + self._smooth(3, 20.0) * self._u(0, 1.2)
        bend = bend * self.plan.variety
        points = points + bend.reshape(3, -1)
        spread = self.plan.variety
        if self._coin(0.7):
            points = points + spread * self._u(-20.0, 55.0) * self._field(
                head, "ventricle_field", points
            )
        if self._coin(0.6):
            points = points + spread * self._u(-22.0, 12.0) * self._field(
                head, "hippocampus_field", points
            )
        return points, matrix

    def _field(self, head: Head, name: str, points: torch.Tensor) -> torch.Tensor:
        field = getattr(head, name)
        size = torch.tensor(field.shape[2:]).float()
        where = (points / FIELD_MM * 2 / (size[:, None] - 1) - 1).flip(0).T
        return F.grid_sample(
            field, where.reshape(1, *self.plan.shape, 3), align_corners=True
        ).reshape(3, -1)

    def _labels(self, head: Head, points: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
        """Compact labels (K, N) at K points inside every voxel."""
        count = self.plan.subvoxels
        signs = torch.tensor([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1.0]])[:count]
        if self._coin(0.5):
            signs = -signs
        size = torch.tensor(head.labels.shape)
        strides = torch.tensor([int(size[1] * size[2]), int(size[2]), 1])
        flat, out = head.labels.reshape(-1), []
        for sign in signs:
            inside = sign * 0.25 * self.plan.spacing_mm + 0.1 * self.plan.spacing_mm * self._n(3)
            at = (points + (matrix @ inside)[:, None]).round_().long()
            at = torch.minimum(at.clamp_(min=0), (size - 1)[:, None])
            out.append(flat[(at * strides[:, None]).sum(0)])
        return torch.stack(out).long()

    # -- intensities ---------------------------------------------------------------------
    def _contrast(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of every compact label."""
        if not self._coin(self.plan.random_contrast):
            mean = torch.tensor([T1.get(LABELS[TWIN[i]], 0.5) for i in range(COUNT)])
            mean = 1 - (1 - mean) * self._u(0.65, 1.3)
            mean[FLUID] = mean[FLUID] + 0.10 * self._n(1)
            mean = mean + (0.045 * self._n(COUNT))[TWIN]
        else:
            mean = self._u(0.0, 1.1, COUNT)[TWIN]
        mean[FAR] = self._u(0.0, 1.3, int(FAR.sum()))
        mean[0] = 0.02 if self._coin(0.85) else float(self._u(0.0, 0.6))
        std = self._u(0.01, 0.07, COUNT)
        std[FAR] = self._u(0.02, 0.25, int(FAR.sum()))
        std[0] = 0.01
        if self._coin(
            self.plan.stripped
        ):  # skull-stripped, half of them without the fluid over the brain
            mean[OUTSIDE], std[OUTSIDE] = 0.0, 0.0
            if self._coin(0.5):
                mean[CSF], std[CSF] = 0.0, 0.0
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

    def _image(self, labels: torch.Tensor) -> torch.Tensor:
        shape = (1, 1, *self.plan.shape)
        mean, std = self._contrast()
        image = mean[labels].mean(0).reshape(shape)
        grain = std[labels[0]].reshape(shape) * 0.7
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

    def draw_head(self, seed: int, head: int) -> tuple[np.ndarray, np.ndarray]:
        """Whole image (uint16) and the true volume (mm3) of every compact label."""
        self.rng = torch.Generator().manual_seed(seed)
        labels = self._labels(self.heads[head], *self._coordinates(self.heads[head], False))
        image = self._image(labels)[0, 0]
        cell = self.plan.spacing_mm**3 / len(labels)
        volumes = torch.bincount(labels.flatten(), minlength=COUNT).double() * cell
        return (image * 2000).round().numpy().astype(np.uint16), volumes.numpy()

    def draw(self, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Image (1, 1, *shape) and soft target (1, classes, *shape)."""
        self.rng = torch.Generator().manual_seed(seed)
        head = self.heads[int(torch.randint(len(self.heads), (1,), generator=self.rng))]
        mirrored = self._coin(0.5)
        labels = self._labels(head, *self._coordinates(head, mirrored))
        image = self._image(labels)
        classes = (self.table[OPPOSITE] if mirrored else self.table)[labels]
        target = torch.zeros(len(self.plan.classes), labels.shape[1])
        for layer in classes:
            target.scatter_add_(0, layer[None], torch.full_like(target[:1], 1 / len(classes)))
        return image, target.reshape(1, -1, *self.plan.shape)


def normalise(image: torch.Tensor) -> torch.Tensor:
    """Scale by the box's 1st and 99th percentile, clipped a little outside (as in use)."""
    flat = image.flatten()
    low, high = torch.quantile(flat[:: max(1, len(flat) // 40000)], torch.tensor([0.01, 0.99]))
    return ((image - low) / (high - low + 1e-6)).clamp(0.0, 1.4)
