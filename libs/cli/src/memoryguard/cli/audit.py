# SPDX-License-Identifier: Apache-2.0
"""Verify the audit log of a platform offline, straight from its database and checkpoints."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from memoryguard.audit.beside import check_beside, check_kept, check_names, check_sent
from memoryguard.audit.cosigned import cosigned_note
from memoryguard.audit.elsewhere import Elsewhere, Sent
from memoryguard.audit.reading import Head, Reader, read_head
from memoryguard.cli.home import Home
from memoryguard.common.runtime.database import Connection, connect
from memoryguard.common.runtime.postgres import embedded_postgres
from memoryguard.tlog.checkpoint import claimed_size
from memoryguard.tlog.cosignature import WitnessKey
from memoryguard.tlog.dump import dump_entry, dump_header, dump_pruned
from memoryguard.tlog.note import VerifierKey
from memoryguard.tlog.ranges import verify_range
from memoryguard.tlog.report import Finding, Report
from memoryguard.tlog.tiles import TILE_LEVELS
from memoryguard.tlog.verify import verify_runs
from memoryguard.tlog.window import StoredNodes
from memoryguard.tlog.witnessed import check_waiting, check_witnesses

ORIGIN = "memoryguard/audit"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a log from elsewhere than its database.

    Parameters
    ----------
    key
        The log's public key.
    notes
        Checkpoints that somebody has kept.
    elsewhere
        Where the log's checkpoints and tiles were sent: whatever left the box must be there.
    """

    key: VerifierKey
    notes: Sequence[str] = ()
    elsewhere: Elsewhere | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """How the log has to go on: which witnesses sign it, and how long an entry may wait.

    Parameters
    ----------
    keys, quorum
        Of the witnesses, and how many of them must have signed; no keys: nobody is asked for.
    max_age_s
        How long an entry may wait for a checkpoint, and how old a quorum's signatures may be.
    """

    keys: Sequence[WitnessKey]
    quorum: int
    max_age_s: float | None

    async def check(self, connection: Connection) -> list[Finding]:
        """Look at the newest checkpoint, and at the oldest entry that none covers."""
        note = await cosigned_note(connection) or ""
        waiting = await connection.fetchval(_WAITING)
        since_s = None if waiting is None else float(waiting)
        now_s = time.time()
        if self.keys:
            return check_witnesses(
                note, self.keys, self.quorum, now_s, self.max_age_s, unsigned_since_s=since_s
            )
        return check_waiting(since_s, now_s, self.max_age_s)


_WAITING = """
select extract(epoch from logged_at) from log.entry
where sequence >= (select coalesce(max(size), 0) from log.checkpoint)
  and isfinite(logged_at)
order by sequence limit 1
"""


async def verify_home(home: Home) -> Report:
    """Verify the log of a home, whether its platform runs or not."""
    known = Known(key_of(home), elsewhere=Elsewhere(str(home.folder / "objects")))
    async with database_of(home) as url:
        return await verify_known(url, known)


async def verify_known(
    url: str,
    known: Known,
    bounds: tuple[int, int | None] | None = None,
    watch: Watch | None = None,
) -> Report:
    """Verify the log in a database, or a range of it, by what is known from elsewhere."""
    connection = await connect(url)
    try:
        return await verify_as_seen(connection, known, bounds, watch)
    finally:
        await connection.close()


async def verify_as_seen(
    connection: Connection,
    known: Known,
    bounds: tuple[int, int | None] | None = None,
    watch: Watch | None = None,
) -> Report:
    """Verify the log as a connection sees it, inside one snapshot.

    What has left the box is read before the snapshot, so that a log which is written meanwhile has
    all of it.
    """
    sent = await asyncio.to_thread(known.elsewhere.read) if known.elsewhere else Sent()
    try:
        async with _snapshot(connection):
            head = await read_head(connection)
            reading = _Reading(
                known, sent, head, Reader(connection, asyncio.get_running_loop(), head)
            )
            late = await watch.check(connection) if watch else []
            if bounds is not None:
                report = await asyncio.to_thread(reading.verify_range, *bounds)
                return report.joined(late)
            report = await asyncio.to_thread(reading.verify)
            return report.joined([*await check_beside(connection, head), *late])
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
        message = "a table of the log is not there, or not as it was made"
        return Report(0, 0, 0, 0, 0, (Finding("unreadable_log", message),), 0, (), ())


