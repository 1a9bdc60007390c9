# SPDX-License-Identifier: Apache-2.0
"""Proofs from the stored tiles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from memoryguard.common.errors import Unavailable
from memoryguard.common.runtime.database import Connection, Pool
from memoryguard.tlog.merkle import (
    Coordinate,
    NodeSource,
    consistency_nodes,
    consistency_proof,
    inclusion_nodes,
    inclusion_proof,
)
from memoryguard.tlog.proof import EntryProof
from memoryguard.tlog.tiles import Edge, nodes_of, tiles_of

# Full tiles and the edge in one statement, that is in one snapshot: a tile that fills up between
# two statements would be in neither.
_TILES = """
select null::int as level, size as position, null::bytea as hashes, levels from log.head
union all
select level, position, hashes, null from log.tile
join unnest($1::int[], $2::bigint[]) as wanted (level, position) using (level, position)
"""


async def newest_over(pool: Pool | Connection, sequence: int) -> tuple[int, str]:
    """Give the newest checkpoint that covers an entry: its size and note.

    Raises
    ------
    Unavailable
        ``not_signed_yet``: no checkpoint covers the entry so far.
    """
    row = await pool.fetchrow("select size, note from log.checkpoint order by size desc limit 1")
    if row is None or row["size"] <= sequence:
        raise Unavailable("not_signed_yet", "no checkpoint covers this entry yet", "ask again")
    return row["size"], row["note"]


async def prove(pool: Pool | Connection, sequence: int) -> EntryProof:
    """Prove one entry under the newest checkpoint.

    Raises
    ------
    Unavailable
        ``not_signed_yet``.
    """
    size, note = await newest_over(pool, sequence)
    (hashes,) = await prove_in(pool, [sequence], size)
    return EntryProof(sequence, tuple(hashes), note)


async def prove_in(
    pool: Pool | Connection, sequences: Iterable[int], size: int
) -> list[list[bytes]]:
    """Prove entries in the log of `size` entries: for each, the hashes of its inclusion proof."""
    asked = list(sequences)
    needed = [node for at in asked for part in inclusion_nodes(at, size) for node in part]
    nodes = await stored_nodes(pool, needed)
    return [inclusion_proof(at, size, nodes) for at in asked]


async def prove_growth(pool: Pool | Connection, size1: int, size2: int) -> list[bytes]:
    """Prove that the log of `size1` entries is a prefix of that of `size2`."""
    parts = consistency_nodes(size1, size2)
    nodes = await stored_nodes(pool, [node for part in parts for node in part])
    return consistency_proof(size1, size2, nodes)


async def stored_nodes(pool: Pool | Connection, wanted: Iterable[Coordinate]) -> NodeSource:
    """Fetch the tiles that nodes are read from."""
    return nodes_of(await stored_tiles(pool, tiles_of(wanted)))


async def stored_tiles(
    pool: Pool | Connection, tiles: Sequence[Coordinate]
) -> dict[Coordinate, bytes]:
    """Fetch tiles, and the whole edge with them: each as far as the log goes."""
    rows = await pool.fetch(_TILES, [level for level, _ in tiles], [at for _, at in tiles])
    head, full = rows[0], rows[1:]
    edge = Edge(head["position"], tuple(bytes(each) for each in head["levels"]))
    found = {(tile.level, tile.position): tile.hashes for tile in edge.tiles()}
    return found | {(r["level"], r["position"]): bytes(r["hashes"]) for r in full}
