# SPDX-License-Identifier: Apache-2.0
"""Upload what is not there yet, over a connection that may break.

The platform keeps each batch of files that has arrived. It is asked what is missing; that is sent,
with the names of everything else, so each try is an upload of all the files and judged as one. When
the connection breaks it is asked again, and so it is when the same command is given another time.
Zips, and files that are no scan, are always sent.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from memoryguard.cli.client import UPLOAD, Client, Document
from memoryguard.common.errors import MemoryGuardError, Rejected, Unavailable

TRIES = 7
"""In a row without any progress: half a minute, in which a service can start again."""
ASKED_TOGETHER = 10_000


@dataclass(slots=True)
class Uploading:
    """One upload.

    Parameters
    ----------
    platform
        Where to.
    paths
        Files.
    user_id
        Whose scan it is; a patient's own account when left out.
    reached
        Told how many bytes are there, as they leave.
    pause_s
        Before the second try; then twice as long each time.
    """

    platform: Client
    paths: Sequence[Path]
    user_id: str | None = None
    reached: Callable[[int], None] = lambda n: None
    pause_s: float = 0.5
    _key: str = field(default_factory=lambda: uuid.uuid4().hex)
    _digests: dict[Path, str] = field(default_factory=dict[Path, str])
    _here: dict[Path, str] = field(default_factory=dict[Path, str])
    _bytes: int = 0

    async def run(self) -> Document:
        """Upload; the platform's answer.

        Raises
        ------
        Rejected
            Nothing of it became a scan.
        Unavailable
            It was not reached, or again and again no more of the files arrived.
        """
        self._digests = await asyncio.to_thread(_digests, self.paths)
        await self._ask()
        tries = 1
        while True:
            try:
                return await self._send()
            except MemoryGuardError as error:
                if not _may_mend(error) or tries == TRIES:
                    raise
            await asyncio.sleep(self.pause_s * 2 ** (tries - 1))
            before = len(self._here)
            with suppress(Unavailable):
                await self._ask()
            tries = 1 if len(self._here) > before else tries + 1

    async def _ask(self) -> None:
        """Ask what is here."""
        missing = await self._missing(list(self._digests.values()))
        self._here = {path: each for path, each in self._digests.items() if each not in missing}
        self._bytes = sum(path.stat().st_size for path in self._here)
        self.reached(self._bytes)

    async def _send(self) -> Document:
        return await self.platform.upload(
            *self.paths, user_id=self.user_id, here=self._here, key=self._key, sent=self._left
        )

    async def _missing(self, digests: Sequence[str]) -> set[str]:
        missing: set[str] = set()
        for start in range(0, len(digests), ASKED_TOGETHER):
            some = digests[start : start + ASKED_TOGETHER]
            asked = {"user_id": self.user_id, "sha256": some}
            answer = await self.platform.send("POST", f"{UPLOAD}/missing", asked)
            missing.update(answer["missing"])
        return missing

    def _left(self, count: int) -> None:
        self._bytes += count
        self.reached(self._bytes)


def _may_mend(error: MemoryGuardError) -> bool:
    """Whether it may work with the next try."""
    lost = isinstance(error, Rejected) and error.code == "file_not_here"
    return lost or isinstance(error, Unavailable)


def _digests(paths: Sequence[Path]) -> dict[Path, str]:
    found: dict[Path, str] = {}
    for path in paths:
        with path.open("rb") as file:
            found[path] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
