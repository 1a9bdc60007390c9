# SPDX-License-Identifier: Apache-2.0
"""One scan, measured: from an image to the fact that says its volumes. No server is needed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from memoryguard.common.contracts.events import Engine, Quality, Quantity, Reason
from memoryguard.common.errors import Rejected
from memoryguard.processor.domain.image import Image
from memoryguard.processor.domain.measurement import Measured, Measurement
from memoryguard.processor.engine import BaselineEngine
from memoryguard.processor.labelmap import to_nifti
from memoryguard.processor.picture import draw
from memoryguard.processor.series import read_series


@dataclass(frozen=True, slots=True)
class Extract:
    """What a scan gave. Label map and picture are absent when it was refused."""

    engine: Engine
    quality: Quality
    volumes_mm3: dict[str, Quantity]
    thickness_mm: dict[str, Quantity]
    labels_nifti: bytes | None
    picture_png: bytes | None
    seconds: dict[str, float]


@lru_cache(maxsize=1)
def loaded_engine(threads: int) -> BaselineEngine:
    """Load the engine, once per process: its networks are kept."""
    return BaselineEngine(threads=threads)


def warm_up(threads: int) -> None:
    """Load networks and readers before the first scan needs them."""
    import highdicom  # noqa: F401  # seconds of imports  # pyright: ignore[reportUnusedImport]

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
        image = read_series(archive)
        read_s = time.perf_counter() - started
        measurement = engine.measure(image)
    except Rejected as error:
        return _refused(engine, error)
    started = time.perf_counter()
    labels, picture = _pictures(image, measurement)
    picture_s = time.perf_counter() - started
    return Extract(
        engine=identity(engine),
        quality=quality(measurement),
        volumes_mm3=quantities(measurement.volumes_mm3),
        thickness_mm=quantities(measurement.thickness_mm),
        labels_nifti=labels,
        picture_png=picture,
        seconds={"read": read_s, **measurement.seconds, "picture": picture_s},
    )


def _pictures(image: Image, measurement: Measurement) -> tuple[bytes | None, bytes | None]:
    if measurement.labels is None:
        return None, None
    labels = to_nifti(measurement.labels, image.ras_from_ijk)
    return labels, draw(image, measurement.labels)


def identity(engine: BaselineEngine) -> Engine:
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
        name: Quantity(value=m.value, error_sd=m.error_sd, reason=m.reason)
        for name, m in measured.items()
    }


def _refused(engine: BaselineEngine, error: Rejected) -> Extract:
    """Say that a scan cannot be measured."""
    reason = Reason(code=error.code, message=error.message)
    return Extract(
        identity(engine), Quality(verdict="refused", reasons=(reason,)), {}, {}, None, None, {}
    )
