# SPDX-License-Identifier: Apache-2.0
"""The log in the object store, for whoever proves or verifies without asking audit.

Where everything lies is in `memoryguard.tlog.published`. All is written once but the newest
checkpoint. That is written at the end, and says how far the log is published: whoever dies before
leaves bytes that are written again, the same ones.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from memoryguard.audit.log import entry_of
from memoryguard.audit.proving import stored_nodes, stored_tiles
from memoryguard.common.contracts import events as e
from memoryguard.common.runtime import blobs
from memoryguard.common.runtime.database import Pool
from memoryguard.tlog import published
from memoryguard.tlog.checkpoint import Checkpoint, open_checkpoint
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.merkle import EMPTY_ROOT, HASH_BYTES, Coordinate, frontier_at, root_nodes
from memoryguard.tlog.note import VerifierKey
from memoryguard.tlog.tiles import TILE_WIDTH, tile_width, tiles_between

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Store

logger = logging.getLogger(__name__)

AT_ONCE = 32

BEHIND_RESULTS = tuple(
    fact.type
    for fact in (
        *(e.ScanReceived, e.VolumesExtracted, e.VolumesRefused, e.AtrophyScored),
        *(e.RiskPredicted, e.RiskWithheld, e.DocumentMade),
    )
)
_ENTRIES = """
select * from log.entry
where sequence >= $1 and sequence < $2 and scan_id is not null and type = any($3)
order by sequence limit $4
"""


class Publisher:
    """Publishes the log.

    Parameters
    ----------
    pool
        Of audit.
    store
        The platform's object store.
    key
        The log's own.
    """

    def __init__(self, pool: Pool, store: Store, key: VerifierKey) -> None:
        self._pool = pool
        self._store = store
        self._key = key

    async def publish(self, checkpoints: Sequence[tuple[int, str]]) -> None:
        """Publish checkpoints (size and note, ascending), and the log up to the last of them.

        One process at a time may do so. Doing it twice leaves the same bytes; where other bytes
        lie already, they stay, and it is told. A log that is not the one published before (of a
        database that was restored, say) is not mixed with it: only its checkpoints are sent.

        Raises
        ------
        Unavailable
            ``object_store_unavailable``.
        """
        size, note = checkpoints[-1]
        before = await self._published()
        grows = await self._grows(before, size)
        if grows:
            async for batch in self._tiles(before.size, size):
                await self._put(batch)
            async for batch in self._entries(before.size, size):
                await self._put(batch)
        else:
            logger.critical("another log is published already", extra={"size": before.size})
        named = ((published.checkpoint(at), text.encode()) for at, text in checkpoints)
        while batch := dict(islice(named, AT_ONCE)):
            await self._put(batch)
        if grows and size > before.size:
            await blobs.write(self._store, published.CHECKPOINT, [note.encode()], "overwrite")
            await self._clear(before.size, size)

    async def cosign(self, note: str) -> None:
        """Show what witnesses have signed since, where it is the checkpoint that is published.

        Raises
        ------
        Unavailable
            ``object_store_unavailable``.
        """
        there = await blobs.read(self._store, published.CHECKPOINT)
        signed, new = bytes(there or b""), note.encode()
        if signed != new and signed.partition(b"\n\n")[0] == new.partition(b"\n\n")[0]:
            await blobs.write(self._store, published.CHECKPOINT, [new], "overwrite")

    async def _published(self) -> Checkpoint:
        """How far the log is published."""
        note = await blobs.read(self._store, published.CHECKPOINT)
        nothing = Checkpoint(self._key.name, 0, EMPTY_ROOT)
        if note is None:
            return nothing
        try:
            return open_checkpoint(bytes(note).decode(), self._key)
        except (Unverified, ValueError):
            logger.critical("the published checkpoint is not ours: all is published again")
            return nothing

    async def _grows(self, before: Checkpoint, size: int) -> bool:
        """Whether what is published is the beginning of this log."""
        if before.size > size:
            return False
        nodes = await stored_nodes(self._pool, root_nodes(before.size))
        return frontier_at(before.size, nodes).root == before.root

    async def _tiles(self, before: int, size: int) -> AsyncGenerator[dict[str, bytes]]:
        tiles = tiles_between(before, size)
        while wanted := list(islice(tiles, AT_ONCE)):
            found = await stored_tiles(self._pool, wanted)
            yield dict(_named(wanted, found, size))

    async def _entries(self, before: int, size: int) -> AsyncGenerator[dict[str, bytes]]:
        following = before
        while rows := await self._pool.fetch(_ENTRIES, following, size, BEHIND_RESULTS, AT_ONCE):
            following = rows[-1]["sequence"] + 1
            yield {
                published.entry(folder, row["sequence"]): entry_of(row).leaf()
                for row in rows
                if (folder := published.entries(row["scan_id"]))  # else it is none of our scans
            }

    async def _put(self, contents: Mapping[str, bytes]) -> None:
        await asyncio.gather(*(self._put_once(path, data) for path, data in contents.items()))

    async def _put_once(self, path: str, data: bytes) -> None:
        if await blobs.write(self._store, path, [data], "create"):
            return
        there = await blobs.read(self._store, path)
        if bytes(there or b"") != data:
            logger.critical("something else is published in its place", extra={"path": path})

    async def _clear(self, before: int, size: int) -> None:
        """Delete the partial tiles that a full one has replaced: one run on each level."""
        for level, index in tiles_between(before, size):
            then, now = (tile_width(level, index, at) for at in (before, size))
            if 0 < then < TILE_WIDTH == now:
                folder = published.partial_tiles(level, index)
                old = [blob.path async for blob in blobs.listed(self._store, folder)]
                await blobs.delete(self._store, old)


def _named(
    tiles: Sequence[Coordinate], found: Mapping[Coordinate, bytes], size: int
) -> Iterator[tuple[str, bytes]]:
    """Name tiles, each as far as the log of that size goes."""
    for level, index in tiles:
        width = tile_width(level, index, size)
        yield published.tile(level, index, width), found[level, index][: width * HASH_BYTES]
