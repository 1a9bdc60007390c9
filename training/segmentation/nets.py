# SPDX-License-Identifier: Apache-2.0
"""The network: a small 3D U-Net that works at half its box's resolution and knows where it is."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from plans import Plan
from torch import nn

PLACE_MM = 50.0
"""Unit of the coordinate channels."""
PRIOR_EVERY = 4
"""Voxels of a box to one of its prior."""
LEAST_PRIOR = 1e-3


class Norm(nn.Module):
    """Instance norm with scale and shift; written out, so that a compiler can fuse it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm3d(channels, affine=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Same shape as the input; exported as the library's own layer."""
        if torch.onnx.is_in_onnx_export():
            return self.norm(x)
        centred = x - x.mean((2, 3, 4), keepdim=True)
        variance = centred.square().mean((2, 3, 4), keepdim=True)
        scale = torch.rsqrt(variance + self.norm.eps) * self.norm.weight[:, None, None, None]
        return centred * scale + self.norm.bias[:, None, None, None]


def block(inside: int, outside: int) -> nn.Sequential:
    """Two convolutions with norm and ReLU."""
    return nn.Sequential(
        nn.Conv3d(inside, outside, 3, padding=1, bias=False),
        Norm(outside),
        nn.ReLU(),
        nn.Conv3d(outside, outside, 3, padding=1, bias=False),
        Norm(outside),
        nn.ReLU(),
    )


class Net(nn.Module):
    """Box (1, 1, i, j, k) and which of its plan's places it is -> logits (1, classes, i, j, k).

    The stem folds `fold` voxels along each axis into channels; the head unfolds them again.
    A plan with one side also gets the frame's coordinates, and its logits start from the logarithm
    of how often each class lies there in the training heads (`prior`): the network learns what the
    image adds to that. `refine` > 0 adds a convolution at full resolution that sees the image.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        channels, classes = plan.channels, len(plan.classes)
        self.shape, self.placed = plan.shape, plan.one_side
        fold = plan.fold
        made = channels[0] - 3 if self.placed else channels[0] // 2
        self.stem = nn.Conv3d(1, made, fold, stride=fold)
        first = channels[0] if self.placed else channels[0] // 2
        if self.placed:
            centres = torch.tensor(plan.centres_mm).reshape(-1, 3, 1, 1, 1)
            self.register_buffer("grid", coordinates(plan), persistent=False)
            self.register_buffer("centres", centres / PLACE_MM, persistent=False)
            small = [n // PRIOR_EVERY for n in plan.shape]
            flat = torch.zeros(len(plan.centres_mm), classes, *small)
            self.register_buffer("prior", flat)
        self.down = nn.ModuleList(
            block(channels[i - 1] if i else first, c) for i, c in enumerate(channels)
        )
        self.squeeze = nn.ModuleList(
            nn.Conv3d(channels[i + 1], channels[i], 1) for i in range(len(channels) - 1)
        )
        self.up = nn.ModuleList(block(2 * c, c) for c in channels[:-1])
        self.unfold = nn.ConvTranspose3d(channels[0], plan.refine or classes, fold, stride=fold)
        self.refine = (
            nn.Sequential(
                nn.Conv3d(plan.refine + 1, plan.refine, 3, padding=1, bias=False),
                Norm(plan.refine),
                nn.ReLU(),
                nn.Conv3d(plan.refine, classes, 1),
            )
            if plan.refine
            else None
        )

    def forward(self, box: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """Box and index (1,) of its place to logits."""
        x, kept = self.stem(box), []
        if self.placed:
            x = torch.cat([x, self.grid + torch.index_select(self.centres, 0, place)], 1)
        for i, stage in enumerate(self.down):
            x = stage(F.max_pool3d(x, 2) if i else x)
            kept.append(x)
        for i in reversed(range(len(self.up))):
            x = F.interpolate(self.squeeze[i](x), scale_factor=2.0, mode="nearest")
            x = self.up[i](torch.cat([kept[i], x], 1))
        x = self.unfold(x)
        if self.refine is not None:
            x = self.refine(torch.cat([x, box], 1))
        if self.placed:
            prior = torch.index_select(self.prior, 0, place)
            x = x + F.interpolate(prior, size=self.shape, mode="trilinear", align_corners=False)
        return x


def coordinates(plan: Plan) -> torch.Tensor:
    """Coordinates (1, 3, i/fold, j/fold, k/fold) around a box's middle, in `PLACE_MM`."""
    fold = plan.fold
    axes = [((torch.arange(n // fold) + 0.5) * fold - n / 2) * plan.spacing_mm for n in plan.shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None] / PLACE_MM
