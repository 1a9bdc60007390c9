# SPDX-License-Identifier: Apache-2.0
"""A small log with everything that stands beside it, and what somebody can do to it who may do all.

The intruder is the database's superuser with triggers off, can write every file, and has, for some
kinds, the log's own signing key and our own code to write a log that agrees with itself.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from memoryguard.audit import log
from memoryguard.audit.filing import microseconds
from memoryguard.audit.publishing import Publisher
from memoryguard.audit.service import RECIPE
from memoryguard.common.contracts.event import NOBODY
from memoryguard.common.runtime import database
from memoryguard.common.runtime.blobs import open_store
from memoryguard.tlog.checkpoint import Checkpoint, sign_checkpoint
from memoryguard.tlog.entry import Entry, sealed
from memoryguard.tlog.note import Signer
from memoryguard.tlog.tiles import Edge

SIGNER = Signer("memoryguard/test", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
IMPOSTOR = Signer("memoryguard/test", Ed25519PrivateKey.from_private_bytes(bytes(32)))
SIZES = (150, 256, 400, 520, 580)
"""Signed sizes; all but the last have left the box."""

SENT = SIZES[-2]
ENTRIES = 600
START = datetime(2026, 1, 1, tzinfo=UTC)


def entry(number: int) -> Entry:
    """Every third concerns nobody and is plain; the others are sealed."""
    person = number % 3
    made = Entry(
        action="scan.read",
        actor=f"account-{number % 7}" if number % 5 else None,
        counter=number // 2 + 1,
        digest=f"{number:032x}",
        epoch="life-1",
        event_id=f"event-{number}",
        form="plain",
        logged_us=0,
        occurred_us=1_700_000_000_000_000 + number if number % 4 else None,
        outcome="success",
        purpose="treatment" if number % 2 else None,
        scan_id=f"scan-{number % 11}" if person else None,
        source=f"/memoryguard/{'ab'[number % 2]}",
        subject_id=f"{person:032x}" if person else NOBODY,
        topic="memoryguard.access.v1",
        type="memoryguard.access.read.v1",
        payload=b'{"number":%d,"data":"%s"}' % (number, b"x" * 60),
    )
    if not person:
        return made
    return replace(made, form="sealed", payload=sealed(number.to_bytes(32, "big"), made.payload))


async def write(connection: Any, entries: Sequence[Entry], sizes: Sequence[int] = SIZES) -> None:
    """Write a log as the service does, and sign at the given sizes, always at the same moments."""
    edge = Edge()
    for begin, end in zip((0, *sizes), (*sizes, len(entries)), strict=True):
        now = START + timedelta(minutes=begin)
        edge = await _add(connection, edge, entries[begin:end], now)
        if end in sizes:
            await log.sign(connection, SIGNER, now)


async def _add(connection: Any, edge: Edge, entries: Sequence[Entry], now: datetime) -> Edge:
    if not entries:
        return edge
    dated = [replace(each, logged_us=microseconds(now)) for each in entries]
    grown, tiles = edge.append([each.leaf_hash() for each in dated])
    numbered = list(enumerate(dated, edge.size))
    tables = {
        "entry": (log.COLUMNS, [log.row_of(n, each) for n, each in numbered]),
        "seen": (("name", "sequence", "digest"), [(name(e), n, e.digest) for n, e in numbered]),
        "tile": (("level", "position", "hashes"), [tuple(tile) for tile in tiles]),
    }
    await connection.execute("select log.make_room($1)", grown.size - 1)
    for table, (columns, rows) in tables.items():
        await connection.copy_records_to_table(
            table, schema_name="log", columns=columns, records=rows
        )
    await connection.execute(
        "update log.head set size = $1, levels = $2, logged_at = $3",
        grown.size,
        list(grown.levels),
        now,
    )
    return grown


def name(known: Entry) -> bytes:
    return hashlib.sha256(f"{known.source}\0{known.event_id}".encode()).digest()[:16]


async def empty(connection: Any) -> None:
    """Empty the log without a trace in the database."""
    for table in ("entry", "seen", "tile", "checkpoint"):
        await connection.execute(f"delete from log.{table}")
    await connection.execute("update log.head set size = 0, levels = '{}', logged_at = 'epoch'")


async def build(url: str, objects: Path) -> None:
    """Write the honest log, and send off all but the newest checkpoint."""
    admin = await database.connect(url)
    async with await database.open_pool(url, "audit") as pool:
        packages = [database.RUNTIME_MIGRATIONS, str(RECIPE.migrations)]
        await database.migrate(pool, "audit", packages)
        await admin.execute("update log.shape set partition_entries = 256")
        await admin.close()
        async with pool.acquire() as connection, connection.transaction():
            await write(connection, [entry(n) for n in range(ENTRIES)])
        rows = await pool.fetch("select size, note from log.checkpoint order by size")
        sent = [(row["size"], row["note"]) for row in rows if row["size"] <= SENT]
        await Publisher(pool, open_store(str(objects)), SIGNER.verifier_key).publish(sent)
        await pool.executemany("insert into log.sent (size) values ($1)", [(n,) for n, _ in sent])


@dataclass(slots=True)
class Intruder:
    """Somebody who may do everything, once.

    Parameters
    ----------
    connection
        In a transaction that is rolled back afterwards.
    objects
        Where the checkpoints and tiles went.
    draw
        Which of all.
    """

    connection: asyncpg.Connection
    objects: Path
    draw: random.Random
    _before: dict[Path, bytes] = field(default_factory=dict[Path, bytes])

    @property
    def at(self) -> int:
        """Some entry under a checkpoint that has left the box."""
        return self.draw.randrange(SENT)

    async def sql(self, statement: str, *values: Any) -> None:
        """Change the database; something must have changed."""
        done = await self.connection.execute(statement, *values)
        assert not done.endswith(" 0"), (statement, done)

    def file(self, pattern: str) -> Path:
        """Some file, which is put back afterwards."""
        found = sorted(path for path in self.objects.glob(pattern) if path.is_file())
        path = self.draw.choice(found)
        self._before[path] = path.read_bytes()
        return path

    def put_back(self) -> None:
        """Undo what was done to files."""
        for path, body in self._before.items():
            path.write_bytes(body)


Named = range | None
"""Sequence numbers that the first finding must name, in full or a part of them; None: none."""

Tampering = Callable[[Intruder], Awaitable[Named]]


def exactly(sequence: int) -> range:
    return range(sequence, sequence + 1)


async def flip_a_bit(by: Intruder) -> Named:
    at = by.at
    await by.sql(
        "update log.entry set payload = set_bit(payload, $2 % (octet_length(payload) * 8),"
        " 1 - get_bit(payload, $2 % (octet_length(payload) * 8))) where sequence = $1",
        at, by.draw.randrange(1 << 20),
    )  # fmt: skip
    return exactly(at)


COLUMNS: dict[str, str] = {
    "source": "source || 'x'",
    "event_id": "'event-forged'",
    "topic": "'memoryguard.scans.v1'",
    "type": "upper(type)",
    "subject_id": "reverse(subject_id) || '0'",
    "scan_id": "case when scan_id is null then 'scan-1' end",
    "actor": "case when actor is null then 'somebody' end",
    "action": "'scan.write'",
    "outcome": "'denied'",
    "purpose": "case when purpose is null then '' end",
    "occurred_at": "coalesce(occurred_at + interval '1 microsecond', 'infinity')",
    "logged_at": "logged_at - interval '1 microsecond'",
    "epoch": "case when length(epoch) > 6 then null else epoch || '2' end",
    "counter": "counter + 1",
    "digest": "reverse(digest)",
    "form": "case form when 'plain' then 'sealed' else 'plain' end",
    "payload": "payload || '\\x00'",
}


def change(column: str) -> Tampering:
    async def tamper(by: Intruder) -> Named:
        at = by.at
        if column == "digest" and str(f"{at:032x}") == f"{at:032x}"[::-1]:
            at = 17
        await by.sql(f"update log.entry set {column} = {COLUMNS[column]} where sequence = $1", at)
        return exactly(at)

    tamper.__name__ = f"change_{column}"
    return tamper


async def renumber_one(by: Intruder) -> Named:
    at = by.at
    await by.sql("update log.entry set sequence = $2 where sequence = $1", at, ENTRIES + 1)
    return exactly(at)


async def delete_some(by: Intruder) -> Named:
    at, count = by.at, by.draw.choice([1, 1, 2, 50])
    await by.sql("delete from log.entry where sequence >= $1 and sequence < $2", at, at + count)
    return exactly(at)


async def delete_every_trace(by: Intruder) -> Named:
    at = by.at
    for table in ("entry", "seen"):
        await by.sql(f"delete from log.{table} where sequence = $1", at)
    return exactly(at)


async def _shift(by: Intruder, at: int, to: int) -> None:
    await by.sql("create temp table moved on commit drop as select * from log.entry"
                 f" where sequence >= {at}")  # fmt: skip
    await by.sql("delete from log.entry where sequence >= $1", min(at, to))
    await by.sql(f"update moved set sequence = sequence + {to - at}")
    await by.sql("insert into log.entry select * from moved")


async def delete_and_close_the_gap(by: Intruder) -> Named:
    at = by.at
    await _shift(by, at + 1, at)
    return exactly(at)


async def insert_forged(by: Intruder) -> Named:
    at = by.at
    await _shift(by, at, at + 1)
    await by.sql(
        "insert into log.entry select ($1::bigint), source, 'forged', topic, type, subject_id,"
        " scan_id, actor, action, outcome, purpose, occurred_at, logged_at, epoch, null, digest,"
        " form, payload from log.entry where sequence = $2",
        at, at + 1,
    )  # fmt: skip
    return exactly(at)


async def swap_two(by: Intruder) -> Named:
    one, other = sorted(by.draw.sample(range(SENT), 2))
    await by.sql("update log.entry set sequence = $2 where sequence = $1", one, ENTRIES + 1)
    await by.sql("update log.entry set sequence = $2 where sequence = $1", other, one)
    await by.sql("update log.entry set sequence = $2 where sequence = $1", ENTRIES + 1, other)
    return exactly(one)


async def duplicate(by: Intruder) -> Named:
    at = by.at
    await by.sql("alter table log.entry drop constraint entry_pkey")
    await by.sql("insert into log.entry select * from log.entry where sequence = $1", at)
    return exactly(at)


async def cut_with_its_checkpoints(by: Intruder) -> Named:
    """Everything from some entry on is gone, and the database agrees with itself."""
    at = by.at
    await empty(by.connection)
    await by.connection.execute("delete from log.sent where size > $1", at)
    await write(by.connection, [entry(n) for n in range(at)], [n for n in SIZES if n <= at])
    return exactly(at)


async def rewrite_and_sign_again(by: Intruder) -> Named:
    """Some entry is another, and the log's own key signs a log that agrees with itself."""
    at = by.at
    forged = [entry(n) for n in range(ENTRIES)]
    forged[at] = replace(forged[at], actor="nobody-at-all")
    await empty(by.connection)
    await write(by.connection, forged)
    return exactly(at)  # the published tiles tell which