@asynccontextmanager
async def _snapshot(connection: Connection) -> AsyncGenerator[None]:
    """See one moment; names of functions mean PostgreSQL's own, whatever else is defined."""
    if connection.is_in_transaction():
        async with connection.transaction():
            await connection.execute("set local search_path = pg_catalog")
            yield
            await connection.execute("set local search_path to default")
        return
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute("set local search_path = pg_catalog")
        yield


@dataclass(frozen=True, slots=True)
class _Reading:
    """One verification; its methods run in a thread of their own."""

    known: Known
    sent: Sent
    head: Head
    reader: Reader

    def verify(self) -> Report:
        """Verify the whole log, and compare it with what has left the box."""
        report = verify_runs(
            self.reader.runs(),
            [note for _, note in self.head.notes],
            self.known.key,
            witnessed=self._elsewhere(),
            nodes=self.reader.node,
            published=self._published(),
            step=TILE_LEVELS,
        )
        return report.joined(self._beyond())

    def verify_range(self, first: int, last: int | None) -> Report:
        """Verify some entries."""
        last = self.head.size - 1 if last is None else last
        published = self._published()
        return verify_range(
            self.reader.runs(first, last),
            (first, last),
            [note for _, note in self.head.notes],
            self.known.key,
            witnessed=self._elsewhere(),
            sources=[self.reader.node, *([published] if published else [])],
        )

    def _elsewhere(self) -> list[str]:
        return [*self.sent.notes, *self.known.notes]

    def _published(self) -> StoredNodes | None:
        size = self._published_size()
        return self.known.elsewhere.node_of(size) if self.known.elsewhere and size else None

    def _published_size(self) -> int:
        return claimed_size(self.sent.published or "") or 0

    def _beyond(self) -> list[Finding]:
        """Compare with what has left the box; what left it since is read again."""
        findings = check_kept(self.head, self._elsewhere())
        elsewhere = self.known.elsewhere
        if elsewhere is None:
            return findings
        findings += check_names(self.sent.files)
        if self._published_size() <= self.head.size:  # else the log was cut, and that is told
            findings += elsewhere.check(self._published_size(), self.reader.tile)
        if check_sent(self.head, self.sent):  # it may have left since
            findings += check_sent(self.head, elsewhere.read())
        return findings


async def dump_known(url: str, write: Callable[[str], object]) -> int:
    """Write the log in a database as `memoryguard.tlog.dump` has it; how many entries there were.

    Nothing is verified here: whoever reads the dump does.
    """
    connection = await connect(url)
    try:
        async with _snapshot(connection):
            head = await read_head(connection)
            reader = Reader(connection, asyncio.get_running_loop(), head)
            return await asyncio.to_thread(_dump, head, reader, write)
    finally:
        await connection.close()


def _dump(head: Head, reader: Reader, write: Callable[[str], object]) -> int:
    write(dump_header([note for _, note in head.notes]))
    for run in reader.pruned():
        write(dump_pruned(run.first, b"".join(run.hashes)))
    number = 0
    for sequence, leaf in reader.leaves():
        write(dump_entry(sequence, leaf))
        number += 1
    return number


async def sent_checkpoints(home: Home) -> list[str]:
    """Checkpoints in a home's object store, the smallest first."""
    elsewhere = Elsewhere(str(home.folder / "objects"))
    return [note for _, note in (await asyncio.to_thread(elsewhere.read)).files]


@asynccontextmanager
async def database_of(home: Home) -> AsyncGenerator[str]:
    """Yield the URL of a home's database; a stopped platform's is started for the while."""
    running = home.running()
    if running:
        yield running["database_url"]
        return
    with home.locked():
        async with embedded_postgres(home.folder / "postgres") as url:
            yield url


def key_of(home: Home) -> VerifierKey:
    """Return the key that a home's log is verified with; ``str`` of it is its C2SP form."""
    return VerifierKey(ORIGIN, home.audit_public_key())
