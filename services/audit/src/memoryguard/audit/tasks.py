# SPDX-License-Identifier: Apache-2.0
"""Audit's two endless tasks: append what the bus carries, and sign the log as it grows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from memoryguard.audit import log
from memoryguard.audit.cosigned import cosigned_note
from memoryguard.audit.filing import Filed, Filing
from memoryguard.audit.publishing import Publisher
from memoryguard.audit.sealing import Seal
from memoryguard.common.contracts.event import NOBODY, Event, derived_id, new_event
from memoryguard.common.contracts.events import CheckpointSigned, DeliveryConflicted
from memoryguard.common.contracts.flow import AUDITED_TOPICS, TOPIC_OF
from memoryguard.common.errors import Unavailable
from memoryguard.common.runtime import replay
from memoryguard.common.runtime.bus import Place, Received, Record
from memoryguard.common.runtime.database import AWAY, Pool, session_lock
from memoryguard.common.runtime.outbox import source_of
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.waiting import pause
from memoryguard.tlog.note import Signer, parse_note

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Store

logger = logging.getLogger(__name__)

RETRY_S = 1.0
TURN = 50  # events: about half a millisecond


class Appender:
    """Hears every topic by pattern and appends every event."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._filing = Filing(platform.vault)
        self._seal = Seal(platform.objects.keys)
        self._generation = 0

    async def run(self) -> None:
        """Append, for ever."""
        while True:
            try:
                pool = self._platform.pool
                self._generation = await replay.current_generation(pool)
                await replay.feed_until_outdated(pool, self._generation, self._feed())
            except AWAY:
                logger.warning("audit waits")
                await pause(RETRY_S)

    async def _feed(self) -> None:
        group = replay.group_of("audit-log", self._generation)
        resume = partial(log.positions, self._platform.pool, group)
        bus = self._platform.bus
        async with bus.consumer(group, pattern=AUDITED_TOPICS, resume=resume) as member:
            await self.take(member.batches(), group)

    async def take(self, batches: AsyncIterator[Sequence[Received]], group: str) -> None:
        """Append what comes; a batch is filed while the server takes in the one before.

        Asking for the next batch commits the one before to the bus, written or not. What is read
        again follows from the positions that are written with the entries, and from nothing else.
        """
        written: asyncio.Task[None] | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                async for batch in batches:
                    filed = await self._file(batch)
                    subjects = {each.fields["subject_id"] for each in filed}
                    keys = await self._seal.subject_keys(subjects)
                    if written is not None:
                        await written
                    following = {record.place: record.position + 1 for record in batch}
                    written = tasks.create_task(self._append(filed, keys, group, following))
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from failed

    async def _file(self, batch: Sequence[Received]) -> list[Filed]:
        """File a batch; often enough it is the others' turn, the writing of the last one's too."""
        filed = list[Filed]()
        for record in batch:
            filed.append(self._filing.file(record))
            if len(filed) % TURN == 0:
                await asyncio.sleep(0)
        return filed

    async def _append(
        self,
        filed: Sequence[Filed],
        keys: Mapping[str, bytes | None],
        group: str,
        following: Mapping[Place, int],
    ) -> None:
        """Write a batch; the same event with other bytes is told as a security event."""
        async with self._platform.pool.acquire() as connection, connection.transaction():
            await replay.hold_generation(connection, self._generation)
            conflicts = await log.append(connection, filed, keys)
            await log.keep_positions(connection, group, following)
            await self._platform.outbox.write(connection, [self._conflict(c) for c in conflicts])
        if conflicts:
            self._platform.outbox.wake()

    def _conflict(self, filed: Filed) -> Event:
        fields = filed.fields
        fact = DeliveryConflicted(
            subject_id=fields["subject_id"],
            service="audit",
            topic=fields["topic"],
            event_id=fields["event_id"],
            event_source=fields["source"],
        )
        return self._platform.outbox.notice(fact, filed.body)


class Notary:
    """Signs checkpoints and sends them off the box: to the object store, and to a topic."""

    def __init__(self, platform: Platform, store: Store, signer: Signer, every_s: float) -> None:
        self._platform = platform
        self._publisher = Publisher(platform.pool, store, signer.verifier_key)
        self._signer = signer
        self._every_s = every_s

    async def run(self) -> None:
        """Sign, for ever, when the log has grown."""
        while True:
            try:
                await self.sign()
            except AWAY:
                logger.warning("notary waits")
            await pause(self._every_s)

    async def sign(self) -> None:
        """Sign the log as it is, if it has grown; send off whatever has not left the box.

        Of several replicas one does it at a time, and the others pass.
        """
        async with (
            self._platform.pool.acquire() as connection,
            session_lock(connection, "audit", "notary", wait=False) as alone,
        ):
            if alone:
                async with connection.transaction():
                    await log.sign(connection, self._signer)
                await self._send_off()
                await self._show_cosignatures()

    async def _send_off(self) -> None:
        """Send checkpoints off, with the log that they sign; twice leaves the same bytes."""
        checkpoints = await unsent(self._platform.pool)
        if not checkpoints:
            return
        try:
            await self._publisher.publish([(size, note) for size, note, _ in checkpoints])
        except Unavailable:
            logger.error("checkpoint not sent off", extra={"size": checkpoints[-1][0]})
            return  # tried again in the next round
        for size, note, signed_at in checkpoints:
            await self._tell(size, note, signed_at)

    async def _show_cosignatures(self) -> None:
        note = await cosigned_note(self._platform.pool)
        if note is not None and len(parse_note(note)[1]) > 1:
            await self._publisher.cosign(note)

    async def _tell(self, size: int, note: str, signed_at: datetime) -> None:
        # Not through the outbox: its events are numbered, and the log must hold every number.
        fact = CheckpointSigned(subject_id=NOBODY, size=size, note=note)
        event_id = derived_id("audit", fact.type, size)
        event = new_event(fact, source=source_of("audit"), event_id=event_id)
        body = event.model_copy(update={"time": signed_at}).to_bytes()
        await self._platform.bus.publish(
            [Record(TOPIC_OF[CheckpointSigned], event.partitionkey, body)]
        )
        await self._platform.pool.execute(
            "insert into log.sent (size) values ($1) on conflict do nothing", size
        )


async def unsent(pool: Pool) -> list[tuple[int, str, datetime]]:
    """Give checkpoints that have not left the box: size, note, and when they were signed."""
    rows = await pool.fetch(
        "select size, note, signed_at from log.checkpoint left join log.sent using (size)"
        " where sent.size is null order by size"
    )
    return [(row["size"], row["note"], row["signed_at"]) for row in rows]
