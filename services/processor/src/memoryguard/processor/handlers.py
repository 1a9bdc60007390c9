# SPDX-License-Identifier: Apache-2.0
"""Answer ``scan.received``: fetch the series, measure it, store what is to be looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from memoryguard.common.contracts.event import Event, Fact
from memoryguard.common.contracts.events import ScanReceived, VolumesExtracted, VolumesRefused
from memoryguard.common.contracts.parts import Engine, ObjectRef
from memoryguard.common.runtime.platform import Platform
from memoryguard.processor.extract import Extract

Measure = Callable[[bytes, int], Extract]
"""A module-level function (it runs in a worker process): archive and threads to an extract."""


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
        folder = folder_of(scan.subject_id, scan.scan_id, extract.engine)
        return await self._platform.objects.put(f"{folder}/{name}", scan.subject_id, content)


def folder_of(subject_id: str, scan_id: str, engine: Engine) -> str:
    """Give the place of everything that is made of a scan with these weights."""
    return f"derived/{subject_id}/{scan_id}/{engine.name}-{engine.weights_sha256[:16]}"
