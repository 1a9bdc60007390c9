# SPDX-License-Identifier: Apache-2.0
"""What lies beside the entries, and whether it agrees with them: index, head, tiles, checkpoints.

None of it is in the tree. Whoever alters it cannot alter an entry by that, but could have the log
take an event twice or never, sign something else, or lose what proves its past.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from memoryguard.audit.elsewhere import Sent
from memoryguard.audit.reading import Head
from memoryguard.common.runtime.database import Connection
from memoryguard.tlog import published
from memoryguard.tlog.checkpoint import claimed_size
from memoryguard.tlog.report import Finding
from memoryguard.tlog.tiles import TILE_WIDTH, Edge
from memoryguard.tlog.verify import MAX_FINDINGS_PER_CODE

# Of every entry its name and digest; of one that was pruned, nothing is left to compare with.
_INDEX = """
select coalesce(entry.sequence, seen.sequence) as sequence
from log.entry full join log.seen using (sequence)
where case when entry.sequence is null then seen.sequence not between 0 and $1 - 1
           else seen.name is distinct from
                substring(sha256(convert_to(source, 'UTF8') || '\\x00'::bytea
                                 || convert_to(event_id, 'UTF8')) for 16)
             or seen.digest is distinct from entry.digest end
order by 1 limit $2
"""
_COUNTED = "select (select count(*) from log.seen) - (select count(*) from log.entry)"

_PRUNED = """
select first, last,
       newest_at > pruned_at - interval '6 years'
       or newest_at > (select logged_at from log.entry order by sequence limit 1) as early
from log.pruned order by first
"""


async def check_beside(connection: Connection, head: Head) -> list[Finding]:
    """Compare what lies beside the entries with them, in the connection's snapshot."""
    findings = [*_checkpoint_rows(head)]
    findings += await _index(connection, head)
    findings += await _head(connection, head)
    findings += await _tiles(connection, head)
    findings += await _pruned(connection, head)
    return findings


async def _index(connection: Connection, head: Head) -> list[Finding]:
    """The index of events: were it wrong, an event could come twice, or be taken for known."""
    rows = await connection.fetch(_INDEX, head.pruned_to, MAX_FINDINGS_PER_CODE)
    if not rows and await connection.fetchval(_COUNTED) != head.pruned_to:
        return [Finding("altered_index", "the index of known events has not one row an entry")]
    return [
        Finding(
            "altered_index",
            f"the index of known events is not what entry {row['sequence']} says",
            row["sequence"],
            row["sequence"],
        )
        for row in rows
    ]


async def _head(connection: Connection, head: Head) -> list[Finding]:
    newest = await connection.fetchrow(
        "select entry.sequence, entry.logged_at = head.logged_at as dated, heads"
        " from (select count(*) as heads from log.head) as counted"
        " left join log.head on true"
        " left join (select sequence, logged_at from log.entry order by sequence desc limit 1)"
        " as entry on true limit 1"
    )
    size, levels = head.size, tuple(head.levels)
    expected = head.pruned_to
    dated = True
    if newest is not None and newest["sequence"] is not None:
        expected, dated = newest["sequence"] + 1, bool(newest["dated"])
    try:
        Edge(size, levels)
        well_formed = newest is not None and newest["heads"] == 1
    except ValueError:
        well_formed = False
    if well_formed and dated and size == expected:
        return []
    return [Finding("altered_head", "the log's head is not what its newest entry says")]


async def _tiles(connection: Connection, head: Head) -> list[Finding]:
    """Tiles that the log has no entries for; what the others hold is compared as they are read."""
    rows = await connection.fetch(
        "select level, position, count(*) as times from log.tile group by level, position"
        " having level not between 0 and 7 or position < 0 or count(*) > 1"
        " or (position + 1) * power(256::numeric, level + 1) > $1"
        " order by level, position limit $2",
        head.size,
        MAX_FINDINGS_PER_CODE,
    )
    return [
        Finding(
            "altered_tile",
            f"tile {row['position']} of level {row['level']} is one too many",
            checkpoint_size=None,
        )
        for row in rows
    ]


async def _pruned(connection: Connection, head: Head) -> list[Finding]:
    rows = await connection.fetch(_PRUNED)
    findings, end = list[Finding](), 0
    largest = max(head.sent, default=0)
    for row in rows:
        first, last = row["first"], row["last"]
        whole = first == end <= last and not (last + 1) % TILE_WIDTH
        end = last + 1
        if not whole or row["early"] or end > largest:
            message = f"nothing may have pruned entries {first} to {last}"
            findings.append(Finding("altered_pruning", message, first, last))
    return findings


def _checkpoint_rows(head: Head) -> Iterator[Finding]:
    """Rows that say something else than the notes they hold, or that are gone."""
    for size, note in head.notes:
        said = claimed_size(note)
        if said is not None and said != size:  # a note that is none is told by the verifier
            message = f"the checkpoint that is kept for {size} entries is of {said}"
            yield Finding("altered_checkpoint", message, checkpoint_size=size)
    for size in sorted(head.sent - {size for size, _ in head.notes}):
        message = f"the checkpoint of {size} entries has left the box, and is not in the log"
        yield Finding("missing_checkpoint", message, checkpoint_size=size)


def check_sent(head: Head, sent: Sent) -> list[Finding]:
    """Find checkpoints that have left the box and are not where they went."""
    there = {claimed_size(note) for _, note in sent.files}
    findings = [
        Finding(
            "missing_checkpoint",
            f"the checkpoint of {size} entries has left the box, and is not where it went",
            checkpoint_size=size,
        )
        for size in sorted(head.sent - there)
    ]
    newest = max(head.sent, default=0)  # the log is published before its checkpoint counts as sent
    if sent.whole and (claimed_size(sent.published or "") or 0) < newest:
        message = f"the log is not published up to the checkpoint of {newest} entries, as it was"
        findings.append(Finding("missing_checkpoint", message, checkpoint_size=newest))
    return findings


def check_kept(head: Head, elsewhere: Collection[str]) -> list[Finding]:
    """Find checkpoints that have left the box and that the log has no more."""
    ours = {size for size, _ in head.notes}
    newest = max(ours, default=0)  # behind it, it is a rollback
    return [
        Finding(
            "missing_checkpoint",
            f"the checkpoint of {size} entries was signed, and is not in the log",
            checkpoint_size=size,
        )
        for size in sorted({claimed_size(note) or 0 for note in elsewhere} - ours)
        if 0 < size < newest
    ]


def check_names(files: Collection[tuple[str, str]]) -> list[Finding]:
    """Find checkpoints that lie under the name of another: ``(name, note)`` as they were read."""
    return [
        Finding("altered_checkpoint", f"{name} holds a checkpoint of {size} entries")
        for name, note in files
        if (size := claimed_size(note)) is not None
        and published.checkpoint(size) != published.CHECKPOINTS + name
    ]
