# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the measuring, for tests of the flow: constant volumes, no networks."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

from memoryguard.common.contracts.events import Engine, Quality, Quantity, Reason
from memoryguard.processor.extract import Extract

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
