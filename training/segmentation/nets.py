# SPDX-License-Identifier: Apache-2.0
"""The network: a small 3D U-Net that works at half its box's resolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from plans import Plan
from torch import nn


class Conv(nn.Conv3d):
    """Convolution laid out for training on one core.

    Channels-last memory reaches the fast kernels in float32; boxes too small for them go
    through bfloat16, whose fast kernels have no such threshold.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(1, in, i, j, k) -> (1, out, ...); plain float32 when exported."""
        if torch.onnx.is_in_onnx_export():
            return super().forward(input)
        input = input.contiguous(memory_format=torch.channels_last_3d)
        if input.shape[1] > 1 and input.numel() <= 655_360:
            half, bias = torch.bfloat16, self.bias
            out = F.conv3d(
                input.to(half),
                self.weight.to(half),
                None if bias is None else bias.to(half),
                self.stride,
                self.padding,
            )
            return out.float()
        return super().forward(input)


class Norm(nn.Module):
    """Instance norm with scale and shift.

    Written out because the library's own leaves channels-last memory, after which the
    convolutions are several times slower on one core; exported as the library's.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm3d(channels, affine=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Same shape as the input."""
        if torch.onnx.is_in_onnx_export():
            return self.norm(x)
        rows = x.permute(0, 2, 3, 4, 1)
        flat = rows.reshape(-1, rows.shape[4])
        centred = flat - flat.mean(0)
        scale = torch.rsqrt((centred * centred).mean(0) + self.norm.eps) * self.norm.weight
        out = torch.addcmul(self.norm.bias, centred, scale)
        return out.reshape(rows.shape).permute(0, 4, 1, 2, 3)


def block(inside: int, outside: int) -> nn.Sequential:
    """Two convolutions with norm and ReLU."""
    return nn.Sequential(
        Conv(inside, outside, 3, padding=1, bias=False),
        Norm(outside),
        nn.ReLU(inplace=True),
        Conv(outside, outside, 3, padding=1, bias=False),
        Norm(outside),
        nn.ReLU(inplace=True),
    )


class Net(nn.Module):
    """Box (1, 1, *shape) -> logits (1, classes, *shape).

    The stem halves the grid by folding 2x2x2 voxels into channels; the head unfolds them
    again. `refine` > 0 adds two convolutions at full resolution that also see the image.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        channels, classes = plan.channels, len(plan.classes)
        self.stem = Conv(1, channels[0] // 2, 2, stride=2)
        self.down = nn.ModuleList(
            block(channels[max(i - 1, 0)] if i else channels[0] // 2, c)
            for i, c in enumerate(channels)
        )
        self.squeeze = nn.ModuleList(
            Conv(channels[i + 1], channels[i], 1) for i in range(len(channels) - 1)
        )
        self.up = nn.ModuleList(block(2 * c, c) for c in channels[:-1])
        self.unfold = nn.ConvTranspose3d(channels[0], plan.refine or classes, 2, stride=2)
        self.refine = (
            nn.Sequential(
                Conv(plan.refine + 1, plan.refine, 3, padding=1, bias=False),
                Norm(plan.refine),
                nn.ReLU(inplace=True),
                Conv(plan.refine, classes, 3, padding=1),
            )
            if plan.refine
            else None
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Box to logits."""
        x, kept = self.stem(image), []
        for i, stage in enumerate(self.down):
            x = stage(F.max_pool3d(x, 2) if i else x)
            kept.append(x)
        for i in reversed(range(len(self.up))):
            x = F.interpolate(self.squeeze[i](x), scale_factor=2.0, mode="nearest")
            x = self.up[i](torch.cat([kept[i], x], 1))
        x = self.unfold(x)
        return x if self.refine is None else self.refine(torch.cat([x, image], 1))
