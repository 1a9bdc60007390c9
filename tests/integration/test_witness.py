# SPDX-License-Identifier: Apache-2.0
"""A real log and witnesses in processes of their own: growth is signed, a rewritten log is not.

The intruder here has every right in the database and the log's own signing key. What they do not
have is the witness.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import Gauge

from memoryguard.audit import log
from memoryguard.audit.cosigned import LAG_S, Witness, cosigned_note
from memoryguard.audit.filing import Filed, Filing, moment
from memoryguard.audit.proving import prove_growth
from memoryguard.audit.service import RECIPE
from memoryguard.audit.witnessing import REFUSES, SINCE_COSIGNED, Witnessing
from memoryguard.cli.audit import Known, verify_known
from memoryguard.common.contracts.event import NOBODY, new_event
from memoryguard.common.contracts.events import AccessRead
from memoryguard.common.errors import EX_CONFIG
from memoryguard.common.runtime import database
from memoryguard.common.runtime.bus import Received
from memoryguard.common.runtime.database import Pool
from memoryguard.common.security.keyring import VaultKey
from memoryguard.common.testing.broker import free_port
from memoryguard.tlog.checkpoint import open_checkpoint
from memoryguard.tlog.cosignature import WitnessKey
from memoryguard.tlog.note import Signer
from memoryguard.tlog.tiles import Edge
from memoryguard.tlog.witness import Request
from memoryguard.tlog.witnessed import check_witnesses
from memoryguard.witness.key import make_key
from memoryguard.witness.memory import name_of, open_memory

SIGNER = Signer("memoryguard/test", Ed25519PrivateKey.generate())
FILING = Filing(VaultKey(bytes(32)))
DEADLINE_S = 30.0
PYTHON = [sys.executable, "-W", "error"]


def events(first: int, last: int, source: str = "/test") -> list[Filed]:
    found = list[Filed]()
    for number in range(first, last):
        fact = AccessRead(subject_id=NOBODY, actor_id="a", action="look", service="test")
        event = new_event(fact, source=source, event_id=f"event-{number}")
        found.append(FILING.file(Received("memoryguard.access.v1", NOBODY, event.to_bytes(), 1)))
    return found


async def grow(pool: Pool, first: int, last: int, source: str = "/test") -> None:
    async with pool.acquire() as connection, connection.transaction():
        await log.append(connection, events(first, last, source), {})
        assert await log.sign(connection, SIGNER)


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncGenerator[Pool]:
    """A log of 20 entries under a checkpoint."""
    async with await database.open_pool(database_url, "audit") as pool:
        await database.migrate(pool, "audit", [database.RUNTIME_MIGRATIONS, str(RECIPE.migrations)])
        await grow(pool, 0, 20)
        yield pool


class Elsewhere:
    """A witness's folder, and its process while it runs."""

    def __init__(self, folder: Path, name: str = "witness.example") -> None:
        folder.mkdir()
        self.folder = folder
        self.key: WitnessKey = make_key(folder / "key", name).key
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def command(self) -> list[str]:
        options = ["--state", str(self.folder), "--log-key", str(SIGNER.verifier_key)]
        return [*PYTHON, "-m", "memoryguard.witness", *options, "--port", str(self.port)]

    @property
    def address(self) -> Witness:
        return Witness(self.key, self.url)

    @contextmanager
    def running(self, command: list[str] | None = None) -> Generator[subprocess.Popen[bytes]]:
        with (self.folder / "output").open("ab") as out:
            process = subprocess.Popen(command or self.command, stdout=out, stderr=out)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(DEADLINE_S)

    def dying(self, when: str) -> list[str]:
        script = Path(__file__).with_name("dying_witness.py")
        log_key = str(SIGNER.verifier_key)
        return [*PYTHON, str(script), str(self.folder), log_key, str(self.port), when]

    async def ready(self, session: aiohttp.ClientSession) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while True:
            try:
                async with session.get(f"{self.url}/health/live") as answer:
                    assert answer.status == 200
                    return
            except aiohttp.ClientConnectorError:
                assert time.monotonic() < deadline, (self.folder / "output").read_text()
                await asyncio.sleep(0.05)

    async def shown(self, session: aiohttp.ClientSession) -> str | None:
        """What it has signed last, as it says."""
        async with session.get(f"{self.url}/checkpoint/{name_of(SIGNER.name)}") as answer:
            return await answer.text() if answer.status == 200 else None

    async def ask(self, session: aiohttp.ClientSession, request: Request) -> int:
        async with session.post(f"{self.url}/add-checkpoint", data=str(request)) as answer:
            return answer.status


@pytest.fixture
def elsewhere(tmp_path: Path) -> Elsewhere:
    return Elsewhere(tmp_path / "witness")


@pytest_asyncio.fixture
async def session() -> AsyncGenerator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


class Clock:
    """A clock that is put forward by hand."""

    ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


def witnessing(pool: Pool, *witnesses: Elsewhere, clock: Clock | None = None) -> Witnessing:
    return Witnessing(pool, [each.address for each in witnesses], 1, 60, clock or Clock())