async def rewrite_entry_and_tile(by: Intruder) -> Named:
    """Entry, its hash and the edge above it are others: the tree in the database hangs together."""
    at = by.at
    forged = [entry(n) for n in range(ENTRIES)]
    forged[at] = replace(forged[at], purpose="none-of-yours")
    kept = await by.connection.fetch("select * from log.checkpoint")
    await empty(by.connection)
    await write(by.connection, forged)
    await by.sql("delete from log.checkpoint")
    for row in kept:
        await by.sql("insert into log.checkpoint values ($1, $2, $3)", *row)
    return exactly(at)


async def _size(by: Intruder) -> int:
    return by.draw.choice(SIZES[:-1])


async def sign_by_another_key(by: Intruder) -> Named:
    size = await _size(by)
    note = sign_checkpoint(Checkpoint(IMPOSTOR.name, size, by.draw.randbytes(32)), IMPOSTOR)
    await by.sql("update log.checkpoint set note = $2 where size = $1", size, note)
    return None


async def sign_another_root(by: Intruder) -> Named:
    size = await _size(by)
    note = sign_checkpoint(Checkpoint(SIGNER.name, size, by.draw.randbytes(32)), SIGNER)
    await by.sql("update log.checkpoint set note = $2 where size = $1", size, note)
    return None


