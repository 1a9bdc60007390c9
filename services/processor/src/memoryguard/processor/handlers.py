# SPDX-License-Identifier: Apache-2.0
"""Answer ``scan.received``: fetch the series, measure it, store what is to be looked at.

The DICOM object is made afterwards, in answer to our own ``volumes.extracted``: nobody who waits
for the numbers waits for it, and no scan fails because of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from memoryguard.common.contracts.event import Event, Fact
from memoryguard.common.contracts.events import (
    DocumentMade,
    ScanReceived,
    VolumesExtracted,
    VolumesRefused,
)
from memoryguard.common.contracts.parts import DicomObject, Engine, ObjectRef
from memoryguard.common.runtime.platform import Platform
from memoryguard.processor.extract import Extract
from memoryguard.processor.segmentation import Segmented

Measure = Callable[[bytes, int], Extract]
"""A module-level function (it runs in a worker process): archive and threads to an extract."""

Draw = Callable[[bytes, bytes, str, Engine], Segmented | None]
"""Another: archive, label map, the scan's id and what measured it to a DICOM object."""


class ScanHandler:
    """Measures scans.

    Parameters
    ----------
    platform
        Of the processor.
    measure
        What measures; tests and benchmarks of the flow pass a stub.
    threads
        Threads of one measurement.
    """

    def __init__(self, platform: Platform, measure: Measure, threads: int) -> None:
        self._platform = platform
        self._measure = measure
        self._threads = threads

    async def transform(self, event: Event) -> Sequence[Fact]:
        """Answer with ``volumes.extracted`` or ``volumes.refused``."""
        scan = event.data
        assert isinstance(scan, ScanReceived)  # noqa: S101  # the type the handler is for
        archive = await self._platform.objects.get(scan.archive, scan.subject_id)
        extract = await self._platform.processes.run(self._measure, archive, self._threads)
        if extract.quality.verdict == "refused":
            return [
                VolumesRefused(
                    subject_id=scan.subject_id,
                    scan_id=scan.scan_id,
                    user_id=scan.user_id,
                    engine=extract.engine,
                    quality=extract.quality,
                    seconds=extract.seconds,
                )
            ]
        return [await self._extracted(scan, extract)]

    async def _extracted(self, scan: ScanReceived, extract: Extract) -> VolumesExtracted:
        return VolumesExtracted(
            subject_id=scan.subject_id,
            scan_id=scan.scan_id,
            user_id=scan.user_id,
            engine=extract.engine,
            quality=extract.quality,
            volumes_mm3=extract.volumes_mm3,
            thickness_mm=extract.thickness_mm,
            labels=await self._store(scan, extract, "labels.nii.gz", extract.labels_nifti),
            picture=await self._store(scan, extract, "picture.png", extract.picture_png),
            meshes=await self._store(scan, extract, "structures.glb", extract.meshes_glb),
            stripped=await self._store(scan, extract, "brain.nii.gz", extract.stripped_nifti),
            archive=scan.archive,
            person=scan.person,
            acquisition=scan.acquisition,
            seconds=extract.seconds,
        )

    async def _store(
        self, scan: ScanReceived, extract: Extract, name: str, content: bytes | None
    ) -> ObjectRef | None:
        if content is None:
            return None
        return await _store(self._platform, scan, extract.engine, name, content)


class DocumentHandler:
    """Makes a DICOM Segmentation of every label map.

    Parameters
    ----------
    platform
        Of the processor.
    draw
        What makes it; tests and benchmarks of the flow pass a stub.
    """

    def __init__(self, platform: Platform, draw: Draw) -> None:
        self._platform = platform
        self._draw = draw

    async def transform(self, event: Event) -> Sequence[Fact]:
        """Answer with ``document.made``, or nothing where nothing is labelled."""
        scan = event.data
        assert isinstance(scan, VolumesExtracted)  # noqa: S101  # the type the handler is for
        if scan.archive is None or scan.labels is None:
            return []
        objects = self._platform.objects
        archive, labels = await asyncio.gather(
            objects.get(scan.archive, scan.subject_id), objects.get(scan.labels, scan.subject_id)
        )
        drawn = await self._platform.processes.run(
            self._draw, archive, labels, scan.scan_id, scan.engine
        )
        return [] if drawn is None else [await self._made(scan, drawn)]

    async def _made(self, scan: VolumesExtracted, drawn: Segmented) -> DocumentMade:
        return DocumentMade(
            subject_id=scan.subject_id,
            scan_id=scan.scan_id,
            user_id=scan.user_id,
            engine=scan.engine,
            dicom=DicomObject(
                content=await _store(
                    self._platform, scan, scan.engine, "segmentation.dcm", drawn.content
                ),
                header=await _store(
                    self._platform, scan, scan.engine, "segmentation.json", drawn.header
                ),
                modality="SEG",
                **drawn.found_by,
            ),
        )


async def _store(
    platform: Platform,
    scan: ScanReceived | VolumesExtracted,
    engine: Engine,
    name: str,
    content: bytes,
) -> ObjectRef:
    folder = f"{engine.name}-{engine.weights_sha256[:16]}"
    path = f"derived/{scan.subject_id}/{scan.scan_id}/{folder}/{name}"
    return await platform.objects.put(path, scan.subject_id, content)
