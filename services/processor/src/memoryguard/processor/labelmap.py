# SPDX-License-Identifier: Apache-2.0
"""Label maps as NIfTI files: the same labels give the same bytes."""

from __future__ import annotations

import gzip
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
    import nibabel

    image = nibabel.Nifti1Image(labels.astype(np.int16), ras_from_ijk)
    image.header.set_xyzt_units("mm")
    image.header["intent_code"] = 1002  # NIFTI_INTENT_LABEL
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=packed, mtime=0) as stream:
        stream.write(image.to_bytes())
    return packed.getvalue()


def from_nifti(content: bytes) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Unpack what ``to_nifti`` packed: the labels and their ``ras_from_ijk``."""
    import nibabel

    image: Any = nibabel.Nifti1Image.from_bytes(gzip.decompress(content))
    return np.asarray(image.dataobj, np.int16), np.asarray(image.affine, np.float64)