async def delete_a_checkpoint(by: Intruder) -> Named:
    size = await _size(by)
    await by.sql("delete from log.checkpoint where size = $1", size)
    if by.draw.random() < 0.5:
        await by.sql("delete from log.sent where size = $1", size)
    return None


async def move_a_checkpoint(by: Intruder) -> Named:
    await by.sql("update log.checkpoint set size = size + 1 where size = $1", await _size(by))
    return None


async def flip_a_hash(by: Intruder) -> Named:
    at = by.draw.randrange(512)
    await by.sql(
        "update log.tile set hashes = set_bit(hashes, $2, 1 - get_bit(hashes, $2))"
        " where level = 0 and position = $1",
        at // 256, at % 256 * 256 + by.draw.randrange(256),
    )  # fmt: skip
    return exactly(at)


async def delete_a_tile(by: Intruder) -> Named:
    position = by.draw.randrange(2)
    await by.sql("delete from log.tile where level = 0 and position = $1", position)
    return exactly(256 * position)


async def add_a_tile(by: Intruder) -> Named:
    level, position = by.draw.choice([(0, 2), (0, -1), (1, 0), (3, 5)])
    body = by.draw.randbytes(8192)
    await by.sql("insert into log.tile values ($1, $2, $3)", level, position, body)
    return None


async def swap_tiles(by: Intruder) -> Named:
    await by.sql(
        "update log.tile set hashes = (select hashes from log.tile as other"
        " where other.level = 0 and other.position = 1 - tile.position) where level = 0"
    )
    return exactly(0)


async def alter_the_index(by: Intruder) -> Named:
    at = by.at
    change = by.draw.choice(
        ["digest = reverse(digest) || '1'", "name = substring(sha256(name) for 16)"]
    )
    await by.sql(f"update log.seen set {change} where sequence = $1", at)
    return exactly(at)


