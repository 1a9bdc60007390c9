# SPDX-License-Identifier: Apache-2.0
"""The raw ceiling of the flow: the same rows and messages, by plain asyncpg and plain aiokafka.

No runtime, no checks, no waiting: every statement of the way of a scan through the services, in
order, with the same commits. ``batch`` scans go together; with 1 every row is a statement. On
Kafka (wires.py) the bus's two transactions of each message are a produce and an offset commit.

One scan is 4 events. Write transactions with ``batch`` 1::

    intake     1   outbox
    relay     12   4 x (counter; bus; sent)
    feeders   14   7 deliveries x (inbox; cursor)
    workers   14   7 deliveries x (lease; tombstone, record, outbox, done)
    audit      8   4 x (head, entry, seen; cursor)
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
from wires import Message, Wire

from memoryguard.audit.log import COLUMNS

LEASE_S = 60.0
HASH = b"0" * 32  # as long as the real ones; nobody reads it
DIGEST = "0" * 32
HEARD = {  # topic -> who writes it, and whose inbox it goes to
    "memoryguard.scans.v1": ("ingest", ("processor", "api")),
    "memoryguard.volumes.v1": ("processor", ("atrophy", "api")),
    "memoryguard.atrophy.v1": ("atrophy", ("ml", "api")),
    "memoryguard.risk.v1": ("ml", ("api",)),
}
NEXT = {"processor": "memoryguard.volumes.v1", "atrophy": "memoryguard.atrophy.v1",
        "ml": "memoryguard.risk.v1"}  # fmt: skip


Scan = dict[str, Message]
"""The events of one scan, by topic."""


async def template(url: str, key: str) -> list[tuple[str, bytes]]:
    """Read the events that the flow published for one subject: the rows to be written again."""
    connection = await asyncpg.connect(url)
    try:
        return [
            (topic, bytes(row["body"]))
            for topic, (producer, _) in HEARD.items()
            for row in await connection.fetch(
                f"select body from {producer}.outbox where key = $1 and topic = $2 limit 1",
                key, topic,
            )
        ]  # fmt: skip
    finally:
        await connection.close()


def copies(events: Sequence[tuple[str, bytes]], count: int) -> list[Scan]:
    """Make as many scans of other people, of the same size to the byte."""
    made: list[Scan] = []
    for _ in range(count):
        key, scan_id = uuid.uuid4().hex, str(uuid.uuid4())
        scan: Scan = {}
        for topic, body in events:
            document = json.loads(body)
            event_id = str(uuid.uuid4())
            own = body.replace(document["partitionkey"].encode(), key.encode())
            own = own.replace(document["data"]["scan_id"].encode(), scan_id.encode())
            own = own.replace(document["id"].encode(), event_id.encode())
            source, kind = document["source"], document["type"]
            scan[topic] = Message(topic, source, event_id, kind, key, scan_id, own)
        made.append(scan)
    return made


async def write(
    url: str, scans: Sequence[Scan], batch: int, connections: int, wire: Wire
) -> list[float]:
    """Write all scans; seconds of each batch."""

    async def lane(mine: Sequence[Scan]) -> list[float]:
        connection = await asyncpg.connect(url)
        spent: list[float] = []
        try:
            for at in range(0, len(mine), batch):
                started = time.perf_counter()
                await _flow(connection, mine[at : at + batch], wire)
                spent.append(time.perf_counter() - started)
        finally:
            await connection.close()
        return spent

    lanes = await asyncio.gather(*(lane(scans[n::connections]) for n in range(connections)))
    return [each for one in lanes for each in one]


async def _flow(connection: asyncpg.Connection, scans: Sequence[Scan], wire: Wire) -> None:
    first = [scan["memoryguard.scans.v1"] for scan in scans]
    async with connection.transaction():
        await _outbox(connection, "ingest", first)
    for topic, (producer, services) in HEARD.items():
        messages = [scan[topic] for scan in scans]
        await _relay(connection, producer, messages, wire)
        await _audit(connection, messages, wire)
        for service in services:
            await _feed(connection, service, messages, wire)
            await _work(connection, service, messages, scans)


async def _outbox(c: asyncpg.Connection, service: str, messages: Sequence[Message]) -> None:
    await c.execute(
        f"insert into {service}.outbox (event_id, topic, key, body)"
        " select * from unnest($1::text[], $2::text[], $3::text[], $4::bytea[])"
        " on conflict (event_id) do nothing",
        [m.event_id for m in messages], [m.topic for m in messages],
        [m.key for m in messages], [m.body for m in messages],
    )  # fmt: skip


async def _relay(
    c: asyncpg.Connection, service: str, messages: Sequence[Message], wire: Wire
) -> None:
    ids = [m.event_id for m in messages]
    async with c.transaction():
        await c.fetch(
            f"select position from {service}.outbox where event_id = any($1) order by position", ids
        )
        last: int = await c.fetchval(  # pyright: ignore[reportAssignmentType]
            f"update {service}.producer set counter = counter + $1 returning counter", len(ids)
        )
        await c.execute(
            f"update {service}.outbox o set counter = n.counter"
            " from unnest($1::text[], $2::bigint[]) as n (event_id, counter)"
            " where o.event_id = n.event_id",
            ids, list(range(last - len(ids) + 1, last + 1)),
        )  # fmt: skip
        await c.fetch(
            "select o.position, o.topic, o.key, o.body, o.counter, p.epoch"
            f" from {service}.outbox o cross join {service}.producer p where event_id = any($1)",
            ids,
        )
    await wire.publish(c, messages)
    await c.execute(f"update {service}.outbox set sent_at = now() where event_id = any($1)", ids)


async def _feed(
    c: asyncpg.Connection, service: str, messages: Sequence[Message], wire: Wire
) -> None:
    place = await wire.consumed(c, service, messages)
    digests = [HASH] * len(messages)
    sources, ids = [m.source for m in messages], [m.event_id for m in messages]
    async with c.transaction():
        await c.execute(
            f"insert into {service}.inbox (topic, source, event_id, type, key, body, digest)"
            " select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],"
            " $6::bytea[], $7::bytea[]) on conflict (source, event_id) do nothing",
            [m.topic for m in messages], sources, ids, [m.type for m in messages],
            [m.key for m in messages], [m.body for m in messages], digests,
        )  # fmt: skip
        await c.fetch(
            "select n.i from unnest($1::text[], $2::text[], $3::bytea[]) with ordinality"
            f" as n (source, event_id, digest, i) join {service}.inbox i"
            " using (source, event_id) where i.digest <> n.digest",
            sources, ids, digests,
        )  # fmt: skip
    await wire.commit(c, service, place)


async def _work(
    c: asyncpg.Connection, service: str, messages: Sequence[Message], scans: Sequence[Scan]
) -> None:
    rows = await c.fetch(
        f"update {service}.inbox set state = 'leased', fence = fence + 1, attempts = attempts + 1,"
        " leased_until = now() + make_interval(secs => $3)"
        " from unnest($1::text[], $2::text[]) as n (source, event_id)"
        f" where {service}.inbox.source = n.source and {service}.inbox.event_id = n.event_id"
        " returning position, topic, inbox.source, inbox.event_id, type, key, body, attempts,"
        " fence",
        [m.source for m in messages], [m.event_id for m in messages], LEASE_S,
    )  # fmt: skip
    if service == "ml":
        keys = [m.key for m in messages]
        await c.fetch("select name, value from ml.metric where subject_id = any($1)", keys)
    async with c.transaction():
        await c.fetch(
            f"select 1 from {service}.tombstone where subject_id = any($1)",
            [m.key for m in messages],
        )
        if service == "atrophy":
            await _measurement(c, messages)
        if service == "api":
            await _read_model(c, messages)
        if service in NEXT:
            await _outbox(c, service, [scan[NEXT[service]] for scan in scans])
        await c.execute(
            f"update {service}.inbox i set state = 'done', body = null, error_code = null,"
            " finished_at = now() from unnest($1::bigint[], $2::bigint[]) as n (position, fence)"
            " where i.position = n.position and i.fence = n.fence and state = 'leased'",
            [row["position"] for row in rows], [row["fence"] for row in rows],
        )  # fmt: skip


async def _measurement(c: asyncpg.Connection, messages: Sequence[Message]) -> None:
    await c.execute(
        "insert into atrophy.measurement (scan_id, subject_id, acquired_on, fact)"
        " select s, k, current_date, f::jsonb -> 'data'"
        " from unnest($1::text[], $2::text[], $3::text[]) as n (s, k, f)"
        " on conflict (scan_id) do update set fact = excluded.fact",
        [m.scan_id for m in messages], [m.key for m in messages],
        [m.body.decode() for m in messages],
    )  # fmt: skip
    await c.fetch(
        "select fact from atrophy.measurement where subject_id = any($1)"
        " and acquired_on < current_date order by acquired_on",
        [m.key for m in messages],
    )


async def _read_model(c: asyncpg.Connection, messages: Sequence[Message]) -> None:
    scans = [m.scan_id for m in messages]
    await c.fetch(
        "insert into api.scan (scan_id, subject_id, created_at, updated_at)"
        " select s, k, now(), now() from unnest($1::text[], $2::text[]) as n (s, k)"
        " on conflict (scan_id) do update set updated_at = excluded.updated_at"
        " where scan.subject_id = excluded.subject_id returning 1",
        scans, [m.key for m in messages],
    )  # fmt: skip
    await c.execute(
        "insert into api.scan_fact (scan_id, kind, at, data)"
        " select s, k, now(), f::jsonb -> 'data'"
        " from unnest($1::text[], $2::text[], $3::text[]) as n (s, k, f)"
        " on conflict (scan_id, kind) do update set at = excluded.at, data = excluded.data"
        " where scan_fact.at < excluded.at",
        scans, [m.type for m in messages], [m.body.decode() for m in messages],
    )  # fmt: skip
    await c.execute("select pg_notify('ceiling_scan', s) from unnest($1::text[]) as s", scans)


async def _audit(c: asyncpg.Connection, messages: Sequence[Message], wire: Wire) -> None:
    place = await wire.consumed(c, "audit-log", messages)
    async with c.transaction():
        head = await c.fetchrow("select size from log.head for update")
        size: int = head["size"] if head else 0
        names = [uuid.UUID(m.event_id).bytes for m in messages]
        await c.fetch("select name, digest from log.seen where name = any($1::bytea[])", names)
        await c.execute("select log.make_room($1)", size + len(messages) - 1)
        now = datetime.now(UTC)
        await c.copy_records_to_table(
            "entry", schema_name="log", columns=COLUMNS,
            records=[
                (size + n, m.source, m.event_id, m.topic, m.type, m.key, m.scan_id, None, m.type,
                 "success", None, now, now, None, None, DIGEST, "plain", m.body)
                for n, m in enumerate(messages)
            ],
        )  # fmt: skip
        await c.copy_records_to_table(
            "seen", schema_name="log", columns=["name", "sequence", "digest"],
            records=[(name, size + n, DIGEST) for n, name in enumerate(names)],
        )  # fmt: skip
        await c.execute(  # a tile, once in 256 entries, is not worth a statement here
            "update log.head set size = $1, levels = $2", size + len(messages), [HASH] * 10
        )
    await wire.commit(c, "audit-log", place)
