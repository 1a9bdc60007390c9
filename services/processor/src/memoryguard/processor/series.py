# SPDX-License-Identifier: Apache-2.0
"""Read a DICOM series or a NIfTI file into a volume with world axes RAS+ mm.

Everything that cannot be read is refused with a stable code; no message holds a value out of the
file. The files are somebody else's, so every call into a parser is fenced. Of DICOM first the
stored voxels are read (`stored`), then scaled.

Codes: ``not_dicom``, ``empty_input``, ``not_readable``, ``truncated_file``, ``not_an_image``,
``colour_image``, ``unsupported_modality``, ``unsupported_compression``, ``several_series``,
``several_volumes``, ``incomplete_series``, ``irregular_slices``, ``unknown_orientation``,
``too_large``.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memoryguard.common.errors import Rejected
from memoryguard.processor.domain.image import Image
from memoryguard.processor.stored import (
    Stored,
    check_size,
    degenerate,
    fence,
    stored_files,
    stored_series,
)

RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])

_NIFTI_NAMES = (".nii", ".nii.gz", ".mgz", ".mgh")


def read_series(archive: bytes) -> Image:
    """Read a zip of the DICOM instances of one series.

    Raises
    ------
    Rejected
        When it is not one regular volume of an MR scanner.
    """
    return image_of(stored_series([archive]))


def image_of(stored: Stored) -> Image:
    """Scale stored voxels (PS3.3 C.11.1.1.2), white being high.

    Raises
    ------
    Rejected
        When it is no volume of numbers.
    """
    voxels = np.empty(stored.planes.shape, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below
        for plane, source in zip(voxels, stored.order, strict=True):
            values = stored.planes[source]
            slope, intercept, white_is_low = stored.scaling[source]
            if slope is not None:
                values = values.astype(np.float64) * slope
                values += intercept
            plane[...] = values
            if white_is_low:
                np.negative(plane, out=plane)
    return _checked(voxels, RAS_FROM_LPS @ stored.lps_from_ijk)


def read_path(path: Path) -> Image:
    """Read a DICOM folder, a zip, a multi-frame file or a NIfTI (.nii, .nii.gz, .mgz).

    Raises
    ------
    Rejected
        When it is not there, or not one volume.
    """
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        return image_of(stored_files(_bytes(p) for p in files))
    if not path.is_file():
        raise Rejected("empty_input", "There is no such file or folder.", "Check the path.")
    if path.stat().st_size == 0:
        raise Rejected("empty_input", "The file is empty.")
    if path.name.lower().endswith(_NIFTI_NAMES):
        return _from_nifti(path)
    if zipfile.is_zipfile(path):
        return read_series(_bytes(path))
    return image_of(stored_files([_bytes(path)]))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Rejected("not_readable", "A file cannot be opened.", "Check its rights.") from error


# --- NIfTI ---------------------------------------------------------------------------------


def _from_nifti(path: Path) -> Image:
    import nibabel

    with fence():
        try:
            loaded: Any = nibabel.load(path)
            shape = tuple(int(n) for n in loaded.shape)
            _check_nifti(loaded, shape)
            voxels = np.asarray(loaded.dataobj, dtype=np.float32)
        except (EOFError, OSError) as error:
            raise Rejected("truncated_file", "The file ends too early.") from error
    return _checked(voxels.reshape(shape[:3]), np.asarray(loaded.affine, np.float64))


def _check_nifti(loaded: Any, shape: tuple[int, ...]) -> None:
    if loaded.get_data_dtype().kind not in "iuf":
        raise Rejected("colour_image", "The voxels are not plain numbers.")
    if len(shape) < 3 or any(n != 1 for n in shape[3:]):
        raise Rejected("several_volumes", "This is not one three-dimensional volume.")
    check_size(shape)
    header = loaded.header
    coded = "sform_code" not in header or int(header["sform_code"]) or int(header["qform_code"])
    placed = "goodRASFlag" not in header or int(header["goodRASFlag"])
    if not (coded and placed):
        raise Rejected(
            "unknown_orientation", "The file does not say how the head lies in it.",
            "Convert it from DICOM again, keeping the orientation.",
        )  # fmt: skip


# --- both ----------------------------------------------------------------------------------


def _checked(voxels: NDArray[np.float32], ras_from_ijk: NDArray[np.float64]) -> Image:
    if voxels.size == 0:
        raise Rejected("empty_input", "The volume has no voxels.")
    if not np.isfinite(voxels).all():
        raise Rejected("not_an_image", "Some voxels are not numbers.")
    if not np.isfinite(ras_from_ijk).all() or abs(np.linalg.det(ras_from_ijk[:3, :3])) < 1e-6:
        raise degenerate()
    return Image(voxels=voxels, ras_from_ijk=ras_from_ijk)
