# SPDX-License-Identifier: Apache-2.0
"""A received scan becomes a fact that names every object it left in the store."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import stub_measure

from memoryguard.common.contracts import events as e
from memoryguard.common.contracts.event import Event, Fact
from memoryguard.processor.handlers import DocumentHandler, ScanHandler

SUBJECT = "5e" * 16
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

    async def put(self, path: str, subject_id: str, content: bytes) -> e.ObjectRef:
        self.kept[path] = (subject_id, content)
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

    (made,) = await DocumentHandler(platform, draw).transform(said(fact))
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
    handler = DocumentHandler(platform, stub_measure.drawn)
    for name in ("labels", "archive"):  # an event from before has no archive
        assert await handler.transform(said(fact.model_copy(update={name: None}))) == []
    assert await DocumentHandler(platform, lambda *_: None).transform(said(fact)) == []


def said(fact: Fact) -> Event:
    """An event of our own."""
    return received().model_copy(update={"type": fact.type, "data": fact})
