# SPDX-License-Identifier: Apache-2.0
"""How fast api's read model is made again from the bus, beside the one that serves.

Events of people who do not exist, of the sizes that a whole analysis has, lie on the bus: for each
scan it was received, measured, documented, scored, predicted, and a person's metrics. A rebuild
into an empty read model has to exchange every row; the next one finds them all equal. On the
embedded bus, and on a real broker beside it (its jars in ``.kafka/libs``: ``make kafka``).

Beside it, in the same run, the same events by the same handlers one transaction each, over one
connection and over eight: what a service without batches would do. And as what cannot be beaten,
COPY of the finished rows into the same tables.

    python benchmarks/rebuild.py [--scans 4000] [--repeats 3] [--bus embedded|kafka] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import product
from pathlib import Path

import asyncpg
from flow import BUSES, JARS, kafka_is_there, topics_of
from people import REGIONS, life
from report import Result, cpu_seconds, machine, middle_and_range, percentile, say, table

from memoryguard.api.service import HANDLERS, PROJECTION
from memoryguard.common.contracts.event import Event, decode
from memoryguard.common.contracts.flow import FACTS, TOPIC_OF, heard_by
from memoryguard.common.runtime.beside import BATCH_RECORDS, Made, Projection, make_beside
from memoryguard.common.runtime.bus import Bus, Record
from memoryguard.common.runtime.bus_kafka import KafkaBus
from memoryguard.common.runtime.bus_postgres import PostgresBus
from memoryguard.common.runtime.database import RUNTIME_MIGRATIONS, Pool, migrate, open_pool
from memoryguard.common.runtime.history import opened
from memoryguard.common.runtime.postgres import embedded_postgres
from memoryguard.common.runtime.settings import KafkaSettings
from memoryguard.common.testing.broker import Broker
from memoryguard.common.testing.databases import fresh_database

API = Projection("api", PROJECTION, HANDLERS)
TOPICS = sorted(set(heard_by("api").values()))
PEER_EVENTS = 4_000
LANES = (1, 8)
SIZES = (2, REGIONS)  # regions of a score: of a golden example, and of a whole analysis


async def publish(bus: Bus, scans: int, regions: int) -> tuple[int, int]:
    """Put everybody's events on the bus; how many, and their bytes."""
    count = size = 0
    for first in range(0, scans, 100):
        events = [each for n in range(first, min(first + 100, scans)) for each in life(n, regions)]
        bodies = [(event, event.to_bytes()) for event in events]
        await bus.publish([Record(TOPIC_OF[type(e.data)], e.partitionkey, b) for e, b in bodies])
        count, size = count + len(bodies), size + sum(len(body) for _, body in bodies)
    return count, size


async def rebuilt(pool: Pool, kafka: KafkaSettings) -> Made:
    """Rebuild as ``memoryguard rebuild api`` does."""
    async with opened(pool, kafka, TOPICS, BATCH_RECORDS) as history:
        return await make_beside(pool, API, history)


async def one_by_one(pool: Pool, bodies: Sequence[bytes], lanes: int) -> float:
    """Record events one transaction each; a person's events stay in one lane. Events a second."""
    queues: list[list[bytes]] = [[] for _ in range(lanes)]
    for body in bodies:
        queues[hash(json.loads(body)["partitionkey"]) % lanes].append(body)

    async def lane(queue: Sequence[bytes]) -> None:
        async with pool.acquire() as connection:
            for body in queue:
                async with connection.transaction():
                    await _record(decode(body, FACTS), connection)

    began = time.perf_counter()
    await asyncio.gather(*(lane(queue) for queue in queues))
    return len(bodies) / (time.perf_counter() - began)


async def _record(event: Event, connection: asyncpg.pool.PoolConnectionProxy) -> None:
    handler = HANDLERS[type(event.data)]
    if handler.record_all:
        await handler.record_all([event], connection)
    elif handler.record:
        await handler.record(event, connection)


async def copied(pool: Pool, events: int) -> float:
    """Copy the finished rows into emptied tables; events a second that they stand for."""
    rows = {name: await pool.fetch(f"select * from {name}") for name in PROJECTION}
    await pool.execute(f"truncate {', '.join(PROJECTION)}")
    began = time.perf_counter()
    async with pool.acquire() as connection, connection.transaction():
        for name, records in rows.items():
            await connection.copy_records_to_table(name, records=[tuple(row) for row in records])
    return events / (time.perf_counter() - began)


