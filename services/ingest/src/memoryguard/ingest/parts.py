# SPDX-License-Identifier: Apache-2.0
"""The parts of a multipart body, read as they come: never more than one file in memory."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from aiohttp import BodyPartReader, MultipartReader

from memoryguard.common.errors import Rejected
from memoryguard.ingest.archive import is_zip
from memoryguard.ingest.domain.elements import MAX_FILE_BYTES
from memoryguard.ingest.spool import Spool

READ_BYTES = 1 << 18
MAX_FIELD_BYTES = 1000
MAX_FIELDS = 20
MAGIC_BYTES = 4
HERE = "sha256"


@dataclass(frozen=True, slots=True)
class Here:
    """A file that is here already, by the SHA-256 of its bytes (hexadecimal)."""

    sha256: str


File: TypeAlias = bytes | Spool | Here
"""A file; or a zip of files, which waits on the disk; or one that needs not be sent again."""


class Parts:
    """The parts of a body.

    Parameters
    ----------
    reader
        Of the request.
    max_zip_bytes
        Of a zip; any other file may have ``MAX_FILE_BYTES``. Left out: a zip is a file like others.
    """

    def __init__(self, reader: MultipartReader, max_zip_bytes: int | None = None) -> None:
        self._reader = reader
        self._max_zip_bytes = max_zip_bytes
        self._first: BodyPartReader | None = None

    async def fields(self) -> dict[str, str]:
        """Read the fields of a form, up to the first file.

        Raises
        ------
        Rejected
            ``broken_upload``, ``nested_multipart``, ``too_large``.
        """
        fields: dict[str, str] = {}
        while (part := await self._next()) is not None and part.filename is None:
            if len(fields) == MAX_FIELDS:
                raise _too_large()
            fields[part.name or ""] = await _text(part)
        self._first = part
        return fields

    async def files(self) -> AsyncGenerator[tuple[str, File]]:
        """Give names and contents of the files that follow. A spool is the caller's to close.

        Raises
        ------
        Rejected
            ``broken_upload``, ``nested_multipart``, ``late_field``, ``too_large``, ``bad_digests``.
        """
        part = self._first or await self._next()
        while part is not None:
            if part.name is not None and part.filename is None:
                raise Rejected("late_field", "a form field comes after files", "send fields first")
            read = _here if part.name == HERE else self._file
            yield part.filename or "", await read(part)
            part = await self._next()

    async def _next(self) -> BodyPartReader | None:
        with _sound():
            part = await self._reader.next()
        if isinstance(part, MultipartReader):
            raise Rejected("nested_multipart", "parts inside parts are not taken")
        return part

    async def _file(self, part: BodyPartReader) -> File:
        body = bytearray()
        with _sound():
            while chunk := await part.read_chunk(READ_BYTES):
                body += chunk
                if self._max_zip_bytes and len(body) >= MAGIC_BYTES and is_zip(body):
                    return await _spooled(part, body, self._max_zip_bytes)
                if len(body) > MAX_FILE_BYTES:
                    raise _too_large()
        return bytes(body)


async def _spooled(part: BodyPartReader, start: bytearray, max_bytes: int) -> Spool:
    spool = Spool()
    try:
        spool.append(start)
        while chunk := await part.read_chunk(READ_BYTES):
            spool.append(chunk)
            if spool.size > max_bytes:
                raise _too_large()
    except BaseException:
        spool.close()
        raise
    return spool


async def _here(part: BodyPartReader) -> Here:
    sha256 = await _text(part)
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise Rejected("bad_digests", "a part named sha256 is no digest", "send 64 hex digits")
    return Here(sha256)


async def _text(part: BodyPartReader) -> str:
    body = bytearray()
    with _sound():
        while chunk := await part.read_chunk(READ_BYTES):
            body += chunk
            if len(body) > MAX_FIELD_BYTES:
                raise _too_large()
        return body.decode()


@contextmanager
def _sound() -> Generator[None]:
    """Say of what the reader stumbles over that the body is broken."""
    try:
        yield
    except (ValueError, AssertionError, EOFError) as error:
        raise Rejected("broken_upload", "the multipart body cannot be read") from error


def _too_large() -> Rejected:
    return Rejected("too_large", "the upload is too large")
