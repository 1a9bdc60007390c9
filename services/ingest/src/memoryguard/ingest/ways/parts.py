# SPDX-License-Identifier: Apache-2.0
"""The parts of a multipart body, read as they come: never more than one file in memory."""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from aiohttp import StreamReader
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from memoryguard.common.errors import Rejected
from memoryguard.ingest.archive import is_zip
from memoryguard.ingest.delivery import File, Here
from memoryguard.ingest.domain.elements import MAX_FILE_BYTES
from memoryguard.ingest.spool import Spool

MAX_FIELD_BYTES = 1000
MAX_FIELDS = 20
MAGIC_BYTES = 4
HERE = "sha256"


logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it quotes what it is sent


class Parts:
    """The parts of a body.

    Parameters
    ----------
    content, content_type
        Of a request or a response; its type is a multipart one.
    max_zip_bytes
        Of a zip; any other file may have ``MAX_FILE_BYTES``. Left out: a zip is a file like others.

    Raises
    ------
    Rejected
        ``broken_upload``: no boundary is named.
    """

    def __init__(
        self, content: StreamReader, content_type: str, max_zip_bytes: int | None = None
    ) -> None:
        self._content = content
        self._parser = _Parser(content_type)
        self._max_zip_bytes = max_zip_bytes
        self._first: _Head | None = None

    async def fields(self) -> dict[str, str]:
        """Read the fields of a form, up to the first file.

        Raises
        ------
        Rejected
            ``broken_upload``, ``nested_multipart``, ``too_large``.
        """
        fields: dict[str, str] = {}
        while (head := await self._head()) is not None and head.filename is None:
            if len(fields) == MAX_FIELDS:
                raise _too_large()
            fields[head.name or ""] = await self._text()
        self._first = head
        return fields

    async def files(self) -> AsyncGenerator[tuple[str, File]]:
        """Give names and contents of the files that follow. A spool is the caller's to close.

        Raises
        ------
        Rejected
            ``broken_upload``, ``nested_multipart``, ``late_field``, ``too_large``, ``bad_digests``.
        """
        head = self._first or await self._head()
        while head is not None:
            if head.name is not None and head.filename is None:
                raise Rejected("late_field", "a form field comes after files", "send fields first")
            read = self._named if head.name == HERE else self._file
            yield head.filename or "", await read()
            head = await self._head()

    async def _head(self) -> _Head | None:
        """Begin the next part; None after the last one."""
        head = await self._said()
        if head is None:
            return None
        assert isinstance(head, _Head)  # noqa: S101  # a part begins so
        if head.multipart:
            raise Rejected("nested_multipart", "parts inside parts are not taken")
        return head

    async def _data(self) -> AsyncGenerator[bytes]:
        """Give the pieces of the part that was begun."""
        while (piece := await self._said()) is not None:
            assert isinstance(piece, bytes)  # noqa: S101
            yield piece

    async def _said(self) -> _Said:
        while not self._parser.said:
            self._parser.feed(await self._content.readany())
        return self._parser.said.popleft()

    async def _file(self) -> File:
        pieces: list[bytes] = []
        size = 0
        async for piece in self._data():
            pieces.append(piece)
            before, size = size, size + len(piece)
            if self._max_zip_bytes and before < MAGIC_BYTES <= size and is_zip(b"".join(pieces)):
                return await self._spooled(pieces, self._max_zip_bytes)
            if size > MAX_FILE_BYTES:
                raise _too_large()
        return b"".join(pieces)

    async def _spooled(self, start: list[bytes], max_bytes: int) -> Spool:
        spool = Spool()
        try:
            spool.append(b"".join(start))
            while spool.size <= max_bytes:
                piece = await self._said()
                if piece is None:
                    return spool
                assert isinstance(piece, bytes)  # noqa: S101  # within a part
                spool.append(piece)
            raise _too_large()
        except BaseException:
            spool.close()
            raise

    async def _named(self) -> Here:
        sha256 = await self._text()
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise Rejected("bad_digests", "a part named sha256 is no digest", "send 64 hex digits")
        return Here(sha256)

    async def _text(self) -> str:
        body = bytearray()
        async for piece in self._data():
            body += piece
            if len(body) > MAX_FIELD_BYTES:
                raise _too_large()
        with _sound():
            return body.decode()


@dataclass(frozen=True, slots=True)
class _Head:
    """What a part says of itself."""

    name: str | None
    filename: str | None
    multipart: bool


_Said: TypeAlias = _Head | bytes | None
"""A part begins, goes on, or ends; once more None: there are no more parts."""


class _Parser:
    """Keeps in order what the library says."""

    def __init__(self, content_type: str) -> None:
        self.said: deque[_Said] = deque()
        self._ended = False
        self._field, self._value = b"", b""
        self._headers: dict[bytes, bytes] = {}
        with _sound():
            self._parser = MultipartParser(
                parse_options_header(content_type)[1][b"boundary"],
                {
                    "on_header_field": self._on_field,
                    "on_header_value": self._on_value,
                    "on_header_end": self._on_header,
                    "on_headers_finished": self._on_headers,
                    "on_part_data": self._on_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )

    def feed(self, body: bytes) -> None:
        """Read on; without any bytes, the body has ended."""
        if not body and not self._ended:
            raise _broken()
        with _sound():
            self._parser.write(body)
        if not body:
            self.said.append(None)

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field, self._value = b"", b""

    def _on_headers(self) -> None:
        kind = self._headers.get(b"content-type", b"").lower()
        _, told = parse_options_header(self._headers.get(b"content-disposition"))
        self._headers = {}
        name, filename = (_decoded(told.get(key)) for key in (b"name", b"filename"))
        self.said.append(_Head(name, filename, kind.startswith(b"multipart/")))

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self.said.append(data[start:end])

    def _on_part_end(self) -> None:
        self.said.append(None)

    def _on_end(self) -> None:
        self._ended = True


def _decoded(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace")


@contextmanager
def _sound() -> Generator[None]:
    """Say of what the reader stumbles over that the body is broken."""
    try:
        yield
    except (ValueError, KeyError, FormParserError) as error:
        raise _broken() from error


def _broken() -> Rejected:
    return Rejected("broken_upload", "the multipart body cannot be read")


def _too_large() -> Rejected:
    return Rejected("too_large", "the upload is too large")
