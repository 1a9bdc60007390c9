# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the whole process tree, again and again, database included; nothing is lost."""

from __future__ import annotations

import asyncio
import collections
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from series import small_series

from memoryguard.cli.audit import verify_home
from memoryguard.cli.home import Home
from memoryguard.client import AsyncClient
from memoryguard.common.errors import MemoryGuardError
from memoryguard.common.runtime.database import connect

TESTS = Path(__file__).parents[1]
USER = "person"
SCANS = 6
DOCUMENTS = 2
"""Of each scan: a Segmentation, and the report of its score."""
KILLS = 6
SEED = 20


def descendants(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children = collections.defaultdict[int, list[int]](list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = stat.read_text().rsplit(")", 1)[1].split()
            children[int(fields[1])].append(int(stat.parent.name))
    found = [pid]
    for each in found:
        found += children[each]
    return found


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    for pid in descendants(process.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


@asynccontextmanager
async def started(folder: Path) -> AsyncGenerator[tuple[Home, subprocess.Popen[bytes]]]:
    """A platform in a process; killed at the end whatever happened."""
    home = Home(folder)
    with (folder.parent / "platform.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, str(TESTS / "chaos" / "stub_platform.py"), str(folder)],
            stdout=log, stderr=log, env=os.environ | {"PYTHONPATH": str(TESTS)},
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while (running := home.running()) is None or int(running["pid"]) != process.pid:
            assert process.poll() is None and time.monotonic() < deadline
            await asyncio.sleep(0.05)
        yield home, process
    finally:
        kill_tree(process)


async def upload_all(home: Home, folders: list[Path]) -> list[str]:
    """Upload every scan, in order; whoever is interrupted simply asks again later."""
    running = home.running()
    assert running
    async with AsyncClient(running["url"], home.issuer().issue(USER, ["patient"])) as person:
        return [str((await person.upload(folder))["imaging_id"]) for folder in folders]


async def completed(person: AsyncClient, scan_id: str) -> bool:
    try:
        return (await person.get(f"/api/v1/imaging/{scan_id}/status"))["status"] == "completed"
    except MemoryGuardError:
        return False


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_the_same_scans_complete_once_and_the_log_verifies(tmp_path: Path) -> None:
    moments = random.Random(SEED)
    folders = [small_series(tmp_path / f"scan{n}", seed=n) for n in range(SCANS)]
    home_folder = tmp_path / "home"
    for _ in range(KILLS):
        async with started(home_folder) as (home, process):
            uploading = asyncio.create_task(upload_all(home, folders))
            await asyncio.wait([uploading], timeout=moments.uniform(0.05, 3.0))
            kill_tree(process)
            with suppress(MemoryGuardError, asyncio.CancelledError):
                uploading.cancel()
                await uploading
    async with started(home_folder) as (home, _):
        ids = await upload_all(home, folders)
        running = home.running()
        assert running
        async with AsyncClient(running["url"], home.issuer().issue(USER, ["patient"])) as person:
            async with asyncio.timeout(180):
                while not all([await completed(person, scan_id) for scan_id in ids]):
                    await asyncio.sleep(0.1)
                while not await _all_documented(running["database_url"], ids):
                    await asyncio.sleep(0.1)
        said = await _said_per_scan(running["database_url"])
        await _drained(running["database_url"])
        report = await verify_home(home)
    assert len(set(ids)) == SCANS
    assert set(said) == set(ids)
    for kinds in said.values():
        assert kinds == {
            "memoryguard.scan.received.v1": 1,
            "memoryguard.volumes.extracted.v1": 1,
            "memoryguard.atrophy.scored.v1": 1,
            "memoryguard.risk.predicted.v1": 1,
            "memoryguard.document.made.v1": DOCUMENTS,
        }
    assert report.intact and report.complete, report


async def _said_per_scan(database_url: str) -> dict[str, dict[str, int]]:
    """How often the log has each kind of event of each scan, access events aside."""
    connection = await connect(database_url)
    try:
        rows = await connection.fetch(
            "select scan_id, type from log.entry where scan_id is not null"
        )
    finally:
        await connection.close()
    said = collections.defaultdict[str, dict[str, int]](lambda: collections.Counter[str]())
    for row in rows:
        if ".access." not in row["type"]:
            said[row["scan_id"]][row["type"]] += 1
    return {scan_id: dict(kinds) for scan_id, kinds in said.items()}


async def _all_documented(database_url: str, ids: list[str]) -> bool:
    """Whether the log has what is made of each scan last; no status waits for it."""
    said = await _said_per_scan(database_url)
    made = "memoryguard.document.made.v1"
    return all(said.get(scan_id, {}).get(made) == DOCUMENTS for scan_id in ids)


async def _drained(database_url: str) -> None:
    """Wait until every number that a producer gave is in the log."""
    connection = await connect(database_url)
    try:
        async with asyncio.timeout(30):
            while await connection.fetchval(
                "select exists (select from bus.record r,"
                " lateral (select convert_from(r.body, 'UTF8')::json) as j (b)"
                " where r.topic not like '%checkpoints%'"
                " and not exists (select from log.entry e where (e.source, e.event_id)"
                "   = (b->>'source', b->>'id')))"
            ):
                await asyncio.sleep(0.1)
    finally:
        await connection.close()
