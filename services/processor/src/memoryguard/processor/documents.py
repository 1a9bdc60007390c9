# SPDX-License-Identifier: Apache-2.0
"""Make DICOM objects of what was measured, for the systems of a hospital.

The Segmentation in answer to our own ``volumes.extracted``, the report in answer to
``atrophy.scored``: nobody who waits for the numbers waits for them, and no scan fails because of
them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from memoryguard.common.contracts.event import Event, Fact
from memoryguard.common.contracts.events import AtrophyScored, DocumentMade, VolumesExtracted
from memoryguard.common.contracts.parts import DicomObject, Engine, ObjectRef
from memoryguard.common.runtime.platform import Platform
from memoryguard.processor.document import Document, kept
from memoryguard.processor.handlers import folder_of
from memoryguard.processor.report import digest_of

Draw: TypeAlias = Callable[[bytes, bytes, str, Engine], Document | None]
"""A module-level function (it runs in a worker process): archive, label map, the scan's id and what
measured it to a DICOM object."""

Tell: TypeAlias = Callable[[bytes, AtrophyScored, Sequence[str]], Document]
"""Another: a Segmentation's header, a score, and which scores were told before, to a report."""

Labelled: TypeAlias = VolumesExtracted | AtrophyScored

SEGMENTATION: Final = "segmentation"
REPORT: Final = "report-"


class DocumentHandler:
    """Makes a DICOM Segmentation of every label map, and a report of every score.

    Parameters
    ----------
    platform
        Of the processor.
    draw, tell
        What makes them; tests and benchmarks of the flow pass stubs.
    """

    def __init__(self, platform: Platform, draw: Draw, tell: Tell) -> None:
        self._platform = platform
        self._draw = draw
        self._tell = tell

    async def draw(self, event: Event) -> Sequence[Fact]:
        """Answer ``volumes.extracted`` with ``document.made``, or nothing: nothing is labelled."""
        scan = event.data
        assert isinstance(scan, VolumesExtracted)  # noqa: S101  # the type the handler is for
        drawn = await self._drawn(scan)
        return [] if drawn is None else [await self._made(scan, SEGMENTATION, drawn)]

    async def tell(self, event: Event) -> Sequence[Fact]:
        """Answer ``atrophy.scored`` with ``document.made``, or nothing: there is no Segmentation.

        A score that was told before is told by the same object again: those that came later are
        not its predecessors.
        """
        score = event.data
        assert isinstance(score, AtrophyScored)  # noqa: S101  # the type the handler is for
        header = await self._header(score)
        if header is None:
            return []
        digest = digest_of(score)
        told = await self._kept(score, REPORT + digest)
        if told is None:
            earlier = [each for each in await self._told(score) if each != digest]
            told = await self._platform.processes.run(self._tell, header, score, earlier)
        return [await self._made(score, REPORT + digest, told)]

    async def _drawn(self, scan: Labelled) -> Document | None:
        if scan.archive is None or scan.labels is None:
            return None
        objects = self._platform.objects
        archive, labels = await asyncio.gather(
            objects.get(scan.archive, scan.subject_id), objects.get(scan.labels, scan.subject_id)
        )
        return await self._platform.processes.run(
            self._draw, archive, labels, scan.scan_id, scan.engine
        )

    async def _header(self, score: AtrophyScored) -> bytes | None:
        """Give the Segmentation's header; it may be told of the score before it is drawn."""
        if score.labels is None:
            return None
        path = f"{_folder(score)}/{SEGMENTATION}.json"
        header = await self._platform.objects.find(path, score.subject_id)
        if header is None and (drawn := await self._drawn(score)):
            return drawn.header
        return header

    async def _kept(self, score: AtrophyScored, name: str) -> Document | None:
        """Give a document that is whole: its header is written last."""
        objects, path = self._platform.objects, f"{_folder(score)}/{name}"
        header = await objects.find(f"{path}.json", score.subject_id)
        content = await objects.find(f"{path}.dcm", score.subject_id) if header else None
        return kept(content, header) if header and content else None

    async def _told(self, score: AtrophyScored) -> list[str]:
        """Name the scores of this scan that were told before."""
        blobs = self._platform.objects.list(_folder(score))
        names = [blob.path.rpartition("/")[2] async for blob in blobs]
        return sorted(
            name.removeprefix(REPORT).removesuffix(".json")
            for name in names
            if name.startswith(REPORT) and name.endswith(".json")
        )

    async def _made(self, scan: Labelled, name: str, document: Document) -> DocumentMade:
        return DocumentMade(
            subject_id=scan.subject_id,
            scan_id=scan.scan_id,
            user_id=scan.user_id,
            engine=scan.engine,
            dicom=DicomObject(
                content=await self._store(scan, f"{name}.dcm", document.content),
                header=await self._store(scan, f"{name}.json", document.header),
                **document.found_by,
            ),
        )

    async def _store(self, scan: Labelled, name: str, content: bytes) -> ObjectRef:
        path = f"{_folder(scan)}/{name}"
        return await self._platform.objects.put(path, scan.subject_id, content)


def _folder(scan: Labelled) -> str:
    return folder_of(scan.subject_id, scan.scan_id, scan.engine)
