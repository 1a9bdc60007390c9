# SPDX-License-Identifier: Apache-2.0
"""What a hop costs: scans through all six services with the measuring stubbed, on both buses.

Services run in this process, or some as their own (lineups.py); PostgreSQL with durable settings as
under ``memoryguard up``; the bus is the embedded one, or a real broker beside it (its jars in
``.kafka/libs``: ``make kafka``). Scans of distinct people enter where ingest would announce them
(object store and outbox); parsing DICOM is measured in stages.py. The server stamps every commit
(``track_commit_timestamp``), so no observer disturbs what is measured: a scan is completed when its
answer has been committed both in api's read model and in the audit log.

Beside it, on the same servers in the same run, the same row operations and messages by plain
asyncpg and aiokafka (ceiling.py).

    python benchmarks/flow.py [--bus embedded|kafka] [--scans 1000] [--low-scans 200]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Generator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import asyncpg
import ceiling
from bench import STEPS, Bench, running
from lineups import LINE_UPS
from report import Result, cpu_seconds, machine, percentile, say, table
from sampler import profile, sampling
from wires import TableWire, Wire, kafka_wire

from memoryguard.common.runtime.postgres import embedded_postgres
from memoryguard.common.runtime.settings import KafkaSettings
from memoryguard.common.runtime.telemetry import set_up_logging
from memoryguard.common.runtime.topics import create_topics
from memoryguard.common.testing.broker import Broker
from memoryguard.common.testing.databases import fresh_database

LOW_PER_S = 20.0
DEADLINE_S = 240.0
COMMITS = 200
JARS = Path(__file__).resolve().parents[1] / ".kafka" / "libs"
BUSES = ("embedded", "kafka")


async def _written(connection: asyncpg.Connection) -> tuple[int, int]:
    """Write transactions and bytes of write-ahead log since the server began."""
    row = await connection.fetchrow(
        "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint as transactions,"
        " (pg_current_wal_insert_lsn() - '0/0')::bigint as wal_bytes"
    )
    assert row is not None
    return row["transactions"], row["wal_bytes"]


async def _commit_ms(connection: asyncpg.Connection) -> float:
    """Median of a durable one-row transaction: what this disk, and its load, give just now."""
    await connection.execute("create table probe_commit (n int)")
    spent: list[float] = []
    for n in range(COMMITS):
        started = time.perf_counter()
        await connection.execute("insert into probe_commit values ($1)", n)
        spent.append(1e3 * (time.perf_counter() - started))
    await connection.execute("drop table probe_commit")
    return percentile(spent, 50)


async def measured(bench: Bench, count: int, per_s: float | None) -> Result:
    """Feed a load and say what came of it."""
    written, cpu = await _written(bench.look), _cpu()
    with sampling() as samples:
        due, steps = await bench.fed(count, per_s)
    used = [b - a for a, b in zip(cpu, _cpu(), strict=True)]
    transactions, wal = (b - a for a, b in zip(written, await _written(bench.look), strict=True))
    done = {k: max(at["shown by api"], at["in the audit log"]) for k, at in steps.items()}
    latency_ms = [1e3 * (done[key] - due[key]) for key in due]
    seconds = max(done.values()) - min(due.values())
    events: int = await bench.look.fetchval(  # pyright: ignore[reportAssignmentType]
        "select count(*) from log.entry where subject_id = any($1)", list(due)
    )
    return {
        "scans": count,
        "seconds": seconds,
        "scans_per_s": count / seconds,
        "events_per_s": events / seconds,
        "events_per_scan": events / count,
        "latency_p50_ms": percentile(latency_ms, 50),
        "latency_p99_ms": percentile(latency_ms, 99),
        "write_transactions_per_scan": transactions / count,
        "wal_kb_per_scan": wal / count / 1e3,
        "cpu_ms_per_scan": {
            name: 1e3 * spent / count
            for name, spent in zip(("services", "postgres", "other processes"), used, strict=True)
        },
        "steps_p50_ms": {
            step: percentile([1e3 * (at[step] - due[k]) for k, at in steps.items()], 50)
            for step in STEPS
        },
        "busy_in": profile(samples),
        "a_key": next(iter(due)),
    }


def _cpu() -> tuple[float, float, float]:
    """Processor seconds: this process, PostgreSQL, services apart and the process pool."""
    times = os.times()
    return (
        times.user + times.system,
        cpu_seconds(lambda name: name.startswith("postgres")),
        cpu_seconds(lambda name: name.startswith("python")),
    )


async def run(
    scans: int,
    low_scans: int,
    names: Sequence[str] = tuple(LINE_UPS),
    buses: Sequence[str] = BUSES,
) -> Result:
    """Measure every line-up on every bus, each with its ceiling, on the same servers."""
    result: Result = {"machine": machine(), "runs": []}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with embedded_postgres(Path(folder) / "pg") as url:  # the setting needs a restart
            admin = await asyncpg.connect(url)
            await admin.execute("alter system set track_commit_timestamp = on")
            result["machine"]["postgresql"] = await admin.fetchval("show server_version")
            await admin.close()
        async with embedded_postgres(Path(folder) / "pg") as url:
            for bus in buses:
                with _servers(bus, Path(folder)) as servers:
                    for name in names:
                        say(f"flow: {name}, {bus}")
                        run = await _run(url, servers, name, scans, low_scans)
                        result["runs"].append({"line_up": name, "bus": bus, **run})
    return result


@contextmanager
def _servers(bus: str, folder: Path) -> Generator[str]:
    """Start a broker where one is wanted; its address."""
    if bus == "embedded":
        yield ""
        return
    with Broker(JARS, folder / "kafka") as broker:
        yield broker.servers


async def _run(url: str, servers: str, name: str, scans: int, low_scans: int) -> Result:
    """Measure one line-up on one bus, then its ceiling in the same, now idle, tables."""
    async with fresh_database(url) as database:
        kafka = await topics_of(servers)
        os.environ["MEMORYGUARD_KAFKA_SERVERS"] = servers  # services read it as they always do
        os.environ["MEMORYGUARD_KAFKA_PREFIX"] = kafka.prefix
        async with running(database, LINE_UPS[name]) as bench:
            found: Result = {
                "commit_ms": await _commit_ms(bench.look),
                "saturated": await measured(bench, scans, None),
                "low": await measured(bench, low_scans, LOW_PER_S),
            }
        key = found["saturated"].pop("a_key")
        found["low"].pop("a_key")
        events = await ceiling.template(database, key)
        found["ceiling"] = await _ceilings(database, events, scans, servers)
    return found


async def topics_of(servers: str) -> KafkaSettings:
    """Make topics of our own in a broker; without one, the embedded bus."""
    kafka = KafkaSettings(servers=servers, prefix=f"b{uuid.uuid4().hex[:8]}.")
    if servers:
        await create_topics(kafka)
    return kafka


async def _ceilings(
    database: str, events: Sequence[tuple[str, bytes]], scans: int, servers: str
) -> list[Result]:
    """Write the same rows and messages again."""
    found: list[Result] = []
    lanes = ((1, 1, scans // 2), (100, 1, 2 * scans))
    for batch, connections, count in lanes if servers else (*lanes, (1, 8, scans)):
        async with AsyncExitStack() as stack:
            wire: Wire = TableWire()
            if servers:
                wire = await stack.enter_async_context(kafka_wire(await topics_of(servers)))
                # The first batch of all waits for the groups to form; it is not counted.
                await ceiling.write(database, ceiling.copies(events, 5), 1, 1, wire)
            copied = ceiling.copies(events, count)
            look = await asyncpg.connect(database)
            before = await _written(look)
            started = time.perf_counter()
            spent = await ceiling.write(database, copied, batch, connections, wire)
            seconds = time.perf_counter() - started
            after = await _written(look)
            await look.close()
        found.append({
            "batch": batch, "connections": connections, "scans": count, "seconds": seconds,
            "scans_per_s": count / seconds, "events_per_s": len(events) * count / seconds,
            "batch_p50_ms": 1e3 * percentile(spent, 50),
            "batch_p99_ms": 1e3 * percentile(spent, 99),
            "write_transactions_per_scan": (after[0] - before[0]) / count,
            "wal_kb_per_scan": (after[1] - before[1]) / count / 1e3,
        })  # fmt: skip
    return found


def show(result: Result) -> None:
    """Print the tables."""
    print("## Flow: scans through all services, measuring stubbed")
    print(f"\n{json.dumps(result['machine'])}")
    rows: list[list[object]] = []
    for run in result["runs"]:
        best = max(c["scans_per_s"] for c in run["ceiling"])
        for load in ("saturated", "low"):
            m = run[load]
            rows.append([f"{run['line_up']}, {run['bus']}", load, *_cells(m, "latency"),
                         m["scans_per_s"] / best if load == "saturated" else ""])  # fmt: skip
        for c in run["ceiling"]:
            lanes = f"{c['connections']} connection(s), {c['batch']} scans a batch"
            rows.append(["*ceiling*", lanes, *_cells(c, "batch"), c["scans_per_s"] / best])
    table(("what", "load", "scans", "scans/s", "events/s", "p50 ms", "p99 ms", "write tx/scan",
           "WAL kB/scan", "cpu ms/scan: services", "postgres", "other processes", "of the ceiling"),
          rows)  # fmt: skip
    for run in result["runs"]:
        name = f"{run['line_up']}, {run['bus']}"
        print(f"\nOne durable commit of one row, just before: {run['commit_ms']:.2f} ms (median).")
        table(
            (f"{name}: ms after the announcement (p50)", "saturated", "low"),
            [[step, *(run[load]["steps_p50_ms"][step] for load in ("saturated", "low"))]
             for step in STEPS],
        )  # fmt: skip
        busy = run["saturated"]["busy_in"]
        table((f"{name}, saturated: what the event loop does", "% of time"), list(busy.items()))


def _cells(m: Result, latency: str) -> list[object]:
    cpu = m.get("cpu_ms_per_scan", {"services": "", "postgres": "", "other processes": ""})
    return [m["scans"], m["scans_per_s"], m["events_per_s"], m[f"{latency}_p50_ms"],
            m[f"{latency}_p99_ms"], m["write_transactions_per_scan"], m["wal_kb_per_scan"],
            *cpu.values()]  # fmt: skip


def kafka_is_there() -> bool:
    """Whether a broker can be started here; say so when not."""
    there = JARS.is_dir() and shutil.which("java") is not None
    if not there:
        say("flow: not measured on Kafka, java or .kafka/libs is missing (make kafka)")
    return there


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=1000)
    parser.add_argument("--low-scans", type=int, default=200)
    parser.add_argument("--bus", choices=BUSES, action="append", help="both by default")
    parser.add_argument("--line-up", choices=list(LINE_UPS), action="append")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    set_up_logging("ERROR")
    # Measuring costs nothing here, so scans may be measured side by side.
    os.environ.setdefault("MEMORYGUARD_PROCESSOR_CONCURRENCY", "16")
    buses = args.bus or [bus for bus in BUSES if bus != "kafka" or kafka_is_there()]
    names = args.line_up or tuple(LINE_UPS)
    result = asyncio.run(run(args.scans, args.low_scans, names, buses))
    show(result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
