# SPDX-License-Identifier: Apache-2.0
"""Storing results at a DICOM node: what it answers, and what it does not."""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydicom
import pytest
from certificates import certificate
from ingest_samples import file_of, slice_dataset
from pynetdicom import AE, evt

from memoryguard.common.errors import MemoryGuardError, Rejected, Unavailable
from memoryguard.common.testing.broker import free_port
from memoryguard.ingest.results.dimse import Node

MR = "1.2.840.10008.5.1.4.1.1.4"
CT = "1.2.840.10008.5.1.4.1.1.2"
TOO_BUSY = bytes((3, 0, 0, 0, 0, 4, 0, 2, 3, 1))
"""An A-ASSOCIATE-RJ (PS3.8 9.3.4): rejected for now, temporary congestion."""


def content() -> bytes:
    """Any object; which kind of it is the node's business."""
    return file_of(slice_dataset(0))


@contextmanager
def archive(
    answer: int | None = 0x0000,
    kind: str = MR,
    tls: ssl.SSLContext | None = None,
    **settings: Any,
) -> Generator[tuple[int, list[Any]]]:
    """A DICOM node that answers as it is told; its port, and what it was sent."""
    got: list[Any] = []

    def store(event: evt.Event) -> int:
        got.append((event.assoc.requestor.ae_title, event.dataset))
        if answer is None:
            event.assoc.abort()
        return answer or 0

    entity = AE(ae_title="PACS")
    for name, value in settings.items():
        setattr(entity, name, value)
    entity.add_supported_context(kind)
    server = entity.start_server(
        ("127.0.0.1", 0),
        block=False,
        evt_handlers=[(evt.EVT_C_STORE, store)],
        ssl_context=tls,
    )
    assert server is not None
    try:
        yield server.server_address[1], got
    finally:
        entity.shutdown()


def node(port: int, called: str = "PACS", tls: ssl.SSLContext | None = None) -> Node:
    return Node(f"dicom://{called}@127.0.0.1:{port}", "127.0.0.1", port, called, "OURS", tls)


@pytest.mark.parametrize("status", [0x0000, 0x0111, 0xB000, 0xB006, 0xB007])
async def test_what_is_there_is_stored(status: int) -> None:
    with archive(status) as (port, got):
        await node(port).store(content())
    ((title, dataset),) = got
    assert title == "OURS"
    assert dataset == pydicom.dcmread(io.BytesIO(content()))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (0xA700, Unavailable), (0xA7FF, Unavailable), (None, Unavailable),
        (0x0110, Rejected), (0x0122, Rejected), (0x0124, Rejected), (0xA900, Rejected),
        (0xC000, Rejected),
    ],
)  # fmt: skip
async def test_failures_are_tried_again_or_given_up(
    answer: int | None, error: type[MemoryGuardError]
) -> None:
    with archive(answer) as (port, _), pytest.raises(error, match="destination_"):
        await node(port).store(content())


@pytest.mark.parametrize(
    ("called", "settings"),
    [
        ("OTHER", {"require_called_aet": True}),
        ("PACS", {"require_calling_aet": ["SOMEBODY"]}),
        ("PACS", {"kind": CT}),
    ],
    ids=["not called so", "does not know us", "does not take the kind"],
)
async def test_a_node_that_will_not_take_it_refuses(called: str, settings: dict[str, Any]) -> None:
    with archive(**settings) as (port, got):
        with pytest.raises(Rejected, match="destination_refused"):
            await node(port, called).store(content())
        assert got == []


async def test_a_node_that_is_busy_is_tried_again() -> None:
    async def busy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(TOO_BUSY)
        await writer.drain()
        await reader.read()
        writer.close()

    listener = await asyncio.start_server(busy, "127.0.0.1", 0)
    async with listener:
        with pytest.raises(Unavailable, match="destination_away"):
            await node(listener.sockets[0].getsockname()[1]).store(content())


# The library leaves the socket of a refused connection to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_node_that_is_away_is_tried_again() -> None:
    with pytest.raises(Unavailable, match="destination_away"):
        await node(free_port()).store(content())


async def test_a_node_is_talked_to_by_tls_or_not_at_all(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(cert, key)
    with archive(tls=server) as (port, got):
        await node(port, tls=ssl.create_default_context(cafile=cert)).store(content())
    assert len(got) == 1
    listener = await asyncio.start_server(closed, "127.0.0.1", 0, ssl=server)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        for tls in (None, ssl.create_default_context()):  # in the clear; by a stranger's word
            with pytest.raises(Unavailable, match="destination_away"):
                await node(port, tls=tls).store(content())


async def closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    raise AssertionError("it was let in")
