# SPDX-License-Identifier: Apache-2.0
"""Mean arrangement of the structures in the training maps: anatomy.json of the engine."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from label_maps import HELD_OUT, LABELS

LEFT_RIGHT = {
    "white": (2, 41), "cortex": (3, 42), "lateral_ventricle": (4, 43),
    "cerebellar_white": (7, 46), "cerebellar_cortex": (8, 47), "thalamus": (10, 49),
    "caudate": (11, 50), "putamen": (12, 51), "pallidum": (13, 52), "hippocampus": (17, 53),
    "amygdala": (18, 54),
}  # fmt: skip
MIDLINE = {"third_ventricle": 14, "fourth_ventricle": 15, "brainstem": 16}


def centroids(path: Path) -> dict[str, np.ndarray]:
    """Centroids (mm) relative to the brain's."""
    with np.load(path) as stored:
        labels = np.array(LABELS)[stored["labels"]]
        brain = stored["brain"]
    sides = ("left", "right")
    wanted = {f"{n}_{s}": p[i] for n, p in LEFT_RIGHT.items() for i, s in enumerate(sides)}
    wanted |= MIDLINE
    return {name: np.argwhere(labels == label).mean(0) - brain for name, label in wanted.items()}


def main() -> None:
    """Write anatomy.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("maps", type=Path)
    parser.add_argument("out", type=Path, help="the engine's weights folder")
    args = parser.parse_args()
    heads = [centroids(p) for p in sorted(args.maps.glob("*.npz")) if p.stem not in HELD_OUT]
    mean = {name: np.mean([h[name] for h in heads], 0).round(2).tolist() for name in heads[0]}
    (args.out / "anatomy.json").write_text(json.dumps(mean, indent=1) + "\n")


if __name__ == "__main__":
    main()
