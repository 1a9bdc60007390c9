# SPDX-License-Identifier: Apache-2.0
"""The audit log: how fast it takes events in, beside the same rows inserted raw; proofs; queries.

Events are the golden examples under new ids, people and scans: five about a scan, 25 about who
looked at it. Ours is all that the service does with a batch from the bus: read each event, fetch
its person's key, seal it, and write entries, tiles, head and positions in one transaction. Raw is
asyncpg's COPY of the very same finished rows into a table with the same indexes, and of the table
that knows every event, batch by batch with the same commits; by turns, on the same server.

    python benchmarks/audit.py append [--events 60000] [--json FILE]
    python benchmarks/audit.py build --folder FOLDER --events 10000000   # goes on where it stopped
    python benchmarks/audit.py ask --folder FOLDER [--json FILE]         # proofs and queries on it
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from report import Result, machine, middle_and_range, percentile, say, table

from memoryguard.audit import log, proving
from memoryguard.audit.filters import Filter
from memoryguard.audit.finding import bounded, page, place_of
from memoryguard.audit.service import RECIPE
from memoryguard.audit.tasks import Appender
from memoryguard.common.contracts.flow import FACTS, TOPIC_OF
from memoryguard.common.runtime import database
from memoryguard.common.runtime.bus import Received
from memoryguard.common.runtime.platform import Platform, open_platform
from memoryguard.common.runtime.postgres import embedded_postgres
from memoryguard.common.runtime.processes import Processes
from memoryguard.common.testing.settings import folder_settings
from memoryguard.tlog.checkpoint import open_checkpoint
from memoryguard.tlog.merkle import verify_consistency, verify_inclusion
from memoryguard.tlog.note import Signer

EXAMPLES = Path(__file__).resolve().parents[1] / "libs/common/examples"
ABOUT_A_SCAN = ("scan.received", "volumes.extracted", "atrophy.scored", "risk.predicted",
                "document.made")  # fmt: skip
LOOKS = ("access.read",) * 22 + ("access.denied",) * 2 + ("access.overridden",)
BATCH_EVENTS = 2000
ACTIONS = (
    "imaging.analysis",
    "imaging.status",
    "imaging.list",
    "imaging.picture",
    "imaging.search",
)
SEED = 7
SIGNER = Signer("memoryguard/bench", Ed25519PrivateKey.from_private_bytes(bytes(32)))


@dataclass(frozen=True, slots=True)
class Example:
    """One golden event as bytes, and what is replaced in it."""

    topic: str
    body: bytes
    event_id: bytes
    subject: bytes
    scan: bytes | None


def examples() -> dict[str, Example]:
    """Read the golden events by the middle of their type."""
    found: dict[str, Example] = {}
    for kind, fact in FACTS.items():
        body = (EXAMPLES / f"{kind}.json").read_bytes()
        document = json.loads(body)
        body = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
        scan = document["data"].get("scan_id")
        found[kind.removeprefix("memoryguard.").removesuffix(".v1")] = Example(
            TOPIC_OF[fact],
            body,
            document["id"].encode(),
            document["partitionkey"].encode(),
            scan.encode() if scan else None,
        )
    return found


def events(seed: int) -> Iterator[Received]:
    """Make events for ever: about one scan after the other."""
    draw, known = random.Random(seed), examples()
    position, numbers = 0, Counter[str]()
    while True:
        subject, scan = draw.randbytes(16).hex(), str(uuid.UUID(bytes=draw.randbytes(16)))
        for kind in (*ABOUT_A_SCAN, *LOOKS):
            example = known[kind]
            event_id = str(uuid.UUID(bytes=draw.randbytes(16))).encode()
            body = example.body.replace(example.event_id, event_id)
            body = body.replace(example.subject, subject.encode())
            if example.scan:
                body = body.replace(example.scan, scan.encode())
            document = json.loads(body)
            numbers[document["source"]] += 1
            document["producercounter"] = numbers[document["source"]]
            document["producerepoch"] = f"e{seed}"
            document["time"] = datetime.fromtimestamp(1.7e9 + 4 * position, UTC).isoformat()
            if "actor_id" in document["data"]:
                document["data"]["actor_id"] = f"clinician-{int(draw.paretovariate(0.7)) % 500}"
            if "action" in document["data"]:
                document["data"]["action"] = draw.choice(ACTIONS)
            body = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
            yield Received(example.topic, subject, body, position)
            position += 1


def batches(seed: int, count: int) -> list[list[Received]]:
    """Make so many events, in batches."""
    source = events(seed)
    made = [next(source) for _ in range(count)]
    return [made[at : at + BATCH_EVENTS] for at in range(0, count, BATCH_EVENTS)]


class Bench:
    """A log in a database, and the way into it."""

    def __init__(self, platform: Platform) -> None:
        self.pool = platform.pool
        self._keys = platform.objects.keys
        self._appender = Appender(platform)

    async def make_keys(self, made: Sequence[Sequence[Received]]) -> None:
        """Make everybody's key, as the intake does before anything is said about a person."""
        for subject in {record.key for batch in made for record in batch}:
            await self._keys.get(subject, create=True)

    async def append(self, batches: Iterable[Sequence[Received]]) -> None:
        """Do all that the service does with what the bus brings."""

        async def brought() -> AsyncIterator[Sequence[Received]]:
            for batch in batches:
                yield batch

        await self._appender.take(brought(), "bench")


