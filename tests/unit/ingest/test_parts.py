# SPDX-License-Identifier: Apache-2.0
"""Multipart bodies, cut anywhere on their way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol

from memoryguard.common.errors import Rejected
from memoryguard.ingest.ways.parts import MAX_FIELD_BYTES, Parts

FORM = "multipart/form-data; boundary=abc"
RELATED = 'Multipart/Related; type="application/dicom"; boundary="abc"'
BODY = (
    b"\r\n--abc\r\nContent-Disposition: form-data; name=user_id\r\n\r\nanna\r\n"
    b'--abc\r\nCONTENT-DISPOSITION: form-data; name="file"; filename="g\xc3\xb6.dcm"\r\n'
    b"Content-Type: application/dicom\r\n\r\n--ab\r\n--abx\r\n\r\n--\r\n"
    b'--abc  \r\nContent-Disposition: form-data; name="file"; filename="empty"\r\n\r\n\r\n'
    b"--abc\r\n\r\nnameless\r\n--abc--\r\nepilogue"
)
FIELDS = {"user_id": "anna"}
FILES = [("gö.dcm", b"--ab\r\n--abx\r\n\r\n--"), ("empty", b""), ("", b"nameless")]


class Pieces(StreamReader):
    """A body that comes in given pieces."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(BaseProtocol(loop), 1 << 16, loop=loop)
        self._pieces = iter(pieces)

    async def readany(self) -> bytes:
        return next(self._pieces, b"")


async def read(*pieces: bytes, kind: str = FORM) -> tuple[dict[str, str], list[tuple[str, bytes]]]:
    parts = Parts(Pieces(pieces), kind, max_zip_bytes=1000)
    fields = await parts.fields()
    files: list[tuple[str, bytes]] = []
    async for name, file in parts.files():
        if not isinstance(file, bytes):
            file.seek(0)
            content = file.read()
            file.close()
            files.append((f"{name} (spooled)", content or b""))
        else:
            files.append((name, file))
    return fields, files


async def test_a_body_reads_the_same_wherever_it_is_cut() -> None:
    assert await read(BODY) == (FIELDS, FILES)
    for at in range(1, len(BODY)):
        assert await read(BODY[:at], BODY[at:]) == (FIELDS, FILES)
    assert await read(*(BODY[at : at + 1] for at in range(len(BODY)))) == (FIELDS, FILES)


async def test_a_body_that_ends_early_is_broken() -> None:
    end = BODY.index(b"--\r\nepilogue") + 2
    for at in range(end):
        with pytest.raises(Rejected, match="broken_upload"):
            await read(BODY[:at])
    assert await read(BODY[:end]) == (FIELDS, FILES)


async def test_parts_need_no_names() -> None:
    body = b"--abc\r\nContent-Type: application/dicom\r\n\r\none\r\n--abc\r\n\r\ntwo\r\n--abc--"
    parts = Parts(Pieces([body]), RELATED)
    assert [pair async for pair in parts.files()] == [("", b"one"), ("", b"two")]
    assert await read(b"--abc--") == ({}, [])


async def test_a_zip_waits_on_the_disk_however_it_begins() -> None:
    head = b'--abc\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n'
    content = b"PK\x03\x04" + b"rest" * 9
    body = head + content + b"\r\n--abc--"
    for at in range(len(head), len(head) + 8):
        assert (await read(body[:at], body[at:]))[1] == [("a (spooled)", content)]
    with pytest.raises(Rejected, match="too_large"):
        await read(head + content + bytes(1000) + b"\r\n--abc--")


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (BODY, "multipart/form-data", "broken_upload"),
        (BODY, f"multipart/form-data; boundary={'a' * 300}", "broken_upload"),
        (b"preamble" + BODY, FORM, "broken_upload"),
        (b"--abc\r\nno header\r\n\r\nx\r\n--abc--", FORM, "broken_upload"),
        (b"--abc\r\nA: " + b"x" * 100_000 + b"\r\n\r\nx\r\n--abc--", FORM, "broken_upload"),
        (b"--abc\r\n" + b"A: x\r\n" * 1000 + b"\r\nx\r\n--abc--", FORM, "broken_upload"),
        (
            b"--abc\r\nContent-Type: multipart/mixed; boundary=d\r\n\r\nx\r\n--abc--",
            FORM,
            "nested_multipart",
        ),
        (
            b"--abc\r\nContent-Disposition: form-data; name=a\r\n\r\n\xff\r\n--abc--",
            FORM,
            "broken_upload",
        ),
        (
            b"--abc\r\nContent-Disposition: form-data; name=a\r\n\r\n"
            + b"x" * (MAX_FIELD_BYTES + 1)
            + b"\r\n--abc--",
            FORM,
            "too_large",
        ),
        (
            b"--abc\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\nx\r\n"
            b"--abc\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--abc--",
            FORM,
            "late_field",
        ),
    ],
)
async def test_what_cannot_be_read_is_refused(body: bytes, kind: str, code: str) -> None:
    with pytest.raises(Rejected) as error:
        await read(body, kind=kind)
    assert error.value.code == code
