# SPDX-License-Identifier: Apache-2.0
"""Fetches scans from DICOMweb servers and buckets that the deployment has listed, and no others.

An integration names the address, so it is hostile until it lies below a listed origin: nothing
else is asked for. Of a server no redirect is followed, and no proxy of the environment is used; a
bucket is reached as the object store is, with the environment's login (``AWS_…``).
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

import aiohttp
from obstore.exceptions import (
    BaseError,
    InvalidPathError,
    PermissionDeniedError,
    UnauthenticatedError,
)

from memoryguard.common.errors import Misconfigured, Rejected, Unavailable
from memoryguard.common.runtime.blobs import open_store
from memoryguard.ingest.archive import is_zip
from memoryguard.ingest.delivery import File
from memoryguard.ingest.domain.elements import MAX_FILE_BYTES
from memoryguard.ingest.listing import listed
from memoryguard.ingest.settings import IngestSettings
from memoryguard.ingest.spool import Spool
from memoryguard.ingest.ways.parts import Parts

if TYPE_CHECKING:
    from obstore import BytesStream
    from obstore.store import ObjectStore as Store

ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'
SILENCE_S = 60.0
READ_BYTES = 1 << 20
_UID = r"[0-9.]{1,64}"
_STUDY_OR_SERIES = re.compile(rf"/studies/{_UID}(/series/{_UID})?")
_KEY = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9_.~ -]+)+/?")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_BUCKETS = frozenset({"s3", "gs", "az"})
_REFUSED = (PermissionDeniedError, UnauthenticatedError, InvalidPathError)
"""What a bucket does not get over by itself; a name that holds ``//`` is among it."""


@dataclass(frozen=True, slots=True)
class _Origin:
    """A listed base address, and what is said to it to be let in."""

    parts: SplitResult
    authorization: str | None
    bucket: Store | None
    """None of a server."""

    @classmethod
    def at(cls, base: str, authorization: str | None) -> _Origin:
        """Open the origin at an address; ValueError where it cannot be one."""
        parts = urlsplit(base)
        scheme, host, _ = _where(parts)
        if scheme not in _BUCKETS | set(_DEFAULT_PORTS) or not host:
            raise ValueError("no server and no bucket")
        return cls(parts, authorization, open_store(base) if scheme in _BUCKETS else None)


class Origins:
    """The listed origins.

    Raises
    ------
    Misconfigured
        ``bad_origins``.
    """

    def __init__(self, settings: IngestSettings) -> None:
        self._settings = settings
        try:
            bases = listed(settings.origins, settings.origin_authorizations)
            self._origins = [_Origin.at(*each) for each in bases.items()]
        except ValueError as error:
            raise _bad_origins() from error

    async def fetched(self, uri: str) -> AsyncGenerator[tuple[str, File]]:
        """Give the files that lie at an address.

        Raises
        ------
        Rejected
            ``forbidden_address``, ``source_refused``, ``too_large``, ``too_many_files``, and the
            codes of `Parts`.
        Unavailable
            ``not_there``, ``source_away``: tried again.
        """
        origin, path = self._found(uri)
        if not (_KEY if origin.bucket else _STUDY_OR_SERIES).fullmatch(path):
            raise _forbidden()
        files = (
            self._from_bucket(origin.bucket, path.strip("/"))
            if origin.bucket
            else _from_web(origin, uri)
        )
        async for file in files:
            yield file

    def above(self, uri: str) -> str | None:
        """Give the listed origin below which an address lies, if there is one."""
        try:
            parts = self._found(uri)[0].parts
        except Rejected:
            return None
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def _found(self, uri: str) -> tuple[_Origin, str]:
        """Give the origin below which an address lies, and the path from there."""
        try:
            parts = urlsplit(uri)
            where = _where(parts)
        except ValueError as error:
            raise _forbidden() from error
        segments = parts.path.split("/")
        plain = not (parts.query or parts.fragment or parts.username or parts.password)
        for origin in self._origins:
            below = parts.path.startswith(origin.parts.path + "/")
            if where == _where(origin.parts) and below and plain and ".." not in segments:
                return origin, parts.path[len(origin.parts.path) :]
        raise _forbidden()

    async def _from_bucket(self, bucket: Store, key: str) -> AsyncGenerator[tuple[str, File]]:
        """Give one object, or all objects below a key."""
        max_bytes = self._settings.max_upload_bytes
        try:
            if (one := await _object(bucket, key, max_bytes)) is not None:
                yield key, one
                return
            count = 0
            async for batch in bucket.list(key):
                for meta in batch:
                    if (file := await _object(bucket, meta["path"], max_bytes)) is not None:
                        count += 1
                        yield meta["path"], file
        except _REFUSED as error:
            raise _refused() from error
        except (BaseError, OSError) as error:
            raise _away() from error
        if count == 0:
            raise _not_there()


async def _from_web(origin: _Origin, uri: str) -> AsyncGenerator[tuple[str, File]]:
    """Retrieve a study or series (WADO-RS, PS3.18 10.4)."""
    headers = {"Accept": ACCEPT}
    if origin.authorization is not None:
        headers["Authorization"] = origin.authorization
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=SILENCE_S, sock_read=SILENCE_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(uri, headers=headers, allow_redirects=False) as response,
        ):
            _check(response)
            parts = Parts(response.content, response.headers["Content-Type"])
            async for file in parts.files():
                yield file
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _away() from error


def _check(response: aiohttp.ClientResponse) -> None:
    if response.status == 404:
        raise _not_there()
    if response.status >= 500 or response.status == 429:
        raise _away()
    if response.status != 200 or response.content_type != "multipart/related":
        raise _refused()


async def _object(bucket: Store, path: str, max_zip_bytes: int) -> File | None:
    """Read an object; a zip goes into a spool. None when there is none."""
    try:
        result = await bucket.get_async(path)
    except FileNotFoundError:
        return None
    size, chunks = result.meta["size"], result.stream(READ_BYTES)
    start = bytes(await anext(chunks, b""))
    if size > (max_zip_bytes if is_zip(start) else MAX_FILE_BYTES):
        raise Rejected("too_large", "the object is too large")
    if is_zip(start):
        return await _spooled(start, chunks)
    return b"".join([start, *[bytes(chunk) async for chunk in chunks]])


async def _spooled(start: bytes, chunks: BytesStream) -> Spool:
    spool = Spool()
    try:
        spool.append(start)
        async for chunk in chunks:
            spool.append(bytes(chunk))
    except BaseException:
        spool.close()
        raise
    return spool


def _where(parts: SplitResult) -> tuple[str, str, int | None]:
    return parts.scheme, parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme)


def _forbidden() -> Rejected:
    return Rejected(
        "forbidden_address",
        "the address does not lie below a listed origin",
        "see MEMORYGUARD_INGEST_ORIGINS",
    )


def _refused() -> Rejected:
    return Rejected(
        "source_refused",
        "the source does not give what it is asked for",
        "may this deployment read it? see MEMORYGUARD_INGEST_ORIGIN_AUTHORIZATIONS",
    )


def _not_there() -> Unavailable:
    return Unavailable("not_there", "nothing lies at the announced address yet")


def _away() -> Unavailable:
    return Unavailable("source_away", "the source does not answer")


def _bad_origins() -> Misconfigured:
    return Misconfigured(
        "bad_origins",
        "MEMORYGUARD_INGEST_ORIGINS or their authorizations cannot be read",
        "https://pacs.example/dicom-web,s3://bucket/folder",
    )
