# SPDX-License-Identifier: Apache-2.0
"""Small DICOM series for tests."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np

from memoryguard.cli.dicom_series import age_string, uid, write_series

BORN = date(1950, 5, 1)


def small_series(
    folder: Path,
    *,
    seed: int = 0,
    patient: str = "P1",
    on: date = date(2022, 3, 1),
    slices: int = 24,
) -> Path:
    """Write a T1 series of ``slices`` small slices of noise; not a head, but a valid series."""
    rng = np.random.default_rng(seed)
    voxels = rng.integers(0, 800, (slices, 16, 16), dtype=np.int16)
    tags: dict[str, object] = {
        "PatientName": "Secretname^Test",
        "PatientID": patient,
        "PatientBirthDate": f"{BORN:%Y%m%d}",
        "PatientSex": "F",
        "PatientAge": age_string(BORN, on),
        "StudyDate": f"{on:%Y%m%d}",
        "AcquisitionDate": f"{on:%Y%m%d}",
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4",
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "SeriesDescription": "T1 MPRAGE",
        "Modality": "MR",
        "Manufacturer": "SIEMENS",
        "MagneticFieldStrength": "3",
        "ScanningSequence": "GR",
        "RepetitionTime": "2300",
        "EchoTime": "2.9",
        "InversionTime": "900",
        "StudyInstanceUID": uid("study", patient, seed),
        "SeriesInstanceUID": uid("series", patient, seed),
        "FrameOfReferenceUID": uid("frame", patient, seed),
    }
    write_series(folder, voxels, np.eye(4), tags)
    return folder
