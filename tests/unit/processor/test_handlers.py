# SPDX-License-Identifier: Apache-2.0
"""A received scan becomes a fact that names every object it left in the store."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import stub_measure
from reports import scored, segmented

from memoryguard.atrophy.answer import answer
from memoryguard.common.contracts import events as e
from memoryguard.common.contracts.event import Event, Fact
from memoryguard.common.errors import Rejected
from memoryguard.common.runtime.blobs import Blob
from memoryguard.processor.documents import DocumentHandler
from memoryguard.processor.handlers import ScanHandler
from memoryguard.processor.report import digest_of, report

SUBJECT = "5e" * 16
ARCHIVE = e.ObjectRef(uri="scans/1", sha256="0" * 64, bytes=7)
WRITTEN = {
    "labels": ("labels.nii.gz", b"labels"),
    "picture": ("picture.png", b"png"),
    "meshes": ("structures.glb", b"glb"),
    "stripped": ("brain.nii.gz", b"brain"),
}


@dataclass
class Store:
    """Keeps objects in memory, and whose key they are under."""

    kept: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    async def get(self, reference: e.ObjectRef, subject_id: str) -> bytes:
        assert subject_id == SUBJECT
        if reference.uri == "scans/1":
            return b"archive"
        owner, content = self.kept[reference.uri]
        assert owner == subject_id
        return content

    async def find(self, path: str, subject_id: str) -> bytes | None:
        owner, content = self.kept.get(path, (subject_id, None))
        assert owner == subject_id
        return content

    async def list(self, folder: str) -> AsyncGenerator[Blob]:
        for path in [path for path in self.kept if path.startswith(f"{folder}/")]:
            yield Blob(path, 0, datetime(2026, 1, 1, tzinfo=UTC))

    async def put(self, path: str, subject_id: str, content: bytes) -> e.ObjectRef:
        assert self.kept.setdefault(path, (subject_id, content)) == (subject_id, content)
        return e.ObjectRef(uri=path, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


class Here:
    """Runs what is for a worker process at once."""

    async def run(self, function: Any, *arguments: Any) -> Any:
        return function(*arguments)


@dataclass
class Platform:
    objects: Store = field(default_factory=Store)
    processes: Here = field(default_factory=Here)


def received() -> Event:
    scan = e.ScanReceived(
        subject_id=SUBJECT,
        scan_id="scan-1",
        archive=e.ObjectRef(uri="scans/1", sha256="0" * 64, bytes=7),
        instances=1,
        person=e.Person(),
        acquisition=e.Acquisition(),
        received_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return Event(
        id="1",
        source="/memoryguard/ingest",
        type=scan.type,
        time=scan.received_at,
        partitionkey=SUBJECT,
        correlationid="1",
        data=scan,
    )


async def test_every_file_is_stored_under_the_persons_key_and_named() -> None:
    platform: Any = Platform()
    (fact,) = await ScanHandler(platform, stub_measure.constant, 1).transform(received())
    assert isinstance(fact, e.VolumesExtracted)
    folder = f"derived/{SUBJECT}/scan-1/{stub_measure.ENGINE.name}-{'0' * 16}"
    for name, (file, content) in WRITTEN.items():
        reference = getattr(fact, name)
        assert reference.uri == f"{folder}/{file}"
        assert reference.sha256 == hashlib.sha256(content).hexdigest()
        assert platform.objects.kept[reference.uri] == (SUBJECT, content)
    assert len(platform.objects.kept) == len(WRITTEN)


async def test_a_refused_scan_leaves_nothing() -> None:
    platform: Any = Platform()
    (fact,) = await ScanHandler(platform, stub_measure.refuse, 1).transform(received())
    assert isinstance(fact, e.VolumesRefused)
    assert platform.objects.kept == {}


async def test_the_label_map_becomes_a_dicom_object() -> None:
    platform: Any = Platform()
    (fact,) = await ScanHandler(platform, stub_measure.constant, 1).transform(received())
    given: list[Any] = []

    def draw(*arguments: Any) -> Any:
        given.append(arguments)
        return stub_measure.drawn(*arguments)

    (made,) = await DocumentHandler(platform, draw, stub_measure.told).draw(said(fact))
    assert given == [(b"archive", b"labels", "scan-1", stub_measure.ENGINE)]
    assert isinstance(made, e.DocumentMade)
    folder = f"derived/{SUBJECT}/scan-1/{stub_measure.ENGINE.name}-{'0' * 16}"
    assert made.dicom.content.uri == f"{folder}/segmentation.dcm"
    assert platform.objects.kept[made.dicom.content.uri] == (SUBJECT, b"dicom")
    assert platform.objects.kept[made.dicom.header.uri] == (SUBJECT, b"{}")
    assert made.scan_id == "scan-1"


async def test_what_has_no_label_map_becomes_nothing() -> None:
    platform: Any = Platform()
    (fact,) = await ScanHandler(platform, stub_measure.constant, 1).transform(received())
    handler = DocumentHandler(platform, stub_measure.drawn, stub_measure.told)
    for name in ("labels", "archive"):  # an event from before has no archive
        assert await handler.draw(said(fact.model_copy(update={name: None}))) == []
        assert await handler.tell(said(score(fact, **{name: None}))) == []
    nothing = DocumentHandler(platform, lambda *_: None, stub_measure.told)
    assert await nothing.draw(said(fact)) == []
    assert await nothing.tell(said(score(fact))) == []


def score(fact: Any, **changes: Any) -> e.AtrophyScored:
    """What atrophy says of a measured scan."""
    return answer(fact).model_copy(update=changes)


async def measured(platform: Any) -> Any:
    """What the processor has said of a scan."""
    (fact,) = await ScanHandler(platform, stub_measure.constant, 1).transform(received())
    return fact


async def test_a_score_becomes_a_report_beside_the_segmentation() -> None:
    platform: Any = Platform()
    fact = await measured(platform)
    handler = DocumentHandler(platform, stub_measure.drawn, stub_measure.told)
    await handler.draw(said(fact))
    scored = score(fact)
    (made,) = await handler.tell(said(scored))
    assert isinstance(made, e.DocumentMade)
    folder = f"derived/{SUBJECT}/scan-1/{stub_measure.ENGINE.name}-{'0' * 16}"
    assert made.dicom.content.uri == f"{folder}/report-{digest_of(scored)}.dcm"
    assert platform.objects.kept[made.dicom.content.uri] == (SUBJECT, b"report")
    assert (made.dicom.modality, made.dicom.instance_number) == ("SR", 1)
    assert (made.scan_id, made.subject_id) == ("scan-1", SUBJECT)


async def test_a_score_that_is_heard_before_the_segmentation_is_drawn_is_told_all_the_same() -> (
    None
):
    platform: Any = Platform()
    fact = await measured(platform)
    headers: list[bytes] = []

    def tell(header: bytes, *rest: Any) -> Any:
        headers.append(header)
        return stub_measure.told(header, *rest)

    handler = DocumentHandler(platform, stub_measure.drawn, tell)
    (first,) = await handler.tell(said(score(fact)))
    assert headers == [b"{}"] and isinstance(first, e.DocumentMade)
    assert not [path for path in platform.objects.kept if "segmentation" in path]


def broken(*_: Any) -> Any:
    raise Rejected("segmentation_failed", "no")


async def test_a_report_names_no_segmentation_that_there_is_not() -> None:
    platform: Any = Platform()
    fact = await measured(platform)
    handler = DocumentHandler(platform, broken, stub_measure.told)
    with pytest.raises(Rejected, match="segmentation_failed"):
        await handler.tell(said(score(fact)))


async def test_scores_that_are_told_again_give_the_same_objects_in_any_order() -> None:
    platform: Any = Platform()
    drawn, first = segmented(), scored(archive=ARCHIVE, labels=ARCHIVE)
    second = first.model_copy(update={"summaries": {}})
    handler = DocumentHandler(platform, lambda *_: drawn, report)
    told = [await handler.tell(said(each)) for each in (first, second)]
    kept = dict(platform.objects.kept)
    assert [fact.dicom.instance_number for (fact,) in told] == [1, 2]
    again = [await handler.tell(said(each)) for each in (second, first)]
    assert again == told[::-1] and platform.objects.kept == kept
    # Killed before the header was written, it is made once more: the same.
    (fact,) = told[1]
    del platform.objects.kept[fact.dicom.header.uri]
    assert await handler.tell(said(second)) == told[1] and platform.objects.kept == kept


def said(fact: Fact) -> Event:
    """An event of our own."""
    return received().model_copy(update={"type": fact.type, "data": fact})