async def measured(
    database: str, kafka: KafkaSettings, scans: int, repeats: int, regions: int
) -> Result:
    """Measure on one bus, with events of one size."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(await open_pool(database, "api", 10))
        await migrate(pool, "api", [RUNTIME_MIGRATIONS, "memoryguard.api.migrations"])
        bus: Bus = PostgresBus(pool)
        if kafka.servers:
            bus = await stack.enter_async_context(KafkaBus(kafka))
        events, size = await publish(bus, scans, regions)
        found: Result = {
            "events": events, "mean_kb": size / events / 1e3, "all": [], "none": [],
            "waited_s": {"all": [], "none": []}, "one_by_one": {}, "copy": [],
            "cpu_us": {"all": [], "none": []},
        }  # fmt: skip
        for repeat in range(repeats):
            say(f"rebuild: repeat {repeat + 1} of {repeats}")
            await pool.execute(f"truncate {', '.join(PROJECTION)}")
            for name in ("all", "none"):
                cpu = _cpu()
                made = await rebuilt(pool, kafka)
                used = (
                    1e6 * (after - before) / events
                    for before, after in zip(cpu, _cpu(), strict=True)
                )
                found["cpu_us"][name].append(list(used))
                assert (made.events, made.passed_over) == (events, 0)
                assert bool(made.rows_exchanged) == (name == "all")
                found[name].append(events / made.seconds)
                found["waited_s"][name].append(made.waited_seconds)
            found["copy"].append(await copied(pool, events))
        bodies = [
            each.to_bytes() for n in range(PEER_EVENTS // len(life(0))) for each in life(n, regions)
        ]
        for lanes in LANES:
            found["one_by_one"][lanes] = []
            for _ in range(repeats):
                await pool.execute(f"truncate {', '.join(PROJECTION)}")
                found["one_by_one"][lanes].append(await one_by_one(pool, bodies, lanes))
    return found


def _cpu() -> tuple[float, float]:
    """Processor seconds of this process and of PostgreSQL."""
    return time.process_time(), cpu_seconds(lambda name: name.startswith("postgres"))


@asynccontextmanager
async def _kafka(bus: str, folder: Path) -> AsyncGenerator[KafkaSettings]:
    if bus == "embedded":
        yield KafkaSettings(servers="")
        return
    with Broker(JARS, folder / f"kafka-{uuid.uuid4().hex[:6]}") as broker:
        yield await topics_of(broker.servers)


async def run(buses: Sequence[str], sizes: Sequence[int], scans: int, repeats: int) -> Result:
    """Measure on every bus, with events of every size."""
    result: Result = {"machine": machine(), "runs": []}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with embedded_postgres(Path(folder) / "pg") as url:
            for bus, regions in product(buses, sizes):
                async with fresh_database(url) as database, _kafka(bus, Path(folder)) as kafka:
                    say(f"rebuild: {bus}, {regions} regions")
                    found = await measured(database, kafka, scans, repeats, regions)
                    result["runs"].append({"bus": bus, "regions": regions, **found})
    return result


def show(result: Result) -> None:
    """Print the tables."""
    print("## Rebuild: api's read model from the bus, while it serves")
    print(f"\n{json.dumps(result['machine'])}")
    for found in result["runs"]:
        size = f"{found['mean_kb']:.1f} kB on average ({found['regions']} regions)"
        print(f"\n{found['events']} events of {size}, bus: {found['bus']}")
        rows = [
            *(
                [what, middle_and_range(found[name]), middle_and_range(found["waited_s"][name]),
                 *(percentile([each[n] for each in found["cpu_us"][name]], 50) for n in (0, 1))]
                for what, name in (("every row new", "all"), ("every row equal", "none"))
            ),
            *(
                [f"*peer:* one transaction an event, {lanes} connection(s)",
                 middle_and_range(speeds), "", "", ""]
                for lanes, speeds in found["one_by_one"].items()
            ),
            ["*bound:* COPY of the finished rows", middle_and_range(found["copy"]), "", "", ""],
        ]  # fmt: skip
        table(("rebuild", "events/s, median (range)", "handlers wait, s",
               "cpu µs/event: rebuild", "PostgreSQL"), rows)  # fmt: skip


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=4000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--bus", choices=BUSES, action="append", help="both by default")
    parser.add_argument("--regions", type=int, action="append", help=f"of a score; {SIZES}")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    buses = args.bus or [bus for bus in BUSES if bus != "kafka" or kafka_is_there()]
    result = asyncio.run(run(buses, args.regions or SIZES, args.scans, args.repeats))
    show(result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
