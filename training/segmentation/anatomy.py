# SPDX-License-Identifier: Apache-2.0
"""The mean head: where every structure lies, symmetric, in mm around the brain's middle."""

from __future__ import annotations

import numpy as np

from memoryguard.processor.domain.anatomy import similarity

LEFT_RIGHT = {
    "white": (2, 41), "cortex": (3, 42), "lateral_ventricle": (4, 43),
    "cerebellar_white": (7, 46), "cerebellar_cortex": (8, 47), "thalamus": (10, 49),
    "caudate": (11, 50), "putamen": (12, 51), "pallidum": (13, 52), "hippocampus": (17, 53),
    "amygdala": (18, 54),
}  # fmt: skip
MIDLINE = {"third_ventricle": 14, "fourth_ventricle": 15, "brainstem": 16}
SIDES = ("left", "right")


def centroids(labels: np.ndarray) -> dict[str, np.ndarray]:
    """Centroids (voxels of 1 mm, RAS) of a label map with FreeSurfer numbers."""
    wanted = {f"{n}_{s}": p[i] for n, p in LEFT_RIGHT.items() for i, s in enumerate(SIDES)}
    return {
        name: np.argwhere(labels == label).mean(0) for name, label in (wanted | MIDLINE).items()
    }


def opposite(name: str) -> str:
    """The same structure on the other side."""
    return name.replace("left", "*").replace("right", "left").replace("*", "right")


def mean_head(heads: list[dict[str, np.ndarray]]) -> dict[str, list[float]]:
    """Mean of heads brought together by rotation, scale and shift (Procrustes), made symmetric.

    Its scale is the heads' mean scale, its x = 0 the mid-plane, its origin the mean of all
    structures.
    """
    names = list(heads[0])
    twin = [names.index(opposite(name)) for name in names]
    points = np.array([[head[name] for name in names] for head in heads])
    even = np.ones(len(names))
    mean = points.mean(0)
    for _ in range(20):
        mean = (mean - mean.mean(0) + (mean - mean.mean(0))[twin] * [-1, 1, 1]) / 2
        fits = [similarity(mean, head, even) for head in points]
        scale = np.mean([np.cbrt(np.linalg.det(m[:3, :3])) for m in fits])
        back = [np.linalg.inv(m) for m in fits]
        mean = scale * np.mean(
            [p @ m[:3, :3].T + m[:3, 3] for p, m in zip(points, back, strict=True)], 0
        )
    mean = (mean + mean[twin] * [-1, 1, 1]) / 2
    return {name: row.round(2).tolist() for name, row in zip(names, mean, strict=True)}