def size_of(note: str | None) -> int:
    return open_checkpoint(note or "", SIGNER.verifier_key).size


def codes(note: str | None, *witnesses: Elsewhere, quorum: int = 1, age_s: float = 60) -> list[str]:
    keys = [each.key for each in witnesses]
    return [f.code for f in check_witnesses(note or "", keys, quorum, time.time(), age_s)]


def metric(gauge: Gauge, witness: Elsewhere) -> float:
    """Value of a gauge for a witness, as it is scraped."""
    (sampled,) = gauge.collect()
    (value,) = (s.value for s in sampled.samples if s.labels["witness"] == witness.key.name)
    return value


async def test_growth_is_cosigned_and_a_log_at_rest_is_signed_again(
    pool: Pool, elsewhere: Elsewhere, session: aiohttp.ClientSession
) -> None:
    clock = Clock()
    ours = witnessing(pool, elsewhere, clock=clock)
    assert codes(await cosigned_note(pool), elsewhere) == ["not_witnessed"]
    with elsewhere.running():
        await elsewhere.ready(session)
        for last in (20, 33, 300):
            if last > 20:
                await grow(pool, await pool.fetchval("select size from log.head"), last)
            await ours.round(session)
            note = await cosigned_note(pool)
            assert size_of(note) == last
            assert codes(note, elsewhere) == []
            assert await elsewhere.shown(session) == note
        rested = await pool.fetchval("select count(*) from log.cosignature")
        # Signed again, when it is time; the first cosignature of each checkpoint is all that stays.
        before = await pool.fetchrow("select line, signed_at from log.witness")
        deadline = time.monotonic() + DEADLINE_S
        while (after := await pool.fetchrow("select line, signed_at from log.witness")) == before:
            assert time.monotonic() < deadline
            await ours.round(session)
            clock.ahead_s += 61
            await asyncio.sleep(0.1)
        assert before is not None and after is not None
        assert after["signed_at"] > before["signed_at"]
        assert await pool.fetchval("select count(*) from log.cosignature") == rested == 3
        assert after["line"] in (await cosigned_note(pool) or "")
    assert codes(await cosigned_note(pool), elsewhere, age_s=-1) == ["stalled"]