async def forget_an_event(by: Intruder) -> Named:
    """It would be taken for new, and logged twice."""
    at = by.at
    await by.sql("delete from log.seen where sequence = $1", at)
    return exactly(at)


async def know_an_event_beforehand(by: Intruder) -> Named:
    """It would be taken for known, and never logged."""
    at = by.draw.choice([by.at, ENTRIES + 7])
    await by.sql("insert into log.seen values ($1, $2, 'x')", by.draw.randbytes(16), at)
    return exactly(at)


async def alter_the_head(by: Intruder) -> Named:
    change = by.draw.choice(
        [
            "size = size + 1", "size = size - 1", "size = 0", "levels = '{}'",
            "levels[1] = levels[2]", "logged_at = logged_at + interval '1 day'",
            "levels[1] = set_byte(levels[1], 5, 1 + get_byte(levels[1], 5) % 200)",
            "levels[2] = set_byte(levels[2], 5, 1 + get_byte(levels[2], 5) % 200)",
        ]
    )  # fmt: skip
    await by.sql(f"update log.head set {change}")
    return None


async def delete_the_head(by: Intruder) -> Named:
    await by.sql("delete from log.head")
    return None


async def drop_a_partition(by: Intruder) -> Named:
    number = by.draw.randrange(2)
    await by.connection.execute(f"drop table log.entry_{number}")
    return exactly(256 * number)


async def drop_and_call_it_pruned(by: Intruder) -> Named:
    await by.connection.execute("drop table log.entry_0")
    newest = by.draw.choice(["now()", "now() - interval '5 years'"])
    await by.sql(f"insert into log.pruned values (0, 255, {newest})")
    return range(256)


async def call_it_pruned(by: Intruder) -> Named:
    await by.sql("insert into log.pruned values (0, 255, now() - interval '7 years')")
    return range(256)


async def delete_a_sent_checkpoint(by: Intruder) -> Named:
    by.file("checkpoints/*").unlink()
    return None


async def alter_a_sent_checkpoint(by: Intruder) -> Named:
    path = by.file("checkpoints/*")
    body = bytearray(path.read_bytes())
    body[by.draw.randrange(len(body))] ^= 1 << by.draw.randrange(8)
    path.write_bytes(body)
    return None


async def replace_a_sent_checkpoint(by: Intruder) -> Named:
    path = by.file("checkpoints/*")
    size, signer = int(path.name), by.draw.choice([SIGNER, IMPOSTOR])
    root = by.draw.randbytes(32)
    path.write_text(sign_checkpoint(Checkpoint(signer.name, size, root), signer))
    return None


async def replace_by_another_of_ours(by: Intruder) -> Named:
    path = by.file("checkpoints/*")
    others = [each for each in sorted(by.objects.glob("checkpoints/*")) if each != path]
    path.write_bytes(by.draw.choice(others).read_bytes())
    return None


async def alter_a_published_tile(by: Intruder) -> Named:
    path = by.file("log/tile/0/**/*")
    body = bytearray(path.read_bytes())
    body[at := by.draw.randrange(len(body))] ^= 1 << by.draw.randrange(8)
    path.write_bytes(body)
    tile = int(path.parent.name[:3] if path.parent.suffix else path.name)
    return exactly(tile * 256 + at // 32)


async def delete_a_published_tile(by: Intruder) -> Named:
    by.file("log/tile/**/*").unlink()
    return None


async def cut_a_published_tile(by: Intruder) -> Named:
    path = by.file("log/tile/**/*")
    path.write_bytes(path.read_bytes()[:-1])
    return None


async def take_the_published_log_back(by: Intruder) -> Named:
    path = by.file("log/checkpoint")
    if by.draw.random() < 0.5:
        path.unlink()
    else:
        path.write_bytes(
            (by.objects / f"checkpoints/{by.draw.choice(SIZES[:-2]):020d}").read_bytes()
        )
    return None


TAMPERINGS: Sequence[Tampering] = (
    flip_a_bit, flip_a_bit, *map(change, COLUMNS), renumber_one, delete_some, delete_every_trace,
    delete_and_close_the_gap, insert_forged, swap_two, duplicate, cut_with_its_checkpoints,
    rewrite_and_sign_again, rewrite_entry_and_tile, sign_by_another_key, sign_another_root,
    delete_a_checkpoint, move_a_checkpoint, flip_a_hash, delete_a_tile, add_a_tile, swap_tiles,
    alter_the_index, forget_an_event, know_an_event_beforehand, alter_the_head, delete_the_head,
    drop_a_partition, drop_and_call_it_pruned, call_it_pruned, delete_a_sent_checkpoint,
    alter_a_sent_checkpoint, replace_a_sent_checkpoint, replace_by_another_of_ours,
    alter_a_published_tile, delete_a_published_tile, cut_a_published_tile,
    take_the_published_log_back,
)  # fmt: skip
