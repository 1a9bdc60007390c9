# SPDX-License-Identifier: Apache-2.0
"""Turn whole-head label maps into compact files that the generator reads.

Every map is brought to RAS at 1 mm, cropped to its head and written as uint8 indices into
`LABELS`, beside its frame (see anatomy.py) and smooth fields that let the generator move
borders: wider ventricles, smaller hippocampi, thinner cortex, a smaller brain.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from anatomy import centroids, mean_head
from scipy import ndimage

from memoryguard.processor.domain.anatomy import frame_of

CSF, SPINAL_FLUID = 24, 531
# FreeSurfer numbers, then the maps' own numbers for what lies outside the brain (>= 500),
# then ours for fluid below the brain's lowest slice, which the maps also call CSF.
LABELS = (
    0, 2, 3, 4, 5, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 24, 25, 26, 28, 30,
    41, 42, 43, 44, 46, 47, 49, 50, 51, 52, 53, 54, 57, 58, 60, 62, 72, 85,
    136, 137, 163, 164, 502, 506, 507, 508, 509, 511, 512, 514, 515, 516, 530, SPINAL_FLUID,
)  # fmt: skip
FIELDS = {
    "ventricles": ((4, 5, 43, 44, 136, 137, 163, 164, 14), 4.0),
    "hippocampi": ((17, 53), 3.0),
    "white": ((2, 41, 25, 57, 30, 62), 2.5),
    "brain": (tuple(label for label in LABELS if 0 < label < 500 and label != CSF), 3.0),
    "striata": ((11, 12, 26, 50, 51, 58), 2.5),
    "pallida": ((13, 52), 2.5),
    "thalami": ((10, 49), 3.0),
    "amygdalae": ((18, 54), 2.5),
}
FAULTY = ("07",)  # left hippocampus a third of the right one's size
HELD_OUT = ("02", "09", "18")
FIELD_MM = 2
FOLDED = (3, 42, 8, 47)
NEIGHBOURS = 9
"""Fluid with so many neighbours (of 26) in one folded cortex counts as that cortex. The maps cut
fluid out of narrow sulci, FreeSurfer's ribbon holds it: of its cortex 75, 49, 20 and 7 % lie
farther than 1, 2, 3 and 4 mm from white matter, of the maps' 72, 42, 11 and 2 %, with this rule
75, 49, 18 and 5 % (two of its unedited subjects; maps 03 and 04, the most like them)."""


def read(path: Path) -> np.ndarray:
    """Labels (int32) in RAS at 1 mm, cropped to the head."""
    image: Any = nib.as_closest_canonical(nib.load(path))
    if not np.allclose(image.header.get_zooms()[:3], 1.0, atol=1e-3):
        raise ValueError(f"{path.name}: expected 1 mm voxels")
    labels = np.rint(np.asarray(image.dataobj)).astype(np.int32)
    inside = np.nonzero(labels)
    crop = tuple(slice(max(int(a.min()) - 2, 0), int(a.max()) + 3) for a in inside)
    return labels[crop]


def gradient(labels: np.ndarray, of: tuple[int, ...], sigma_mm: float) -> np.ndarray:
    """Gradient (1/mm) of the blurred structures on a grid of `FIELD_MM`."""
    smooth = ndimage.gaussian_filter(np.isin(labels, of).astype(np.float32), sigma_mm)
    coarse = smooth[::FIELD_MM, ::FIELD_MM, ::FIELD_MM]
    return np.stack(np.gradient(coarse, FIELD_MM)).astype(np.float16)


def with_narrow_sulci(labels: np.ndarray) -> np.ndarray:
    """Count the fluid of narrow sulci and fissures as cortex, as FreeSurfer's ribbon does."""
    out, fluid = labels.copy(), labels == CSF
    most = np.full(labels.shape, NEIGHBOURS - 0.5, np.float32)
    for cortex in FOLDED:
        near = 27 * ndimage.uniform_filter((labels == cortex).astype(np.float32), 3)
        out[fluid & (near > most)] = cortex
        np.maximum(most, near, out=most)
    return out


def cut_below(labels: np.ndarray, map_from_frame: np.ndarray) -> np.ndarray:
    """Rename the fluid that lies lower than all of the brain: it is not in the skull."""
    frame_from_map = np.linalg.inv(map_from_frame)
    z = np.tensordot(frame_from_map[2, :3], np.indices(labels.shape), 1) + frame_from_map[2, 3]
    brain = (labels > 0) & (labels < 500) & (labels != CSF)
    out = labels.copy()
    out[(labels == CSF) & (z < z[brain].min())] = SPINAL_FLUID
    return out


def compact(labels: np.ndarray, mean: dict[str, list[float]]) -> dict[str, np.ndarray]:
    """Everything that the generator needs of one map (voxel coordinates)."""
    frame = frame_of(centroids(labels), mean)
    table = np.zeros(1024, np.uint8)
    table[list(LABELS)] = np.arange(len(LABELS))
    named = cut_below(with_narrow_sulci(labels), frame.ras_from_frame)
    fields = {name: gradient(labels, *what) for name, what in FIELDS.items()}
    return {"labels": table[named], "map_from_frame": frame.ras_from_frame, **fields}


def main() -> None:
    """Write one npz a map, except for faulty ones, and the mean head."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of training_seg_NN.nii.gz")
    parser.add_argument("out", type=Path, help="folder for one npz a map")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    paths = {p.name[13:15]: p for p in sorted(args.folder.glob("training_seg_*.nii.gz"))}
    maps = {number: read(path) for number, path in paths.items() if number not in FAULTY}
    mean = mean_head([centroids(maps[n]) for n in maps if n not in HELD_OUT])
    (args.out / "anatomy.json").write_text(json.dumps(mean, indent=1) + "\n")
    for number, labels in maps.items():
        np.savez(args.out / f"{number}.npz", **compact(labels, mean))
        print(number, labels.shape, flush=True)


if __name__ == "__main__":
    main()
