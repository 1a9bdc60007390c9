# SPDX-License-Identifier: Apache-2.0
"""One delivery: files that a sender hands over together, from the first to the answer."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TypeAlias

from memoryguard.common.contracts.event import Event
from memoryguard.common.errors import MemoryGuardError, Rejected
from memoryguard.common.runtime.database import AWAY
from memoryguard.ingest.answers import Answer, Refused, worst
from memoryguard.ingest.archive import unpack
from memoryguard.ingest.settings import IngestSettings
from memoryguard.ingest.settling import Settling
from memoryguard.ingest.spool import Spool
from memoryguard.ingest.staging import BATCH_FILES, Receipt, Sender, Staging

BATCHES_AT_ONCE = 2
"""Of one delivery: one is looked at while another is written."""

_BESIDE = frozenset({".DS_Store", "Thumbs.db", "desktop.ini", "DICOMDIR"})
_HARMLESS = frozenset({"conflicting_instances", "series_closed", "other_study"})
"""Refused files without which a delivery is what it was; any other might be a slice of a scan."""
_NOT_HERE = Receipt.because(
    "refused", Rejected("file_not_here", "the file was named, and is not here", "send it again")
)


@dataclass(frozen=True, slots=True)
class Here:
    """A file that is here already, by the SHA-256 of its bytes (hexadecimal)."""

    sha256: str


File: TypeAlias = bytes | Spool | Here
"""A file; or a zip of files, which waits on the disk; or one that needs not be sent again."""


@dataclass(slots=True)
class Delivery:
    """Takes files one after the other, in batches, looking at some while the next one comes.

    Parameters
    ----------
    staging, settling
        The two halves of the way.
    sender
        On whose word.
    settings
        Limits.
    """

    staging: Staging
    settling: Settling
    sender: Sender
    settings: IngestSettings
    _names: list[str] = field(default_factory=list[str])
    _receipts: list[Receipt] = field(default_factory=list[Receipt])
    _here: dict[int, str] = field(default_factory=dict[int, str])
    """Digests of files that were only named, by place."""
    _batch: list[bytes] = field(default_factory=list[bytes])
    _batch_bytes: int = 0
    _bytes: int = 0
    _taking: deque[asyncio.Task[list[Receipt]]] = field(default_factory=deque)

    async def add(self, name: str, file: File) -> None:
        """Take one file, or all files of a zip that waits in a spool, which is closed.

        One that is only named is looked for in the end, and then counts like the others.

        Raises
        ------
        Rejected
            ``too_many_files``, ``too_large``, and the codes of `archive.unpack`.
        """
        if isinstance(file, bytes):
            await self._add(name, file)
            return
        if isinstance(file, Here):
            self._here[len(self._names)] = file.sha256
            self._name(name)
            return
        with closing(file):
            entries = unpack(file)
            while (entry := await asyncio.to_thread(next, entries, None)) is not None:
                await self._add(*entry)

    async def _add(self, name: str, content: bytes) -> None:
        path = PurePosixPath(name)
        if path.name in _BESIDE or "__MACOSX" in path.parts:
            return
        self._bytes += len(content)
        if self._bytes > self.settings.max_upload_bytes:
            raise Rejected("too_large", "the delivery is too large")
        full = self._batch_bytes + len(content) > self.staging.batch_bytes
        if full or len(self._batch) == BATCH_FILES:
            await self._flush()
        self._name(name)
        self._batch.append(content)
        self._batch_bytes += len(content)

    def _name(self, name: str) -> None:
        if len(self._names) >= self.settings.max_upload_files:
            raise Rejected("too_many_files", "the delivery has too many files")
        self._names.append(name)

    async def finish(self, *, complete: bool = True, cause: Event | None = None) -> Answer:
        """Settle the series, unless more of them will come.

        Raises
        ------
        Refused
            Nothing became a scan, or waits for one.
        """
        await self._flush()
        await self._collect(0)
        await self._find()
        answer = Answer(self.sender.user_id, self._names, self._receipts)
        if fatal := self._doubtful() or self._damaged():
            raise Refused(fatal, answer, said=False)
        if not complete:
            return answer
        here = {receipt.series_key for receipt in self._receipts if receipt.series_key}
        outcomes = await self.settling.close(here, cause=cause)
        answer = Answer(self.sender.user_id, self._names, self._receipts, list(outcomes.values()))
        if not {outcome.state for outcome in answer.outcomes} & {"announced", "unassigned"}:
            said = any(outcome.state == "refused" for outcome in answer.outcomes)
            raise Refused(worst(answer), answer, said=said)
        return answer

    async def discard(self) -> None:
        """Forget what this delivery alone brought and is no scan; after it was refused."""
        await self.stop()
        kept = Counter(receipt.series_key for receipt in self._receipts if receipt.state == "kept")
        await self.settling.discard(kept)

    async def stop(self) -> None:
        """Wait for what is being done. The files can be sent again."""
        while self._taking:
            with suppress(MemoryGuardError, *AWAY):
                await self._collect(0)

    async def _flush(self) -> None:
        await self._collect(BATCHES_AT_ONCE - 1)
        if self._batch:
            taking = self.staging.take(self._batch, self.sender)
            self._taking.append(asyncio.create_task(taking))
        self._batch, self._batch_bytes = [], 0

    async def _collect(self, left: int) -> None:
        """Wait for batches, in their order, until only so many are being taken."""
        while len(self._taking) > left:
            self._receipts += await self._taking.popleft()

    async def _find(self) -> None:
        """Put the receipts of files that were only named among the others."""
        found = await self.staging.find(self.sender, list(self._here.values()))
        sent = iter(self._receipts)
        self._receipts = [
            found.get(self._here[place], _NOT_HERE) if place in self._here else next(sent)
            for place in range(len(self._names))
        ]

    def _doubtful(self) -> Rejected | None:
        """Say that an account is named, and the files name several people."""
        people = {receipt.person for receipt in self._receipts if receipt.person}
        if self.sender.user_id is None or len(people) < 2:
            return None
        return Rejected(
            "mixed_patients", "the files name more than one person", "send them one by one"
        )

    def _damaged(self) -> Rejected | None:
        """Say what is damaged: it might be the last slice of a series that looks whole without.

        Over DICOM a sender is told of that instance, and sends it again.
        """
        if self.sender.ends == "quiet":
            return None
        for receipt in self._receipts:
            if receipt.state == "refused" and receipt.code not in _HARMLESS:
                return Rejected(receipt.code, receipt.message, receipt.hint)
        return None


class Intake:
    """Opens deliveries.

    Parameters
    ----------
    staging, settling
        The two halves of the way.
    settings
        Limits.
    """

    def __init__(self, staging: Staging, settling: Settling, settings: IngestSettings) -> None:
        self._staging = staging
        self._settling = settling
        self._settings = settings

    @asynccontextmanager
    async def delivery(self, sender: Sender) -> AsyncGenerator[Delivery]:
        """Open a delivery; what it brought is forgotten when it is refused.

        When its sender merely goes away, what is staged is kept for their next try.
        """
        delivery = Delivery(self._staging, self._settling, sender, self._settings)
        self._staging.deliveries += 1
        try:
            yield delivery
        except Rejected:
            await delivery.discard()
            raise
        finally:
            self._staging.deliveries -= 1
            await delivery.stop()
