# SPDX-License-Identifier: Apache-2.0
"""Turn whole-head label maps into one compact file that the generator reads.

Every map is brought to RAS, sampled at 1 mm, cropped to its head and written as uint8
indices into `LABELS`, beside smooth fields that let the generator widen ventricles and
shrink hippocampi.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

# FreeSurfer numbers, then the maps' own numbers for what lies outside the brain (>= 500).
LABELS = (
    0, 2, 3, 4, 5, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 24, 25, 26, 28, 30,
    41, 42, 43, 44, 46, 47, 49, 50, 51, 52, 53, 54, 57, 58, 60, 62, 72, 85,
    136, 137, 163, 164, 502, 506, 507, 508, 509, 511, 512, 514, 515, 516, 530,
)  # fmt: skip
VENTRICLES = (4, 5, 43, 44, 136, 137, 163, 164, 14)
HIPPOCAMPI = (17, 53)
DEEP_GREY = (10, 11, 12, 13, 49, 50, 51, 52)
FAULTY = ("07",)  # left hippocampus a third of the right one's size
HELD_OUT = ("02", "09", "18")
FIELD_MM = 2


def _centroid(mask: np.ndarray) -> np.ndarray:
    return np.array(ndimage.center_of_mass(mask))


def _gradient(mask: np.ndarray, sigma_mm: float) -> np.ndarray:
    """Gradient (1/mm) of the blurred mask on a grid of `FIELD_MM`."""
    smooth = ndimage.gaussian_filter(mask.astype(np.float32), sigma_mm)[
        ::FIELD_MM, ::FIELD_MM, ::FIELD_MM
    ]
    return np.stack(np.gradient(smooth, FIELD_MM)).astype(np.float16)


def compact(path: Path) -> dict[str, np.ndarray]:
    """Everything that the generator needs of one map (axes RAS, 1 mm, voxel coordinates)."""
    image = nib.as_closest_canonical(nib.load(path))
    if not np.allclose(image.header.get_zooms()[:3], 1.0, atol=1e-3):
        raise ValueError(f"{path.name}: expected 1 mm voxels")
    labels = np.rint(np.asarray(image.dataobj)).astype(np.int32)
    table = np.zeros(1024, np.uint8)
    table[list(LABELS)] = np.arange(len(LABELS))
    inside = np.nonzero(labels)
    crop = tuple(slice(max(int(a.min()) - 2, 0), int(a.max()) + 3) for a in inside)
    labels = labels[crop]
    brain = (labels > 0) & (labels < 500) & (labels != 24)
    return {
        "labels": table[labels],
        "brain": _centroid(brain),
        "deep": _centroid(np.isin(labels, DEEP_GREY)),
        "hippocampus_left": _centroid(labels == 17),
        "hippocampus_right": _centroid(labels == 53),
        "ventricle_field": _gradient(np.isin(labels, VENTRICLES), 4.0),
        "hippocampus_field": _gradient(np.isin(labels, HIPPOCAMPI), 3.0),
    }


def main() -> None:
    """Write one npz a map, except for faulty ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of training_seg_NN.nii.gz")
    parser.add_argument("out", type=Path, help="folder for one npz a map")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for path in sorted(args.folder.glob("training_seg_*.nii.gz")):
        number = path.name[13:15]
        if number not in FAULTY:
            np.savez(args.out / f"{number}.npz", **compact(path))


if __name__ == "__main__":
    main()
