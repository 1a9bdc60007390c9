# SPDX-License-Identifier: Apache-2.0
"""Six processes on real Kafka, one of them killed (-9) again and again during a hundred scans."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import asyncpg
import pytest
from series import small_series

from memoryguard.cli.audit import Known, key_of, sent_checkpoints, verify_known
from memoryguard.cli.home import Home, make_home
from memoryguard.client import ApiError, AsyncClient
from memoryguard.common.contracts.flow import SERVICES
from memoryguard.common.runtime.settings import KafkaSettings
from memoryguard.common.testing.broker import free_port

HERE = Path(__file__).parent
PEOPLE = 20
SCANS_EACH = 5
DOCUMENTS = 2
"""Of each scan: a Segmentation, and the report of its score."""
KILLS_EACH = 2
SEED = 3
DONE_S = 240.0
COMMANDS = {name: ["-m", f"memoryguard.{name}"] for name in SERVICES} | {
    "processor": [str(HERE / "stub_processor.py")]
}


@dataclass
class Processes:
    """One process of each service."""

    environment: dict[str, str]
    folder: Path
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in SERVICES})
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, *COMMANDS[name]], stdout=log, stderr=log,
                env=os.environ | self.environment
                | {"MEMORYGUARD_PORT": str(self.ports[name]),
                   "PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parent}"},
            )  # fmt: skip

    def kill(self, name: str) -> None:
        self.running[name].send_signal(signal.SIGKILL)
        assert self.running[name].wait() == -signal.SIGKILL, "it had ended by itself"

    async def stop(self) -> None:
        """Stop all, once those that were started last have come up."""
        await _until(self._all_listen)
        for process in self.running.values():
            process.terminate()
        assert {name: p.wait(60) for name, p in self.running.items()} == dict.fromkeys(SERVICES, 0)

    async def _all_listen(self) -> bool:
        try:
            for port in self.ports.values():
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()
        except OSError:
            return False
        return True


@contextmanager
def six(environment: dict[str, str], folder: Path) -> Generator[Processes]:
    """Start all six; none is left behind."""
    processes = Processes(environment, folder)
    try:
        for name in SERVICES:
            processes.start(name)
        yield processes
    finally:
        for process in processes.running.values():
            process.kill()
            process.wait()


@pytest.mark.slow
@pytest.mark.timeout(420)
async def test_a_hundred_scans_complete_once_whoever_is_killed(
    tmp_path: Path, database_url: str, kafka: KafkaSettings
) -> None:
    home = make_home(tmp_path / "home")
    environment = home.environment(database_url) | {
        "MEMORYGUARD_KAFKA_SERVERS": kafka.servers,
        "MEMORYGUARD_KAFKA_PREFIX": kafka.prefix,
        "MEMORYGUARD_KAFKA_SESSION_TIMEOUT_S": str(kafka.session_timeout_s),
    }
    folders = {
        f"person-{n}": [_series(tmp_path / f"{n}-{i}", n, i) for i in range(SCANS_EACH)]
        for n in range(PEOPLE)
    }
    with six(environment, tmp_path) as processes:
        async with asyncpg.create_pool(database_url, min_size=1, max_size=2) as pool:
            killing = asyncio.create_task(_kill(processes, pool))
            url = f"http://127.0.0.1:{processes.ports['ingest']}"
            uploaded = await asyncio.gather(
                *(_upload(home, url, user, each) for user, each in folders.items())
            )
            await killing
            ids = {scan_id for each in uploaded for scan_id in each}
            async with asyncio.timeout(DONE_S):
                await _until(lambda: _drained(pool, len(ids)))
                # What is in the log need not have reached the read model yet.
                await _until(lambda: _shown(pool, len(ids)))
            said = await _said_per_scan(pool)
            shown = await pool.fetch("select scan_id, count(*) from api.scan_fact group by scan_id")
        report = await verify_known(database_url, Known(key_of(home), await sent_checkpoints(home)))
        await processes.stop()
    assert len(ids) == PEOPLE * SCANS_EACH
    once = {"scan.received": 1, "volumes.extracted": 1, "atrophy.scored": 1, "risk.predicted": 1}
    assert said == dict.fromkeys(ids, once | {"document.made": DOCUMENTS})
    assert {row["scan_id"]: row["count"] for row in shown} == dict.fromkeys(ids, len(once))
    assert report.intact and report.complete, report


def _series(folder: Path, person: int, scan: int) -> Path:
    return small_series(
        folder, seed=person * 100 + scan, patient=f"P{person}", on=date(2015 + scan, 1, 1),
        slices=20,
    )  # fmt: skip


async def _upload(home: Home, url: str, user: str, folders: Sequence[Path]) -> list[str]:
    """Upload one after the other; whoever gets no answer asks again."""
    ids: list[str] = []
    token = home.issuer().issue(user, ["patient"])
    async with AsyncClient(url, token) as person:
        while len(ids) < len(folders):
            try:
                ids.append(str((await person.upload(folders[len(ids)]))["imaging_id"]))
            except ApiError:
                await asyncio.sleep(0.1)
    return ids


async def _kill(processes: Processes, pool: asyncpg.Pool) -> None:
    """Kill one after the other in random order, spread over the work; start each again at once."""
    moments = random.Random(SEED)
    victims = [*SERVICES] * KILLS_EACH
    moments.shuffle(victims)
    for number, name in enumerate(victims):
        share = PEOPLE * SCANS_EACH * number // len(victims)
        await _until(lambda share=share: _predicted(pool, more_than=share))
        await asyncio.sleep(moments.uniform(0.0, 0.3))
        processes.kill(name)
        # Let a minute pass for the killed one's leases: it was the only process of its service.
        await pool.execute(
            f"update {name}.inbox set leased_until = now() - interval '1 s' where state = 'leased'"
        )
        processes.start(name)


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    while not await condition():
        await asyncio.sleep(0.1)


async def _predicted(pool: asyncpg.Pool, *, more_than: int) -> bool:
    """Whether the log holds the last answer about so many scans."""
    if not await pool.fetchval("select to_regclass('log.entry')"):
        return False  # audit is not up yet
    return await pool.fetchval(
        "select count(distinct scan_id) > $1 from log.entry where type like '%risk.predicted%'",
        more_than,
    )


async def _drained(pool: asyncpg.Pool, scans: int) -> bool:
    """Whether every scan is predicted, and every number that a producer gave is in the log."""
    if not await _predicted(pool, more_than=scans - 1):
        return False
    for name in SERVICES:
        if await pool.fetchval(
            f"select exists (select from {name}.inbox where state in ('ready', 'leased'))"
            f" or exists (select from {name}.outbox where sent_at is null)"
            f" or (select counter from {name}.producer)"
            "  > (select count(*) from log.entry where source = $1)",
            f"/memoryguard/{name}",
        ):
            return False
    return True


async def _shown(pool: asyncpg.Pool, scans: int) -> bool:
    query = "select count(*) from api.scan_fact where kind = 'predicted'"
    return await pool.fetchval(query) == scans


async def _said_per_scan(pool: asyncpg.Pool) -> dict[str, dict[str, int]]:
    """How often the log has each kind of event of each scan."""
    said: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in await pool.fetch("select scan_id, type from log.entry where scan_id is not null"):
        kind = row["type"].removeprefix("memoryguard.").removesuffix(".v1")
        said[row["scan_id"]][kind] += 1
    return {scan_id: dict(kinds) for scan_id, kinds in said.items()}
