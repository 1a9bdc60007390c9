# SPDX-License-Identifier: Apache-2.0
"""A client of the public REST API; the command line and the demo use nothing else."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import aiohttp

from memoryguard.common.errors import MemoryGuardError, Rejected, Unavailable

Document: TypeAlias = dict[str, Any]
UPLOAD = "/api/v1/imaging/upload"
UPLOAD_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=300)
"""However long it takes to send; the answer must come in five minutes."""
READ_BYTES = 1 << 18
KNOWN_S = 10.0
POLL_S = 0.1
AWAY = frozenset({502, 503, 504})
"""Statuses that say: later."""


class Client:
    """Talks to one platform with one bearer token."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(self, path: str) -> Document:
        """Read a JSON document."""
        async with self._asked("GET", path) as response:
            return await response.json()

    async def get_bytes(self, path: str) -> bytes:
        """Read whatever lies at a path."""
        async with self._asked("GET", path) as response:
            return await response.read()

    async def send(self, method: str, path: str, document: Document) -> Document:
        """Send a JSON document and read the answer."""
        async with self._asked(method, path, json=document) as response:
            return await response.json()

    async def delete(self, path: str) -> Document:
        """Delete what lies at a path and read the answer."""
        async with self._asked("DELETE", path) as response:
            return await response.json()

    async def upload(
        self,
        *places: Path,
        user_id: str | None = None,
        here: Mapping[Path, str] = MappingProxyType({}),
        key: str = "",
        sent: Callable[[int], None] = lambda n: None,
    ) -> Document:
        """Upload folders, zips and files in one request.

        Parameters
        ----------
        places
            What to upload.
        user_id
            Whose scan it is; a patient's own account when left out.
        here
            SHA-256 of files that the platform has already: they are named, and not sent.
        key
            Who repeats a request under a key gets the first answer.
        sent
            Told the number of bytes of each piece as it leaves.
        """
        headers = {"Idempotency-Key": key} if key else {}
        with aiohttp.MultipartWriter("form-data") as form:
            if user_id:
                form.append(user_id).set_content_disposition("form-data", name="user_id")
            for path in upload_paths(places):
                _append(form, path, here.get(path), sent)
            how: dict[str, Any] = {"data": form, "headers": headers, "timeout": UPLOAD_TIMEOUT}
            async with self._asked("POST", UPLOAD, **how) as response:
                return await response.json()

    async def watch(self, imaging_id: str) -> AsyncGenerator[Document]:
        """Follow a scan's status until it is completed or failed (server-sent events)."""
        path = f"/api/v1/imaging/{imaging_id}/events"
        await self._known(f"/api/v1/imaging/{imaging_id}/status")
        async with self._asked("GET", path, timeout=aiohttp.ClientTimeout(None)) as response:
            async for line in response.content:
                if line.startswith(b"data:"):
                    yield json.loads(line[5:])

    async def _known(self, path: str) -> None:
        """Wait until the read model has heard of a scan that was just uploaded."""
        deadline = time.monotonic() + KNOWN_S
        while True:
            try:
                await self.get(path)
                return
            except Rejected as error:
                if error.code != "not_found" or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(POLL_S)

    @asynccontextmanager
    async def _asked(
        self, method: str, path: str, **options: Any
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        try:
            async with self._session.request(method, path, **options) as response:
                if response.status >= 400:
                    raise await _problem(response)
                yield response
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _no_answer() from error


@asynccontextmanager
async def client(url: str, token: str) -> AsyncGenerator[Client]:
    """Open a client."""
    headers = {"Authorization": f"Bearer {token}"}
    timeout = aiohttp.ClientTimeout(total=300)
    async with aiohttp.ClientSession(url, headers=headers, timeout=timeout) as session:
        yield Client(session)


def upload_paths(places: Sequence[Path]) -> list[Path]:
    """Find the files below folders; a file stands for itself.

    Raises
    ------
    Rejected
        ``no_such_file``, ``empty_upload``.
    """
    if not all(place.exists() for place in places):
        raise Rejected("no_such_file", "there is no such file or folder")
    found = [
        path
        for place in places
        for path in (sorted(place.rglob("*")) if place.is_dir() else [place])
        if path.is_file()
    ]
    if not found:
        raise Rejected("empty_upload", "there is no file in it", "name a folder, a zip or a file")
    return list(dict.fromkeys(found))


def _append(
    form: aiohttp.MultipartWriter, path: Path, sha256: str | None, sent: Callable[[int], None]
) -> None:
    """Append a file to a form, or only its digest."""
    if sha256 is not None:
        named = form.append(sha256)
        named.set_content_disposition("form-data", name="sha256", filename=path.name)
        return
    pieces = aiohttp.AsyncIterablePayload(
        _pieces(path, sent), content_type="application/octet-stream"
    )
    part = form.append_payload(pieces)
    part.set_content_disposition("form-data", name="file", filename=path.name)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(READ_BYTES):
            yield chunk


async def _pieces(path: Path, sent: Callable[[int], None]) -> AsyncGenerator[bytes]:
    for chunk in _chunks(path):
        yield chunk
        sent(len(chunk))


async def _problem(response: aiohttp.ClientResponse) -> MemoryGuardError:
    """Read a problem document back into an error; a proxy that reaches nobody writes none."""
    away = response.status in AWAY
    try:
        document = await response.json(content_type=None)
        kind = Unavailable if away else Rejected
        error = kind(document["code"], document["title"], document.get("hint", ""))
        error.details = document
        return error
    except (ValueError, KeyError, TypeError):
        if away:
            return _no_answer()
        return MemoryGuardError("bad_answer", f"the platform answered {response.status}")


def _no_answer() -> Unavailable:
    return Unavailable("no_answer", "the platform does not answer", "is it running? memoryguard up")