async def test_nothing_is_asked_before_it_is_time(
    pool: Pool, elsewhere: Elsewhere, session: aiohttp.ClientSession,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    clock = Clock()
    with elsewhere.running():
        await elsewhere.ready(session)
        await witnessing(pool, elsewhere, clock=clock).round(session)
    # The witness is gone, so a question would be told.
    again = witnessing(pool, elsewhere, clock=clock)
    await again.round(session)
    assert not caplog.records
    clock.ahead_s = 3600
    assert 3600 <= metric(SINCE_COSIGNED, elsewhere) < 3600 + DEADLINE_S
    await again.round(session)
    assert [each.message for each in caplog.records] == ["a witness is away"]


async def test_a_witness_that_is_away_holds_nobody_up_and_catches_up(
    pool: Pool, tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    one, two = Elsewhere(tmp_path / "1", "one.example"), Elsewhere(tmp_path / "2", "two.example")
    clock = Clock()
    ours = witnessing(pool, one, two, clock=clock)
    with one.running():
        await one.ready(session)
        await ours.round(session)
        assert codes(await cosigned_note(pool), one, two, quorum=1) == []
        assert codes(await cosigned_note(pool), one, two, quorum=2) == ["not_witnessed"]
        await grow(pool, 20, 40)
        with two.running():
            await two.ready(session)
            clock.ahead_s = 10  # the back-off is over
            await ours.round(session)
            note = await cosigned_note(pool)
            assert (size_of(note), codes(note, one, two, quorum=2)) == (40, [])


async def test_a_checkpoint_waits_for_witnesses_a_minute_and_no_longer(
    pool: Pool, elsewhere: Elsewhere, session: aiohttp.ClientSession
) -> None:
    with elsewhere.running():
        await elsewhere.ready(session)
        await witnessing(pool, elsewhere).round(session)
    for last, age_s, shown in ((30, LAG_S - 30, 20), (40, LAG_S + 1, 40)):
        async with pool.acquire() as connection, connection.transaction():
            await log.append(connection, events(last - 10, last), {})
            now = await connection.fetchval(
                "select now() - make_interval(secs => $1)", float(age_s)
            )
            await log.sign(connection, SIGNER, now)
        assert size_of(await cosigned_note(pool)) == shown
    assert codes(await cosigned_note(pool), elsewhere) == ["not_witnessed"]


async def rewrite(url: str, size: int) -> None:
    """Cut the log back to `size` entries as the database's administrator; it looks whole."""
    intruder = await database.connect(url)
    try:
        for table in ("entry", "seen", "checkpoint", "cosignature", "sent", "head"):
            await intruder.execute(f"alter table log.{table} disable trigger user")
        leaves = await intruder.fetch(
            "select * from log.entry where sequence < $1 order by sequence", size
        )
        edge, _ = Edge().append([log.entry_of(row).leaf_hash() for row in leaves])
        for statement in (
            "delete from log.entry where sequence >= $1",
            "delete from log.seen where sequence >= $1",
            "delete from log.cosignature where size > $1",
            "delete from log.sent where size > $1",
            "delete from log.checkpoint where size > $1",
        ):
            await intruder.execute(statement, size)
        await intruder.execute("delete from log.witness")
        await intruder.execute(
            "update log.head set size = $1, levels = $2, logged_at = $3",
            edge.size, list(edge.levels), leaves[-1]["logged_at"] if leaves else moment(0),
        )  # fmt: skip
    finally:
        await intruder.close()


@pytest.mark.parametrize("size", [20, 40, 45], ids=["rolled back", "forked", "grown as a fork"])
async def test_a_rewritten_log_is_refused_and_named_also_when_its_own_key_signs_it(
    pool: Pool, database_url: str, elsewhere: Elsewhere, session: aiohttp.ClientSession,
    size: int, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    key = SIGNER.verifier_key
    await grow(pool, 20, 40)
    with elsewhere.running():
        await elsewhere.ready(session)
        await witnessing(pool, elsewhere).round(session)
        witnessed = await elsewhere.shown(session)
        await rewrite(database_url, 20)
        if size > 20:
            await grow(pool, 20, size, "/another/history")
        report = await verify_known(database_url, Known(key))
        assert report.intact and report.signed_size == size  # nothing in the box can tell

        ours = witnessing(pool, elsewhere)
        await ours.round(session)
        assert metric(REFUSES, elsewhere) == 1
        assert [r.levelname for r in caplog.records if "is not what it was" in r.message]
        assert await pool.fetchval("select count(*) from log.cosignature") == 0
        assert codes(await cosigned_note(pool), elsewhere) == ["not_witnessed"]
        assert await elsewhere.shown(session) == witnessed
        report = await verify_known(database_url, Known(key, [witnessed or ""]))
        assert report.first is not None
        found = {each.code for each in report.findings}
        assert (
            found
            & {20: {"truncated"}, 40: {"fork"}, 45: {"inconsistent_root", "altered_entry"}}[size]
        )
    # A witness that starts anew has forgotten nothing.
    with elsewhere.running():
        await elsewhere.ready(session)
        assert await elsewhere.shown(session) == witnessed
        await witnessing(pool, elsewhere).round(session)
        assert await pool.fetchval("select count(*) from log.witness") == 0


async def test_a_log_that_another_replica_grew_is_no_alarm(
    pool: Pool, elsewhere: Elsewhere, session: aiohttp.ClientSession
) -> None:
    slow, fast = witnessing(pool, elsewhere), witnessing(pool, elsewhere)
    with elsewhere.running():
        await elsewhere.ready(session)
        await slow.round(session)
        for last in (30, 50):
            await grow(pool, last - 10 if last == 30 else 30, last)
            await fast.round(session)
        await slow.round(session)  # still thinks of 20
        assert metric(REFUSES, elsewhere) == 0
        assert size_of(await cosigned_note(pool)) == 50


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_witness_that_is_killed_as_it_remembers_never_signs_a_fork(
    pool: Pool, database_url: str, elsewhere: Elsewhere, session: aiohttp.ClientSession, when: str
) -> None:
    truth = await pool.fetchval("select note from log.checkpoint where size = 20")
    with elsewhere.running(elsewhere.dying(when)) as process:
        await elsewhere.ready(session)
        with pytest.raises(aiohttp.ClientError):  # no answer, so no cosignature, has left
            await elsewhere.ask(session, Request(0, (), truth))
        assert process.wait(DEADLINE_S) == -9
    await grow(pool, 20, 30)
    grown = await pool.fetchval("select note from log.checkpoint where size = 30")
    proof = tuple(await prove_growth(pool, 20, 30))
    await rewrite(database_url, 0)
    await grow(pool, 0, 20, "/another/history")
    fork = await pool.fetchval("select note from log.checkpoint where size = 20")
    with elsewhere.running():
        await elsewhere.ready(session)
        if when == "before":
            assert await elsewhere.shown(session) is None
            assert await elsewhere.ask(session, Request(0, (), truth)) == 200
        assert size_of(await elsewhere.shown(session)) == 20
        assert await elsewhere.ask(session, Request(0, (), fork)) == 409
        assert await elsewhere.ask(session, Request(20, (), fork)) == 409
        assert await elsewhere.ask(session, Request(20, (), truth)) == 200
        assert await elsewhere.ask(session, Request(20, proof, grown)) == 200


def test_two_witnesses_do_not_share_a_folder(elsewhere: Elsewhere) -> None:
    with open_memory(elsewhere.folder, elsewhere.key):
        second = subprocess.run(elsewhere.command, capture_output=True, text=True)
    assert second.returncode == EX_CONFIG
    (line,) = second.stderr.splitlines()
    assert "witness_running" in line
