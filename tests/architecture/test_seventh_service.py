# SPDX-License-Identifier: Apache-2.0
"""One more service costs under 50 lines: here it is made, counted, and run on real PostgreSQL.

A copy of ``common`` gets what a contributor would add: one event, one stream, its name in two
lists. The package in ``seventh/`` is the rest. Audit runs as it is, and hears the new topic.
"""

from __future__ import annotations

import asyncio
import difflib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
from layout import LIBRARIES
from logged import logged_documents

from memoryguard.cli.home import Home, make_home
from memoryguard.common.contracts.flow import TOPIC_OF
from memoryguard.common.runtime.bus import Record
from memoryguard.common.runtime.bus_postgres import PostgresBus
from memoryguard.common.runtime.database import connect, open_pool, prepare

SEVENTH = Path(__file__).parent / "seventh"
COMMON = LIBRARIES / "common" / "src" / "memoryguard" / "common"
EXAMPLES = LIBRARIES / "common" / "examples"
MAX_LINES = 50
ANSWER_S = 60.0

EVENT = '''

class ReviewRequested(Fact):
    """Somebody should look at this scan."""

    type: ClassVar[str] = "memoryguard.review.requested.v1"
    scan_id: str
'''
STREAM = '    Stream("memoryguard.reviews.v1", "review", {e.ReviewRequested: ""}),\n'


def _changes() -> dict[Path, str]:
    """What a contributor changes in ``common``: file, and its new text."""
    flow = (COMMON / "contracts" / "flow.py").read_text()
    for old, new in (
        ('"audit", "api")', '"audit", "api", "review")'),
        ('{e.AtrophyScored: "processor ml api"}', '{e.AtrophyScored: "processor ml api review"}'),
        (")\n# fmt: on", f"{STREAM})\n# fmt: on"),
    ):
        assert flow.count(old) == 1, old
        flow = flow.replace(old, new)
    events = (COMMON / "contracts" / "events.py").read_text() + EVENT
    return {Path("contracts/flow.py"): flow, Path("contracts/events.py"): events}


def test_one_more_service_costs_under_fifty_lines() -> None:
    lines = [
        line for path in SEVENTH.rglob("*.py") for line in path.read_text().splitlines()
    ]  # every line: comments and empty ones too
    for path, text in _changes().items():
        before = (COMMON / path).read_text().splitlines()
        changed = difflib.ndiff(before, text.splitlines())
        lines += [line for line in changed if line.startswith("+ ")]
    assert len(lines) > 20
    assert len(lines) < MAX_LINES, len(lines)


async def test_one_more_service_answers_and_is_audited(tmp_path: Path, database_url: str) -> None:
    changed = tmp_path / "changed" / "memoryguard" / "common"
    shutil.copytree(COMMON, changed, ignore=shutil.ignore_patterns("__pycache__"))
    for path, text in _changes().items():
        (changed / path).write_text(text)
    home = make_home(tmp_path / "home")
    environment = home.environment(database_url)
    await prepare(database_url, ["review"])
    await _publish_example(database_url, "memoryguard.atrophy.scored.v1")
    source = os.pathsep.join([str(changed.parents[1]), str(SEVENTH)])
    with ExitStack() as stack:
        stack.enter_context(_running("audit", environment, tmp_path))
        stack.enter_context(_running("review", environment | {"PYTHONPATH": source}, tmp_path))
        answer = await _audited(database_url, home, "memoryguard.review.requested.v1")
    cause = json.loads((EXAMPLES / "memoryguard.atrophy.scored.v1.json").read_text())
    assert answer["causationid"] == cause["id"]
    assert answer["correlationid"] == cause["correlationid"]
    assert answer["partitionkey"] == cause["partitionkey"]
    assert answer["source"] == "/memoryguard/review"
    assert answer["producercounter"] == 2  # it said first what it was started with
    assert answer["data"]["scan_id"] == cause["data"]["scan_id"]


async def _publish_example(database_url: str, event_type: str) -> None:
    topics = {fact.type: topic for fact, topic in TOPIC_OF.items()}
    body = (EXAMPLES / f"{event_type}.json").read_bytes()
    key = json.loads(body)["partitionkey"]
    async with await open_pool(database_url, "atrophy") as pool:
        await PostgresBus(pool).publish([Record(topics[event_type], key, body)])


@contextmanager
def _running(service: str, environment: dict[str, str], folder: Path) -> Iterator[None]:
    """Run a service; it must drain and end well when told to."""
    log = folder / f"{service}.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", f"memoryguard.{service}"],
            env=os.environ | environment | {"MEMORYGUARD_PORT": "0"},
            stderr=errors,
        )
    try:
        yield
        assert process.poll() is None, log.read_text()
        process.terminate()
        assert process.wait(30) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


async def _audited(database_url: str, home: Home, event_type: str) -> dict[str, Any]:
    """Wait for an event of this type in the audit log."""
    connection = await connect(database_url)
    try:
        async with asyncio.timeout(ANSWER_S):
            while not (found := await _of_type(connection, home, event_type)):
                await asyncio.sleep(0.1)
    finally:
        await connection.close()
    return found[-1]


async def _of_type(
    connection: asyncpg.Connection, home: Home, event_type: str
) -> list[dict[str, Any]]:
    try:
        return await logged_documents(connection, home, f"type = '{event_type}'")
    except asyncpg.UndefinedTableError:  # audit's schema is not there yet
        return []
