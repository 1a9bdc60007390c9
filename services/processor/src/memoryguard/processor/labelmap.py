# SPDX-License-Identifier: Apache-2.0
"""Label maps and stripped images as NIfTI files: the same voxels give the same bytes."""

from __future__ import annotations

import gzip
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

WHITE_PERCENTILE = 99.9
"""Of the brain's intensities; what is brighter are vessels, and is cut off."""
LEVELS = 1000
"""Grey levels kept: finer than the noise of any scan, and half the bytes of all 16 bits."""
INTENT_NONE = 0
INTENT_LABEL = 1002


def to_nifti(labels: NDArray[np.int16], ras_from_ijk: NDArray[np.float64]) -> bytes:
    """Pack a label map.

    Parameters
    ----------
    labels
        int16, axes (i, j, k): FreeSurfer label numbers.
    ras_from_ijk
        Affine of the grid, RAS+ mm; kept in single precision by the format.

    Returns
    -------
    bytes
        A ``.nii.gz`` without a time or a file name in it.
    """
    return _packed(labels.astype(np.int16), ras_from_ijk, INTENT_LABEL)


def stripped_to_nifti(voxels: NDArray[np.float32], ras_from_ijk: NDArray[np.float64]) -> bytes:
    """Pack a skull-stripped image as whole numbers from 0 to `LEVELS`, so that it stays small.

    Parameters
    ----------
    voxels
        float32, axes (i, j, k); 0 outside the brain. Intensities of MR have no unit: they are
        divided by their 99.9th percentile in the brain, and cut off there and under zero.
    ras_from_ijk
        Affine of the grid, RAS+ mm; kept in single precision by the format.

    Returns
    -------
    bytes
        A ``.nii.gz`` of int16 without a time or a file name in it.
    """
    inside = voxels[voxels != 0]
    white = float(np.percentile(inside, WHITE_PERCENTILE)) if inside.size else 0.0
    shares = np.clip(voxels / white, 0.0, 1.0) if white > 0 else np.zeros_like(voxels)
    return _packed(np.rint(shares * LEVELS).astype(np.int16), ras_from_ijk, INTENT_NONE)


def _packed(
    voxels: NDArray[np.int16], ras_from_ijk: NDArray[np.float64], intent_code: int
) -> bytes:
    import nibabel

    image = nibabel.Nifti1Image(voxels, ras_from_ijk)
    image.header.set_xyzt_units("mm")
    image.header["intent_code"] = intent_code
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=packed, mtime=0) as stream:
        stream.write(image.to_bytes())
    return packed.getvalue()


def from_nifti(content: bytes) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Unpack what ``to_nifti`` packed: the labels and their ``ras_from_ijk``."""
    import nibabel

    image: Any = nibabel.Nifti1Image.from_bytes(gzip.decompress(content))
    return np.asarray(image.dataobj, np.int16), np.asarray(image.affine, np.float64)