async def opened(stack: AsyncExitStack, folder: Path, name: str) -> Bench:
    """Open a log in a database of its own on a server that is safe against a power cut."""
    admin_url = await stack.enter_async_context(embedded_postgres(folder / "postgres"))
    return await opened_on(stack, admin_url, folder, name)


async def opened_on(stack: AsyncExitStack, admin_url: str, folder: Path, name: str) -> Bench:
    """Open a log on a server that runs."""
    admin = await database.connect(admin_url)
    if not await admin.fetchval("select 1 from pg_database where datname = $1", name):
        await admin.execute(f"create database {name}")
    await admin.close()
    url = admin_url.replace("/postgres?", f"/{name}?")
    await database.prepare(url, ["audit"])
    settings, _ = folder_settings(folder / name, url)
    platform = await stack.enter_async_context(
        open_platform("audit", settings, RECIPE.migrations, Processes(1))
    )
    return Bench(platform)


# --- append ------------------------------------------------------------------------------------


async def measure_append(count: int, repeats: int) -> Result:
    """Append and insert raw, by turns."""
    ours_s, raw_s, entry_only_s = list[float](), list[float](), list[float]()
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            admin_url = await stack.enter_async_context(embedded_postgres(Path(folder) / "pg"))
            ours = await opened_on(stack, admin_url, Path(folder), "ours")
            raw = await opened_on(stack, admin_url, Path(folder), "raw")
            bare = await opened_on(stack, admin_url, Path(folder), "bare")
            for turn in range(repeats):
                made = batches(turn, count)
                await ours.make_keys(made)
                first = await ours.pool.fetchval("select size from log.head")
                ours_s.append(await _timed(ours.append(made)))
                finished = await _finished(ours.pool, first, count)
                raw_s.append(await _timed(_insert_raw(raw.pool, finished)))
                entries = [rows[:1] for rows in finished]
                entry_only_s.append(await _timed(_insert_raw(bare.pool, entries)))
            payload = await ours.pool.fetchval("select avg(octet_length(payload)) from log.entry")
    per_s = {
        name: [count / each for each in spent]
        for name, spent in (("ours", ours_s), ("raw", raw_s), ("raw, entries only", entry_only_s))
    }
    table(
        ("Way", "events/s, median (range)", "share of raw"),
        [
            (name, middle_and_range(each), percentile(each, 50) / percentile(per_s["raw"], 50))
            for name, each in per_s.items()
        ],
    )
    return {"events": count, "batch": BATCH_EVENTS, "payload_bytes": float(payload), **per_s}


async def _timed(work: Awaitable[None]) -> float:
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


Rows = list[tuple[object, ...]]


