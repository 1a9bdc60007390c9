# SPDX-License-Identifier: Apache-2.0
"""Fetches scans from DICOMweb servers and buckets that the deployment has listed, and no others.

An integration names the address, so it is hostile until it lies below a listed origin: nothing
else is asked for, no redirect is followed, and no proxy of the environment is used.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

import aiohttp
from obstore.exceptions import BaseError

from memoryguard.common.errors import Misconfigured, Rejected, Unavailable
from memoryguard.common.runtime.blobs import open_store
from memoryguard.ingest.archive import is_zip
from memoryguard.ingest.domain.elements import MAX_FILE_BYTES
from memoryguard.ingest.parts import MAGIC_BYTES, File, Parts
from memoryguard.ingest.settings import IngestSettings
from memoryguard.ingest.spool import Spool

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Store

ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'
SILENCE_S = 60.0
_UID = r"[0-9.]{1,64}"
_STUDY_OR_SERIES = re.compile(rf"/studies/{_UID}(/series/{_UID})?")
_KEY = re.compile(r"/[A-Za-z0-9_.~/ -]{1,1000}")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class _Origin:
    """A listed base address, and what is said to it to be let in."""

    base: str
    parts: SplitResult
    authorization: str | None


class Origins:
    """The listed origins.

    Raises
    ------
    Misconfigured
        ``bad_origins``.
    """

    def __init__(self, settings: IngestSettings) -> None:
        self._settings = settings
        listed = [base.strip().rstrip("/") for base in settings.origins.split(",") if base.strip()]
        try:
            secrets: Mapping[str, str] = json.loads(
                settings.origin_authorizations.get_secret_value() or "{}"
            )
            self._origins = [_Origin(b, urlsplit(b), secrets.get(b)) for b in listed]
            wrong = [o for o in self._origins if not o.parts.scheme or not o.parts.hostname]
        except ValueError as error:
            raise _bad_origins() from error
        if wrong or set(secrets) - set(listed):
            raise _bad_origins()

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
        web = origin.parts.scheme in _DEFAULT_PORTS
        if not (_STUDY_OR_SERIES if web else _KEY).fullmatch(path):
            raise _forbidden()
        files = _from_web(origin, uri) if web else self._from_bucket(origin, path.strip("/"))
        async for file in files:
            yield file

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

    async def _from_bucket(self, origin: _Origin, key: str) -> AsyncGenerator[tuple[str, File]]:
        """Give one object, or all objects below a key."""
        store = open_store(origin.base)
        try:
            if (one := await _object(store, key, self._settings.max_upload_bytes)) is not None:
                yield key, one
                return
            count = 0
            async for batch in store.list(key):
                for meta in batch:
                    if (file := await _object(store, meta["path"], MAX_FILE_BYTES)) is not None:
                        count += 1
                        yield meta["path"], file
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
        raise Rejected(
            "source_refused",
            "the source does not give what it is asked for",
            "may this deployment read it? see MEMORYGUARD_INGEST_ORIGIN_AUTHORIZATIONS",
        )


async def _object(store: Store, path: str, max_bytes: int) -> File | None:
    """Read an object; a zip goes into a spool. None when there is none."""
    try:
        result = await store.get_async(path)
    except FileNotFoundError:
        return None
    if result.meta["size"] > max_bytes:
        raise Rejected("too_large", "the object is too large")
    spool: Spool | None = None
    body = bytearray()
    async for chunk in result.stream():
        if spool is not None:
            spool.append(bytes(chunk))
            continue
        body += bytes(chunk)
        if len(body) >= MAGIC_BYTES and is_zip(body):
            spool = Spool()
            spool.append(body)
        elif len(body) > MAX_FILE_BYTES:
            raise Rejected("too_large", "the object is too large")
    return spool or bytes(body)


def _where(parts: SplitResult) -> tuple[str, str, int | None]:
    return parts.scheme, parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme)


def _forbidden() -> Rejected:
    return Rejected(
        "forbidden_address",
        "the address does not lie below a listed origin",
        "see MEMORYGUARD_INGEST_ORIGINS",
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
