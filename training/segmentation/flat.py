# SPDX-License-Identifier: Apache-2.0
"""A trained network written with two-dimensional convolutions, for onnxruntime.

Its CPU kernels for two dimensions are blocked by channels and about twice as fast as those for
three. Tensors are (slices, channels, j, k): a 3x3x3 convolution is the sum of three 3x3 ones of
neighbouring slices. The result is the same but for rounding.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from nets import PRIOR_EVERY, Net
from torch import nn


class Norm(nn.Module):
    """Instance norm over slices, rows and columns, then ReLU."""

    def __init__(self, norm: nn.InstanceNorm3d) -> None:
        super().__init__()
        self.weight = nn.Parameter(norm.weight[:, None, None].detach())
        self.bias = nn.Parameter(norm.bias[:, None, None].detach())
        self.eps = norm.eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(slices, channels, j, k) to the same."""
        mean = x.mean((0, 2, 3), keepdim=True)
        variance = (x * x).mean((0, 2, 3), keepdim=True) - mean * mean
        scale = self.weight * torch.rsqrt(variance.clamp(min=0) + self.eps)
        return torch.relu(x * scale + (self.bias - mean * scale))


class Conv(nn.Module):
    """3x3x3 convolution with zeros around, of one tensor or of several side by side in channels."""

    def __init__(self, conv: nn.Conv3d, *widths: int) -> None:
        super().__init__()
        parts = conv.weight.detach().split(widths or conv.in_channels, 1)
        self.weights = nn.ParameterList(
            nn.Parameter(part[:, :, i].contiguous()) for part in parts for i in range(3)
        )

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Each (slices, channels, j, k)."""
        total = None
        for n, x in enumerate(inputs):
            padded = F.pad(x, (0, 0, 0, 0, 0, 0, 1, 1))
            near = (padded[:-2], x, padded[2:])
            for tap, weight in zip(near, self.weights[3 * n : 3 * n + 3], strict=True):
                made = F.conv2d(tap, weight, padding=1)
                total = made if total is None else total + made
        return total


def point(conv: nn.Conv3d) -> nn.Conv2d:
    """1x1x1 convolution."""
    flat = nn.Conv2d(conv.in_channels, conv.out_channels, 1, bias=conv.bias is not None)
    flat.weight.data = conv.weight.data[..., 0]
    if conv.bias is not None:
        flat.bias.data = conv.bias.data
    return flat


class Block(nn.Module):
    """Two convolutions with norm and ReLU; the first may take tensors side by side."""

    def __init__(self, block: nn.Sequential, *widths: int) -> None:
        super().__init__()
        self.first, self.second = Conv(block[0], *widths), Conv(block[3])
        self.norms = nn.ModuleList([Norm(block[1].norm), Norm(block[4].norm)])

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Each (slices, channels, j, k)."""
        return self.norms[1](self.second(self.norms[0](self.first(*inputs))))


class Flat(nn.Module):
    """The network it is made of, but for the order of its output's axes."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net
        stem, widths = net.stem, [block[0].out_channels for block in net.down]
        self.fold = stem.stride[0]
        # Slices that fold together become channels.
        self.stem = nn.Conv2d(self.fold, stem.out_channels, self.fold, stride=self.fold)
        self.stem.weight.data, self.stem.bias.data = stem.weight.data[:, 0], stem.bias.data
        self.down = nn.ModuleList(Block(block) for block in net.down)
        self.squeeze = nn.ModuleList(point(conv) for conv in net.squeeze)
        self.up = nn.ModuleList(
            Block(block, width, width) for block, width in zip(net.up, widths, strict=False)
        )
        unfold = net.unfold
        self.made = unfold.out_channels
        self.unfold = nn.Conv2d(unfold.in_channels, self.made * self.fold**3, 1)
        # (in, out, i, j, k) -> ((i, out, j, k), in): slices, then pixels of each, unfold.
        self.unfold.weight.data = unfold.weight.data.permute(2, 1, 3, 4, 0).reshape(
            -1, unfold.in_channels, 1, 1
        )
        spread = unfold.bias.data[None, :, None, None]
        self.unfold.bias.data = spread.expand(self.fold, -1, self.fold, self.fold).reshape(-1)
        if net.placed:
            self.register_buffer("grid", net.grid[0].transpose(0, 1).contiguous())
            self.register_buffer("centres", net.centres.transpose(1, 2).contiguous())
            self.register_buffer("prior", net.prior.transpose(1, 2).contiguous())
            for axis, n in zip("ijk", net.shape, strict=True):
                self.register_buffer(f"along_{axis}", linear(n, PRIOR_EVERY))
        self.refine = None
        if net.refine is not None:
            self.refine = Conv(net.refine[0], self.made, 1)
            self.refined = Norm(net.refine[1].norm)
            self.last = point(net.refine[3])

    def forward(self, box: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """Box and index (1,) of its place to logits (i, classes, j, k)."""
        net, fold = self.net, self.fold
        i, j, k = net.shape
        x, kept = self.stem(box.reshape(i // fold, fold, j, k)), []
        if net.placed:
            where = self.grid + torch.index_select(self.centres, 0, place)[0]
            x = torch.cat([x, where], 1)
        for n, stage in enumerate(self.down):
            x = stage(halved(x) if n else x)
            kept.append(x)
        for n in reversed(range(len(self.up))):
            x = self.up[n](kept[n], doubled(self.squeeze[n](x)))
        x = self._unfolded(x)
        if self.refine is not None:
            x = self.last(self.refined(self.refine(x, box.reshape(i, 1, j, k))))
        if net.placed:
            x = x + self._prior(place)
        return x

    def _prior(self, place: torch.Tensor) -> torch.Tensor:
        """Logarithm (i, classes, j, k) of how often each class lies where, interpolated."""
        x = torch.index_select(self.prior, 0, place)[0]
        x = self.along_j @ (x @ self.along_k.T)
        return (self.along_i @ x.flatten(1)).reshape(-1, *x.shape[1:])

    def _unfolded(self, x: torch.Tensor) -> torch.Tensor:
        x, fold = self.unfold(x), self.fold
        if fold == 1:
            return x
        i, _, j, k = x.shape
        return F.pixel_shuffle(x.reshape(i * fold, self.made * fold * fold, j, k), fold)


def linear(size: int, every: int) -> torch.Tensor:
    """Matrix (size, size / every) that interpolates linearly between middles of `every` voxels."""
    known = torch.eye(size // every)[None]
    return F.interpolate(known, size, mode="linear", align_corners=False)[0].T.contiguous()


def halved(x: torch.Tensor) -> torch.Tensor:
    """Largest of every 2x2x2 voxels."""
    x = F.max_pool2d(x, 2)
    return torch.maximum(x[0::2], x[1::2])


def doubled(x: torch.Tensor) -> torch.Tensor:
    """Every voxel as 2x2x2."""
    i, c, j, k = x.shape
    x = x.reshape(i, 1, c, j, 1, k, 1).expand(i, 2, c, j, 2, k, 2)
    return x.reshape(2 * i, c, 2 * j, 2 * k)
