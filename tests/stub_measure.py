# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the measuring, for tests of the flow: constant volumes, no networks."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from memoryguard.common.contracts.events import AtrophyScored, Engine, Quality, Quantity, Reason
from memoryguard.processor.document import Document
from memoryguard.processor.extract import Extract
from memoryguard.processor.labelmap import to_nifti
from memoryguard.processor.series import read_series

ENGINE = Engine(name="headframe", version="stub", weights_sha256="0" * 64)
VOLUMES_MM3 = {
    "hippocampus_left": 3000.0,
    "hippocampus_right": 3100.0,
    "hippocampus_total": 6100.0,
    "lateral_ventricles": 30000.0,
    "intracranial": 1_400_000.0,
}


def constant(archive: bytes, threads: int) -> Extract:
    """Give the same volumes for every archive."""
    volumes = {n: Quantity(value=v, error_sd=v * 0.02) for n, v in VOLUMES_MM3.items()}
    volumes["total_brain"] = Quantity(value=None, reason="not_measured_by_engine")
    thickness = {"cortex_mean": Quantity(value=None, reason="not_measured_by_engine")}
    return Extract(
        engine=ENGINE,
        quality=Quality(verdict="accepted"),
        volumes_mm3=volumes,
        thickness_mm=thickness,
        labels_nifti=b"labels",
        picture_png=b"png",
        meshes_glb=b"glb",
        stripped_nifti=b"brain",
        seconds={"stub": 0.0},
    )


def marked(archive: bytes, threads: int) -> Extract:
    """Label two boxes on the scan's own grid, whatever it shows."""
    image = read_series(archive)
    labels = to_nifti(two_boxes(image.voxels.shape), image.ras_from_ijk)
    return replace(constant(archive, threads), labels_nifti=labels)


def two_boxes(shape: tuple[int, ...]) -> NDArray[np.int16]:
    """Left and right hippocampus as boxes that differ."""
    labels = np.zeros(shape, np.int16)
    labels[4:12, 3:9, 2:11] = 17
    labels[8:20, 9:14, 12:15] = 53
    return labels


def drawn(archive: bytes, labels: bytes, scan_id: str, engine: Engine) -> Document:
    """Give the same DICOM object for every scan, but for its UID."""
    return Document(
        content=b"dicom",
        header=b"{}",
        found_by={
            "sop_class_uid": "1.2.840.10008.5.1.4.1.1.66.4",
            "study_uid": "2.25.1",
            "series_uid": "2.25.2",
            "instance_uid": _uid(scan_id),
            "modality": "SEG",
            "series_number": 9001,
            "series_description": "stub",
        },
    )


def told(header: bytes, scored: AtrophyScored, earlier: Sequence[str]) -> Document:
    """Give the same report for every score, but for its UID."""
    found_by = {
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.88.34",
        "study_uid": "2.25.1",
        "series_uid": "2.25.3",
        "instance_uid": _uid(f"{scored.scan_id} {len(earlier)}"),
        "modality": "SR",
        "series_number": 9002,
        "series_description": "stub",
        "instance_number": len(earlier) + 1,
    }
    return Document(b"report", _header(found_by), found_by)


TAGS = {
    "sop_class_uid": ("00080016", "UI"),
    "instance_uid": ("00080018", "UI"),
    "study_uid": ("0020000D", "UI"),
    "series_uid": ("0020000E", "UI"),
    "modality": ("00080060", "CS"),
    "series_number": ("00200011", "IS"),
    "series_description": ("0008103E", "LO"),
    "instance_number": ("00200013", "IS"),
}


def _header(found_by: Mapping[str, object]) -> bytes:
    """Write as DICOM JSON what finds a document: one that is told again is found by it."""
    said = {TAGS[name][0]: {"vr": TAGS[name][1], "Value": [v]} for name, v in found_by.items()}
    empty = {"00080020": {"vr": "DA"}, "00100040": {"vr": "CS"}}
    return json.dumps(said | empty).encode()


def _uid(name: str) -> str:
    return f"2.25.{int(hashlib.sha256(name.encode()).hexdigest()[:16], 16)}"


def telling_told(header: bytes, scored: AtrophyScored, earlier: Sequence[str]) -> Document:
    """Put all that is given into the report."""
    whole = header + scored.model_dump_json().encode()
    return replace(told(header, scored, earlier), content=whole, header=whole)


def telling_drawn(archive: bytes, labels: bytes, scan_id: str, engine: Engine) -> Document:
    """Put all that is given into the object; the labels hold the archive's files."""
    return replace(drawn(archive, labels, scan_id, engine), content=labels, header=labels)


def telling(archive: bytes, threads: int) -> Extract:
    """Put every byte of the archive's files into everything that is exported."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        whole = b"".join(opened.read(name) for name in opened.namelist())
    return replace(
        constant(archive, threads),
        labels_nifti=whole,
        picture_png=whole,
        meshes_glb=whole,
        stripped_nifti=whole,
    )


def refuse(archive: bytes, threads: int) -> Extract:
    """Refuse every archive."""
    reason = Reason(code="not_a_head", message="this is not a head")
    return Extract(
        engine=ENGINE,
        quality=Quality(verdict="refused", reasons=(reason,)),
        volumes_mm3={},
        thickness_mm={},
        labels_nifti=None,
        picture_png=None,
        meshes_glb=None,
        stripped_nifti=None,
        seconds={},
    )