async def _finished(pool: database.Pool, first: int, count: int) -> list[list[Rows]]:
    """Read the rows back that were written: of each batch the entries, and the names."""
    made: list[list[Rows]] = []
    columns = ", ".join(log.COLUMNS)
    for at in range(first, first + count, BATCH_EVENTS):
        end = min(at + BATCH_EVENTS, first + count)
        pair = [
            [tuple(row) for row in await pool.fetch(f"{query} order by sequence", at, end)]
            for query in (
                f"select {columns} from log.entry where sequence >= $1 and sequence < $2",
                "select name, sequence, digest from log.seen"
                " where sequence >= $1 and sequence < $2",
            )
        ]
        made.append(pair)
    return made


async def _insert_raw(pool: database.Pool, batches: Sequence[Sequence[Rows]]) -> None:
    targets = (("entry", log.COLUMNS), ("seen", ("name", "sequence", "digest")))
    for rows in batches:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("select log.make_room($1)", rows[0][-1][0])
            for (name, columns), records in zip(targets, rows, strict=False):
                await connection.copy_records_to_table(
                    name, schema_name="log", columns=columns, records=records
                )


# --- a large log -------------------------------------------------------------------------------


async def build(folder: Path, count: int) -> None:
    """Append until the log has so many entries; a checkpoint every 100,000."""
    async with AsyncExitStack() as stack:
        bench = await opened(stack, folder, "large")
        size: int = await bench.pool.fetchval("select size from log.head")  # pyright: ignore[reportAssignmentType]
        source, started, before = events(size + 1_000_000), time.perf_counter(), size
        while size < count:
            made = ([next(source) for _ in range(BATCH_EVENTS)] for _ in range(50))
            await bench.append(made)
            size = await bench.pool.fetchval("select size from log.head")  # pyright: ignore[reportAssignmentType]
            if size % 100_000 == 0:
                async with bench.pool.acquire() as connection, connection.transaction():
                    await log.sign(connection, SIGNER)
                rate = (size - before) / (time.perf_counter() - started)
                say(f"{size} entries, {rate:.0f}/s with making the events")
        await bench.pool.execute("analyze log.entry")


async def ask(folder: Path, repeats: int = 60) -> Result:
    """Prove and ask at random."""
    draw = random.Random(SEED)
    async with AsyncExitStack() as stack:
        bench = await opened(stack, folder, "large")
        size: int = await bench.pool.fetchval("select size from log.head")  # pyright: ignore[reportAssignmentType]
        proofs = await _proofs(bench.pool, size, draw, 5 * repeats)
        queries = await _queries(bench, size, draw, repeats)
        stored_bytes = await bench.pool.fetchval("select pg_database_size(current_database())")
    say(f"{size} entries, {stored_bytes / 1e9:.1f} GB")
    table(
        ("Proof", "p50 ms", "p95 ms", "hashes"),
        [(n, p["p50_ms"], p["p95_ms"], p["hashes"]) for n, p in proofs.items()],
    )
    table(
        ("Query (a page of 100)", "p50 ms", "p95 ms", "longest ms", "rows p50"),
        [(n, q["p50_ms"], q["p95_ms"], q["max_ms"], q["rows"]) for n, q in queries.items()],
    )
    return {"entries": size, "bytes": stored_bytes, "proofs": proofs, "queries": queries}


