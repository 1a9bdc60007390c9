# SPDX-License-Identifier: Apache-2.0
"""One scan, measured: from an image to the fact that says its volumes. No server is needed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module

from memoryguard.common.contracts.events import Engine, Quality, Quantity, Reason
from memoryguard.common.errors import Rejected
from memoryguard.processor import engine as segmentation
from memoryguard.processor.domain.image import Image
from memoryguard.processor.domain.measurement import Measured, Measurement
from memoryguard.processor.domain.stripping import stripped
from memoryguard.processor.labelmap import stripped_to_nifti, to_nifti
from memoryguard.processor.meshes import meshes
from memoryguard.processor.picture import draw
from memoryguard.processor.reading import Reader


@dataclass(frozen=True, slots=True)
class Extract:
    """What a scan gave. The files are absent when it was refused, or nothing may be shown."""

    engine: Engine
    quality: Quality
    volumes_mm3: dict[str, Quantity]
    thickness_mm: dict[str, Quantity]
    labels_nifti: bytes | None
    picture_png: bytes | None
    meshes_glb: bytes | None
    stripped_nifti: bytes | None
    seconds: dict[str, float]


@lru_cache(maxsize=1)
def loaded_engine(threads: int) -> segmentation.Engine:
    """Load the engine, once per process: its networks are kept."""
    return segmentation.Engine(threads=threads)


@lru_cache(maxsize=1)
def loaded_reader() -> Reader:
    """Give the reader of this process; its own process ends with this one."""
    return Reader()


def warm_up(threads: int) -> None:
    """Load networks and the reader before the first scan needs them."""
    loaded_reader().start()
    for name in ("scipy.ndimage", "skimage.measure"):  # take seconds
        import_module(name)
    loaded_engine(threads)


def extract_archive(archive: bytes, threads: int) -> Extract:
    """Measure a stored series; runs in a worker process.

    Parameters
    ----------
    archive
        Zip of DICOM instances.
    threads
        Threads of the networks.
    """
    engine = loaded_engine(threads)
    started = time.perf_counter()
    try:
        image = loaded_reader().read(archive)
        read_s = time.perf_counter() - started
        measurement = engine.measure(image)
    except Rejected as error:
        return _refused(engine, error)
    clock = segmentation.Clock({"read": read_s, **measurement.seconds})
    labels, picture, surfaces, brain = files_of(image, measurement, clock)
    return Extract(
        engine=identity(engine),
        quality=quality(measurement),
        volumes_mm3=quantities(measurement.volumes_mm3),
        thickness_mm=quantities(measurement.thickness_mm),
        labels_nifti=labels,
        picture_png=picture,
        meshes_glb=surfaces,
        stripped_nifti=brain,
        seconds=clock.seconds,
    )


def files_of(
    image: Image, measurement: Measurement, clock: segmentation.Clock
) -> tuple[bytes | None, bytes | None, bytes | None, bytes | None]:
    """Pack what is to be looked at: label map, picture, surfaces, stripped image."""
    labels = picture = surfaces = brain = None
    if measurement.labels is not None:
        with clock.stage("picture"):
            labels = to_nifti(measurement.labels, image.ras_from_ijk)
            picture = draw(image, measurement.labels)
    if measurement.surfaces is not None:
        with clock.stage("meshes"):
            surfaces = meshes(measurement.surfaces)
    if measurement.brain is not None:
        with clock.stage("strip"):
            shown = stripped(image, *measurement.brain)
            brain = None if shown is None else stripped_to_nifti(shown, image.ras_from_ijk)
    return labels, picture, surfaces, brain


def identity(engine: segmentation.Engine) -> Engine:
    """Name an engine in an event."""
    return Engine(name=engine.name, version=engine.version, weights_sha256=engine.weights_sha256)


def quality(measurement: Measurement) -> Quality:
    """Give a verdict as an event carries it."""
    return Quality(
        verdict=measurement.quality.verdict,
        reasons=tuple(
            Reason(code=reason.code, message=reason.message)
            for reason in measurement.quality.reasons
        ),
    )


def quantities(measured: Mapping[str, Measured]) -> dict[str, Quantity]:
    """Measured values as an event carries them."""
    return {
        name: Quantity(value=m.value, error_sd=m.error_sd, reason=m.reason, confidence=m.confidence)
        for name, m in measured.items()
    }


def _refused(engine: segmentation.Engine, error: Rejected) -> Extract:
    """Say that a scan cannot be measured."""
    reason = Reason(code=error.code, message=error.message)
    return Extract(
        engine=identity(engine),
        quality=Quality(verdict="refused", reasons=(reason,)),
        volumes_mm3={},
        thickness_mm={},
        labels_nifti=None,
        picture_png=None,
        meshes_glb=None,
        stripped_nifti=None,
        seconds={},
    )
