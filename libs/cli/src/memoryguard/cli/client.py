# SPDX-License-Identifier: Apache-2.0
"""A client of the public REST API; the command line and the demo use nothing else."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp

from memoryguard.common.errors import MemoryGuardError, Rejected, Unavailable

Document: TypeAlias = dict[str, Any]
READ_BYTES = 1 << 18
KNOWN_S = 10.0
POLL_S = 0.1


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
        place: Path,
        user_id: str | None = None,
        sent: Callable[[int], None] = lambda n: None,
    ) -> Document:
        """Upload a folder, a zip or one file.

        Parameters
        ----------
        place
            What to upload.
        user_id
            Whose scan it is; a patient's own account when left out.
        sent
            Told the number of bytes of each piece as it leaves.
        """
        with aiohttp.MultipartWriter("form-data") as form:
            if user_id:
                form.append(user_id).set_content_disposition("form-data", name="user_id")
            for path in upload_paths(place):
                part = form.append_payload(
                    aiohttp.AsyncIterablePayload(
                        _pieces(path, sent), content_type="application/octet-stream"
                    )
                )
                part.set_content_disposition("form-data", name="file", filename=path.name)
            async with self._asked("POST", "/api/v1/imaging/upload", data=form) as response:
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
            raise Unavailable(
                "no_answer", "the platform does not answer", "is it running? memoryguard up"
            ) from error


@asynccontextmanager
async def client(url: str, token: str) -> AsyncGenerator[Client]:
    """Open a client."""
    headers = {"Authorization": f"Bearer {token}"}
    timeout = aiohttp.ClientTimeout(total=300)
    async with aiohttp.ClientSession(url, headers=headers, timeout=timeout) as session:
        yield Client(session)


def upload_paths(place: Path) -> Sequence[Path]:
    """Files to upload; Rejected when there are none."""
    if not place.exists():
        raise Rejected("no_such_file", "there is no such file or folder")
    paths = sorted(p for p in place.rglob("*") if p.is_file()) if place.is_dir() else [place]
    if not paths:
        raise Rejected("empty_upload", "the folder is empty")
    return paths


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(READ_BYTES):
            yield chunk


async def _pieces(path: Path, sent: Callable[[int], None]) -> AsyncGenerator[bytes]:
    for chunk in _chunks(path):
        yield chunk
        sent(len(chunk))


async def _problem(response: aiohttp.ClientResponse) -> MemoryGuardError:
    """Read a problem document back into an error."""
    try:
        document = await response.json(content_type=None)
        return Rejected(document["code"], document["title"], document.get("hint", ""))
    except (ValueError, KeyError, TypeError):
        return MemoryGuardError("bad_answer", f"the platform answered {response.status}")