async def _proofs(pool: database.Pool, size: int, draw: random.Random, times: int) -> Result:
    """Make proofs as the service does, and verify each."""
    note: str = await pool.fetchval("select note from log.checkpoint order by size desc limit 1")  # pyright: ignore[reportAssignmentType]
    newest = open_checkpoint(note, SIGNER.verifier_key)
    sizes = [row["size"] for row in await pool.fetch("select size from log.checkpoint")]
    spent: dict[str, list[float]] = {"inclusion": [], "consistency": []}
    hashes: dict[str, int] = {}
    for _ in range(times):
        index, before = draw.randrange(newest.size), draw.choice(sizes)
        started = time.perf_counter()
        proof = await proving.prove(pool, index)
        spent["inclusion"].append(1e3 * (time.perf_counter() - started))
        hashes["inclusion"] = len(proof.hashes)
        leaf = log.entry_of(
            await pool.fetchrow("select * from log.entry where sequence = $1", index)  # pyright: ignore[reportArgumentType]
        ).leaf_hash()
        verify_inclusion(index, newest.size, leaf, proof.hashes, newest.root)
        older = await pool.fetchval("select note from log.checkpoint where size = $1", before)
        root = open_checkpoint(str(older), SIGNER.verifier_key).root
        started = time.perf_counter()
        growth = await proving.prove_growth(pool, before, newest.size)
        spent["consistency"].append(1e3 * (time.perf_counter() - started))
        hashes["consistency"] = max(hashes.get("consistency", 0), len(growth))
        verify_consistency(before, newest.size, growth, root, newest.root)
    return {
        name: {
            "p50_ms": percentile(each, 50),
            "p95_ms": percentile(each, 95),
            "hashes": hashes[name],
        }
        for name, each in spent.items()
    }


async def _queries(bench: Bench, size: int, draw: random.Random, repeats: int) -> Result:
    """Ask as officers do, each time about somebody or something else."""
    found: dict[str, list[tuple[float, int]]] = {}
    for _ in range(repeats):
        row = await bench.pool.fetchrow(
            "select * from log.entry where sequence = $1 and scan_id is not null"
            " or sequence = (select min(sequence) from log.entry"
            "   where sequence >= $1 and scan_id is not null)",
            draw.randrange(size - 1000),
        )
        assert row is not None
        for name, wanted in _asked(row, draw).items():
            started = time.perf_counter()
            async with bounded(bench.pool) as connection:
                rows = await page(connection, wanted, 101, None)
            found.setdefault(name, []).append((1e3 * (time.perf_counter() - started), len(rows)))
            if name == "actor" and len(rows) == 101:
                started = time.perf_counter()
                async with bounded(bench.pool) as connection:
                    again = await page(connection, wanted, 101, place_of(rows[99]))
                spent = 1e3 * (time.perf_counter() - started)
                found.setdefault("actor, next page", []).append((spent, len(again)))
    return {
        name: {
            "p50_ms": percentile([ms for ms, _ in each], 50),
            "p95_ms": percentile([ms for ms, _ in each], 95),
            "max_ms": max(ms for ms, _ in each),
            "rows": percentile([rows for _, rows in each], 50),
        }
        for name, each in found.items()
    }


def _asked(row: asyncpg.Record, draw: random.Random) -> dict[str, Filter]:
    """Questions around one entry."""
    at: datetime = row["occurred_at"]
    week = {"since": at - timedelta(days=3), "until": at + timedelta(days=4)}
    actor = f"clinician-{int(draw.paretovariate(0.7)) % 500}"
    return {
        "person": Filter(subjects=(row["subject_id"],)),
        "scan": Filter(scan_id=row["scan_id"]),
        "actor": Filter(actors=(actor,)),
        "actor nobody knows": Filter(actors=("nobody",)),
        "actor, a week": Filter(actors=(actor,), **week),
        "actor and action": Filter(actors=(actor,), action=draw.choice(ACTIONS)),
        "actor, action, outcome, a week": Filter(
            actors=(actor,), action=draw.choice(ACTIONS), outcome="denied", **week
        ),
        "action": Filter(action=draw.choice(ACTIONS)),
        "actions by their beginning, a week": Filter(action="imaging.*", **week),
        "outcome denied": Filter(outcome="denied"),
        "purpose": Filter(purpose="emergency_treatment"),
        "type, a week": Filter(types=("memoryguard.access.overridden.v1",), **week),
        "a week": Filter(**week),
        "everything": Filter(),
    }


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["append", "build", "ask"])
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    match args.what:
        case "append":
            result = asyncio.run(measure_append(args.events, args.repeats))
        case "build":
            asyncio.run(build(args.folder, args.events))
            return
        case _:
            result = asyncio.run(ask(args.folder))
    if args.json:
        args.json.write_text(json.dumps({"machine": machine(), **result}, indent=1))


if __name__ == "__main__":
    main()
