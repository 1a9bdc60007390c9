# SPDX-License-Identifier: Apache-2.0
"""Where the whole-head network sees the structures of heads whose frame is known.

What it sees too near to the middle or too far from it in training heads, it sees so in every head:
a frame fitted to these places comes out right, one fitted to the true ones would not.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from anatomy import opposite
from synthetic import Generator

from memoryguard.processor.domain.anatomy import layout
from memoryguard.processor.domain.image import box


def as_seen(
    read: Callable[[torch.Tensor], torch.Tensor], source: Generator, draws: int, seed: int
) -> dict[str, list[float]]:
    """Median place (mm in the frame) where a network finds each structure, made symmetric.

    `read` takes a box (1, 1, i, j, k) to probabilities (classes, i, j, k).
    """
    plan = source.plan
    grid = box(np.zeros(3), plan.shape, plan.spacing_mm)
    points = grid.points()
    found: dict[str, list[np.ndarray]] = {}
    for n in range(draws):
        drawn = source.draw(seed + n)
        p = dict(zip(plan.classes, read(drawn.image).numpy(), strict=True))
        matrix = drawn.frame_from_box.numpy()
        for name, at in layout(p, points, np.zeros(3), grid.voxel_volume_mm3).items():
            # A mirrored draw shows the right side on the left: the frame's x is already turned.
            name = opposite(name) if drawn.mirrored else name
            found.setdefault(name, []).append(matrix[:, :3] @ at + matrix[:, 3])
    middle = {name: np.median(places, 0) for name, places in found.items()}
    even = {n: (at + middle[opposite(n)] * [-1, 1, 1]) / 2 for n, at in middle.items()}
    return {name: at.round(2).tolist() for name, at in even.items()}
