# SPDX-License-Identifier: Apache-2.0
"""kill -9 while the log takes events in, again and again: no gap, no double, no fork.

A process hears events from the embedded bus, appends them and signs a checkpoint every few
hundredths of a second, until it is killed at a random moment after it has started (every other
one: after it has appended something); the next one goes on. At the end every event is in the log
once, in dense sequence, every checkpoint that ever left fits the log, and every event that was
sealed opens.

    python benchmarks/log_kills.py [--kills 200] [--seed 1] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import random
import tempfile
import time
from itertools import pairwise
from multiprocessing.synchronize import Event as EventOfProcesses
from pathlib import Path

from audit import events
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from report import Result, machine, say, table

from memoryguard.audit.log import entry_of
from memoryguard.audit.sealing import Seal
from memoryguard.audit.service import RECIPE
from memoryguard.audit.tasks import Appender, Notary
from memoryguard.cli.audit import Known, verify_as_seen
from memoryguard.common.runtime import database
from memoryguard.common.runtime.blobs import open_store
from memoryguard.common.runtime.bus_postgres import PostgresBus
from memoryguard.common.runtime.platform import open_platform
from memoryguard.common.runtime.postgres import embedded_postgres
from memoryguard.common.runtime.processes import Processes
from memoryguard.common.runtime.settings import PlatformSettings
from memoryguard.common.runtime.subject_keys import SubjectKeys
from memoryguard.common.security.keyring import KeyRing
from memoryguard.common.testing.databases import fresh_database
from memoryguard.common.testing.settings import folder_settings
from memoryguard.tlog.note import Signer

SIGNER = Signer("memoryguard/kills", Ed25519PrivateKey.from_private_bytes(b"k" * 32))
CHECKPOINT_S = 0.03
LONGEST_S = 0.5
EVENTS_A_LIFE = 1500
DEADLINE_S = 60.0


def live(settings: str, ready: EventOfProcesses) -> None:
    """Be the service until somebody kills it."""
    asyncio.run(_live(PlatformSettings.model_validate(json.loads(settings)), ready))


async def _live(settings: PlatformSettings, ready: EventOfProcesses) -> None:
    async with open_platform("audit", settings, RECIPE.migrations, Processes(1)) as platform:
        notary = Notary(platform, platform.store, SIGNER, CHECKPOINT_S)
        ready.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(Appender(platform).run())
            group.create_task(notary.run())


async def killed_again_and_again(url: str, folder: Path, kills: int, seed: int) -> Result:
    """Kill so often, let the last one finish, and look at what is there.

    Raises
    ------
    AssertionError
        Something is lost, double, or contradicts what was signed.
    """
    settings, _ = folder_settings(folder, url)
    given = json.dumps(_plain(settings))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["memoryguard.audit.tasks", "log_kills"])
    draw, source, published = random.Random(seed), events(seed), 0
    async with await database.open_pool(url, "audit", 4) as pool:
        bus = PostgresBus(pool)
        killed_at = [0]
        for life in range(kills):
            await bus.publish([next(source) for _ in range(EVENTS_A_LIFE)])
            published += EVENTS_A_LIFE
            ready = context.Event()
            process = context.Process(target=live, args=(given, ready))
            process.start()
            await asyncio.to_thread(ready.wait, DEADLINE_S)
            # Every other one first gets to work, however slow the machine is.
            if life % 2:
                await _grown(pool, killed_at[-1])
            await asyncio.sleep(draw.uniform(0, LONGEST_S))
            process.kill()
            await asyncio.to_thread(process.join)
            killed_at.append(await _size(pool))
        ready = context.Event()
        process = context.Process(target=live, args=(given, ready))
        process.start()
        try:
            await _finished(pool, published)
        finally:
            process.kill()
            await asyncio.to_thread(process.join)
        await _sound(pool, settings, published)
        checkpoints = await pool.fetchval("select count(*) from log.checkpoint")
    return {
        "kills": kills,
        "events": published,
        "checkpoints": checkpoints,
        "lives_that_appended": sum(b > a for a, b in pairwise(killed_at)),
    }


def _plain(settings: PlatformSettings) -> dict[str, object]:
    """Write settings down with their secrets: they go to a process of our own."""
    return {
        "database_url": settings.database_url.get_secret_value(),
        "storage": settings.storage,
        "encryption_keys": settings.encryption_keys.get_secret_value(),
        "vault_key": settings.vault_key.get_secret_value(),
        "token_public_key": settings.token_public_key,
    }


async def _size(pool: database.Pool) -> int:
    return await pool.fetchval("select size from log.head")  # pyright: ignore[reportReturnType]


async def _grown(pool: database.Pool, size: int) -> None:
    """Wait until the log is larger than this."""
    async with asyncio.timeout(DEADLINE_S):
        while await _size(pool) <= size:  # noqa: ASYNC110  # not told
            await asyncio.sleep(0.01)


async def _finished(pool: database.Pool, published: int) -> None:
    """Wait until every event is in the log, and under a checkpoint that has left."""
    async with asyncio.timeout(DEADLINE_S):
        while not await pool.fetchval(  # noqa: ASYNC110  # not told
            "select exists (select from log.sent where size >= $1)", published
        ):
            await asyncio.sleep(0.05)


async def _sound(pool: database.Pool, settings: PlatformSettings, published: int) -> None:
    rows = await pool.fetch("select * from log.entry order by sequence")
    assert [row["sequence"] for row in rows] == list(range(published)), "a gap"
    assert len({(row["source"], row["event_id"]) for row in rows}) == published, "a double"
    entries = [entry_of(row) for row in rows]
    store = open_store(settings.storage)
    ring = KeyRing.from_setting(settings.encryption_keys.get_secret_value())
    keys = await Seal(SubjectKeys(store, ring)).keys_of(entries)
    for entry, key in zip(entries, keys, strict=True):
        assert json.loads(entry.event(key) or b"{}")["id"] == entry.event_id
    folder = Path(settings.storage) / "checkpoints"
    sent = [path.read_text() for path in sorted(folder.iterdir())]
    connection = await pool.acquire()
    try:
        report = await verify_as_seen(connection, Known(SIGNER.verifier_key, sent))
    finally:
        await pool.release(connection)
    assert report.intact and report.complete and not report.unsigned_entries, report


async def measured(kills: int, seed: int) -> Result:
    """Do it on a server of its own, which is safe against a power cut."""
    with tempfile.TemporaryDirectory() as folder:
        async with embedded_postgres(Path(folder) / "pg") as admin, fresh_database(admin) as url:
            started = time.perf_counter()
            result = await killed_again_and_again(url, Path(folder), kills, seed)
            return result | {"seconds": time.perf_counter() - started}


def main() -> None:
    """Kill, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    say(f"killing {args.kills} times")
    result = asyncio.run(measured(args.kills, args.seed))
    table(list(result), [list(result.values())])
    if args.json:
        args.json.write_text(json.dumps({"machine": machine(), **result}, indent=1))


if __name__ == "__main__":
    main()
