# SPDX-License-Identifier: Apache-2.0
"""Write a volume as a DICOM series, one file a slice."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MR_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.4"
CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "sample.memoryguard.invalid")


def uid(*parts: object) -> str:
    """Return a UID below 2.25 (PS3.5 B.2) that depends on nothing but its parts."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, '/'.join(map(str, parts))).int}"


def write_series(
    folder: Path,
    voxels: NDArray[np.integer[Any]],
    ras_from_ijk: NDArray[np.float64],
    tags: Mapping[str, object],
) -> None:
    """Write one file for every slice along the first axis.

    Parameters
    ----------
    folder
        Is made; the files are ``IM0001.dcm`` and so on.
    voxels
        uint16 or int16; axes (slice, row, column).
    ras_from_ijk
        Affine of these axes, RAS+ mm.
    tags
        By DICOM keyword, the same in every file. UIDs of study, series and frame of reference are
        among them.
    """
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    folder.mkdir(parents=True, exist_ok=True)
    for index, plane in enumerate(voxels):
        instance = uid(tags["SeriesInstanceUID"], index)
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = UID(str(tags["SOPClassUID"]))
        meta.MediaStorageSOPInstanceUID = UID(instance)
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.ImplementationClassUID = UID(uid("implementation"))
        path = folder / f"IM{index + 1:04d}.dcm"
        dataset = FileDataset(path, Dataset(), file_meta=meta, preamble=bytes(128))
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)
        dataset.SOPInstanceUID = instance
        dataset.InstanceNumber = index + 1
        _put_plane(dataset, index, plane, LPS_FROM_RAS @ ras_from_ijk)
        dataset.save_as(path, enforce_file_format=True)


def _put_plane(
    dataset: Any, index: int, plane: NDArray[np.integer[Any]], lps_from_ijk: NDArray[np.float64]
) -> None:
    """Fill in the image plane (PS3.3 C.7.6.2) and image pixel (C.7.6.3) modules."""
    slice_mm, row_mm, column_mm = (float(np.linalg.norm(lps_from_ijk[:3, a])) for a in range(3))
    # The first three cosines point along a row, the way the column index grows; then down.
    along_row, down = lps_from_ijk[:3, 2] / column_mm, lps_from_ijk[:3, 1] / row_mm
    position = lps_from_ijk @ np.array([index, 0.0, 0.0, 1.0])
    dataset.ImageOrientationPatient = _decimals([*along_row, *down])
    dataset.ImagePositionPatient = _decimals(position[:3])
    dataset.PixelSpacing = _decimals([row_mm, column_mm])
    dataset.SliceThickness, dataset.SpacingBetweenSlices = _decimals([slice_mm, slice_mm])
    normal = np.cross(along_row, down)
    dataset.SliceLocation = _decimals([float(position[:3] @ normal)])[0]
    dataset.Rows, dataset.Columns = plane.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = int(plane.dtype.kind == "i")
    dataset.PixelData = np.ascontiguousarray(plane).astype(plane.dtype.newbyteorder("<")).tobytes()


def _decimals(values: Any) -> list[str]:
    """Return decimal strings of at most the 16 characters that DICOM allows."""
    from pydicom.valuerep import format_number_as_ds

    return [format_number_as_ds(float(value) + 0.0) for value in values]


def age_string(born: date, on: date) -> str:
    """Return whole years as DICOM writes an age: ``072Y``."""
    years = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    return f"{years:03d}Y"
