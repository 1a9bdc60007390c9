# SPDX-License-Identifier: Apache-2.0
"""Read many heads with the engine and note what the networks say, one JSON line each.

Kinds: `synthetic` (held-out heads with truth), `real` (T1 files, measuring only) and
`garbage` (what must be refused). calibrate.py works from the synthetic lines only.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy import ndimage

from memoryguard.processor.domain import quality, volumes
from memoryguard.processor.domain.image import Image
from memoryguard.processor.engine import BaselineEngine, Reading

TRUTH = {
    "hippocampus_left": (17,),
    "hippocampus_right": (53,),
    "hippocampus_total": (17, 53),
    "lateral_ventricle_left": (4, 5, 136, 137),
    "lateral_ventricle_right": (43, 44, 163, 164),
    "lateral_ventricles": (4, 5, 136, 137, 43, 44, 163, 164),
    "third_ventricle": (14,),
    "cortical_grey_matter": (3, 42),
    "grey_matter": (3, 42, 8, 47, 10, 49, 11, 50, 12, 51, 13, 52, 17, 53, 18, 54),
    "white_matter": (2, 41, 25, 57, 30, 62),
}
VENTRICULAR = (4, 5, 136, 137, 43, 44, 163, 164, 14, 15, 72)


def truth(labels: np.ndarray, volumes_mm3: np.ndarray) -> dict[str, float]:
    """True volume of everything that the engine states."""
    inside = (labels > 0) & (labels < 500)
    true = {name: float(volumes_mm3[np.isin(labels, v)].sum()) for name, v in TRUTH.items()}
    brain = inside & (labels != 24) & ~np.isin(labels, VENTRICULAR)
    true["total_brain"] = float(volumes_mm3[brain].sum())
    true["intracranial"] = float(volumes_mm3[inside].sum())
    return true


def synthetic(folder: Path) -> Iterator[tuple[str, Image, dict[str, float]]]:
    """Held-out heads with their truth."""
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as stored:
            image = Image(stored["image"].astype(np.float32), np.diag([1.0, 1.0, 1.0, 1.0]))
            true = truth(stored["labels"], stored["volumes_mm3"])
        yield path.stem, image, true


def real(paths: list[Path]) -> Iterator[tuple[str, Image, dict[str, float]]]:
    """T1 files; `0.78@file` scales the volume of the world they lie in."""
    for path in paths:
        scale, _, name = str(path).rpartition("@")
        stored: Any = nib.load(name)
        factor = float(scale) ** (1 / 3) if scale else 1.0
        matrix = np.diag([factor, factor, factor, 1.0]) @ stored.affine
        yield Path(name).name, Image(np.asarray(stored.dataobj, np.float32).squeeze(), matrix), {}


def garbage(head: Image) -> Iterator[tuple[str, Image, dict[str, float]]]:
    """Noise, phantoms, and a head spoilt in ways that make it no T1 head."""
    rng = np.random.default_rng(5)
    shape = (192, 224, 192)
    eye = np.eye(4)
    i, j, k = np.indices(shape) - np.array(shape)[:, None, None, None] / 2
    ball = np.sqrt(i**2 + j**2 + k**2)
    noise = rng.normal(0, 1, shape).astype(np.float32)
    yield "noise", Image(np.abs(noise) * 100, eye), {}
    for sigma in (2, 4, 8, 16):
        smooth = ndimage.gaussian_filter(noise, sigma)
        yield f"smooth noise {sigma}", Image((smooth - smooth.min()) * 1000, eye), {}
    inside = ndimage.gaussian_filter(noise, 3) * 30
    yield "noise in a ball", Image(np.where(ball < 80, 100 + 20 * inside, 1 + noise**2), eye), {}
    yield "ball", Image(np.where(ball < 80, 100.0, 0.0).astype(np.float32) + noise, eye), {}
    shells = 50 + 40 * np.cos(ball / 6)
    yield "shells", Image((np.where(ball < 90, shells, 0) + noise).astype(np.float32), eye), {}
    box = (abs(i) < 60) & (abs(j) < 80) & (abs(k) < 60)
    yield "box", Image((np.where(box, 90, 0) + noise).astype(np.float32), eye), {}
    grid = ((i // 20 + j // 20 + k // 20) % 2) * 60 + 30
    yield "chequers", Image((np.where(ball < 90, grid, 0) + noise).astype(np.float32), eye), {}
    tube = (np.hypot(i, j) < 40) * 80 + (np.hypot(i, j) < 15) * 60
    yield "limb", Image((tube + noise).astype(np.float32), eye), {}
    voxels, place = head.voxels, head.ras_from_ijk
    top = float(voxels.max())
    yield "upside down", Image(voxels, np.diag([1.0, 1.0, -1.0, 1.0]) @ place), {}
    yield "back to front", Image(voxels, np.diag([1.0, -1.0, 1.0, 1.0]) @ place), {}
    yield "intensities inverted", Image(np.where(voxels > top * 0.02, top - voxels, 0), place), {}
    mixed = rng.permuted(voxels.reshape(-1)).reshape(voxels.shape)
    yield "shuffled", Image(mixed, place), {}
    swapped = place[[2, 0, 1, 3]]
    yield "axes mixed up", Image(voxels, swapped), {}
    twice = np.diag([2.0, 2.0, 2.0, 1.0]) @ place
    yield "twice the size", Image(voxels, twice), {}
    half = np.diag([0.6, 0.6, 0.6, 1.0]) @ place
    yield "six tenths the size", Image(np.pad(voxels, 30), half), {}
    stretched = np.diag([1.0, 1.0, 1.9, 1.0]) @ place
    yield "stretched", Image(voxels, stretched), {}
    edges = ndimage.gaussian_gradient_magnitude(voxels, 1.0)
    yield "edges only", Image(edges, place), {}
    yield "very noisy", Image(np.abs(voxels + 0.6 * top * _noise(voxels, rng)), place), {}
    ras = np.indices(voxels.shape)
    axis = int(np.argmax(np.abs(place[2, :3])))
    low = (ras[axis] < voxels.shape[axis] / 2) == (place[2, axis] > 0)
    yield "lower half only", Image(np.where(low, voxels, 0), place), {}
    yield "upper half only", Image(np.where(low, 0, voxels), place), {}
    across = int(np.argmax(np.abs(place[0, :3])))
    yield (
        "one hemisphere",
        Image(np.where(ras[across] < voxels.shape[across] / 2, voxels, 0), place),
        {},
    )


def _noise(like: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(0, 1, like.shape).astype(np.float32)


def cores(reading: Reading, level: float) -> dict[str, float]:
    """Soft volumes (mm3) of only those voxels whose probability is over `level`."""
    out: dict[str, float] = {}
    for side, hippocampus, central in zip(
        ("left", "right"), reading.hippocampi, reading.central, strict=True
    ):
        for name, soft in (("hippocampus", hippocampus), ("lateral_ventricle", central)):
            p = soft.of(name)
            out[f"{name}_{side}"] = float(p[p > level].sum()) * soft.grid.voxel_volume_mm3
    third = [soft.of("third_ventricle") for soft in reading.central]
    cell = reading.central[0].grid.voxel_volume_mm3
    out["third_ventricle"] = sum(float(p[p > level].sum()) for p in third) / 2 * cell
    return out


def note(reading: Reading, true: dict[str, float]) -> dict[str, Any]:
    """Everything that thresholds and calibration are made of."""
    whole = reading.whole
    inside = [name for name in whole.names if name not in ("background", "head")]
    return {
        "raw": volumes.raw_volumes(whole, reading.hippocampi, reading.central, {}),
        "cores": {str(level): cores(reading, level) for level in (0.1, 0.3, 0.5)},
        "thirds": [p.volume_mm3("third_ventricle") for p in reading.central],
        "truth": true,
        "fit": asdict(reading.fit),
        "certainty": [asdict(c) for c in reading.certainty],
        "inside_mm3": whole.volume_mm3(*inside),
        "lit_head": reading.lit_head,
        "head_uncertainty": float((1 - whole.probability.max(axis=0)).mean()),
    }


def main() -> None:
    """Read every case of one kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("synthetic", "real", "garbage"))
    parser.add_argument("paths", type=Path, nargs="+", help="folder, files (0.78@file scales)")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    engine = BaselineEngine(threads=1)
    if args.kind == "synthetic":
        cases = synthetic(args.paths[0])
    elif args.kind == "real":
        cases = real(args.paths)
    else:
        cases = garbage(next(real(args.paths[:1]))[1])
    with args.out.open("w") as out:
        for name, image, true in cases:
            started = time.process_time()
            findings = quality.Findings()
            quality.check_geometry(image, findings)
            quality.check_intensities(image, findings)
            line = note(engine.read(image), true) | {
                "name": name,
                "early": [r.code for r in findings.refused],
                "cpu_seconds": round(time.process_time() - started, 1),
            }
            out.write(json.dumps(line) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
