# SPDX-License-Identifier: Apache-2.0
"""A small oblique DICOM series, and what is done to it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from memoryguard.cli.dicom_series import MR_IMAGE_STORAGE
from memoryguard.common.errors import Rejected
from memoryguard.processor.series import read_path

SHAPE = (20, 24, 28)
MARKER = (7, 5, 11)
TAGS = {
    "SOPClassUID": MR_IMAGE_STORAGE,
    "ImageType": ["ORIGINAL", "PRIMARY", "M"],
    "PatientName": "Phantom^",
    "PatientID": "P",
    "PatientBirthDate": "",
    "PatientSex": "",
    "StudyInstanceUID": "2.25.1",
    "StudyDate": "20260101",
    "StudyTime": "100000",
    "StudyID": "",
    "AccessionNumber": "",
    "ReferringPhysicianName": "",
    "Modality": "MR",
    "SeriesInstanceUID": "2.25.2",
    "SeriesNumber": 1,
    "SeriesDescription": "T1 phantom",
    "FrameOfReferenceUID": "2.25.3",
    "PositionReferenceIndicator": "",
    "Manufacturer": "M",
    "ManufacturerModelName": "M",
    "SoftwareVersions": "1",
    "DeviceSerialNumber": "1",
    "AcquisitionNumber": 1,
    "ScanningSequence": "GR",
    "SequenceVariant": "SP",
    "ScanOptions": "",
    "MRAcquisitionType": "3D",
    "EchoTime": 3,
    "EchoTrainLength": 1,
    "RepetitionTime": 2300,
    "PatientPosition": "HFS",
}


def oblique() -> NDArray[np.float64]:
    """An affine with no axis along the patient's, and three different spacings."""
    affine = np.eye(4)
    turn = Rotation.from_euler("xyz", (17, -23, 31), degrees=True).as_matrix()
    affine[:3, :3] = turn @ np.diag([1.4, 0.9, 1.1])
    affine[:3, 3] = (-31.7, 12.3, 55.1)
    return affine


def phantom() -> NDArray[np.uint16]:
    voxels = np.random.default_rng(3).integers(0, 500, SHAPE).astype(np.uint16)
    voxels[MARKER] = 2000
    return voxels


def world(ras_from_ijk: NDArray[np.float64], ijk: Any) -> NDArray[np.float64]:
    return (ras_from_ijk @ np.append(np.asarray(ijk, float), 1.0))[:3]


def packed(folder: Path) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"a/{path.name}")
    return target.getvalue()


def refusal(path: Path) -> str:
    with pytest.raises(Rejected) as caught:
        read_path(path)
    return caught.value.code


def change(folder: Path, edit: Any) -> None:
    """Rewrite every file of a series after an edit(index, dataset)."""
    for index, path in enumerate(sorted(folder.iterdir())):
        dataset = pydicom.dcmread(path)
        edit(index, dataset)
        dataset.save_as(path)
