# SPDX-License-Identifier: Apache-2.0
"""One service run on fresh state: killed at an effect, started again, left alone until quiet."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import outcome
from kafka_eye import KafkaEye, kafka_eye

from memoryguard.cli.audit import Known, key_of, verify_as_seen
from memoryguard.cli.home import Home
from memoryguard.common.contracts.flow import STREAMS, heard_by
from memoryguard.common.runtime.blobs import open_store
from memoryguard.common.runtime.bus import Record
from memoryguard.common.runtime.bus_kafka import KafkaBus
from memoryguard.common.runtime.bus_postgres import PostgresBus
from memoryguard.common.runtime.database import connect
from memoryguard.common.runtime.settings import KafkaSettings
from memoryguard.common.runtime.topics import create_topics
from memoryguard.common.security.keyring import KeyRing

HERE = Path(__file__).parent
POLL_S = 0.02
QUIET_S = 60.0  # only what is broken, or a machine that has much else to do, needs so long
SESSION_TIMEOUT_S = 0.6
CHECKPOINTS = "memoryguard.checkpoints.v1"
OURS = "crash points"  # how our own connections are told from the service's


class Child:
    """A service that a zygote forked."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.pid: asyncio.Future[int] = loop.create_future()
        self.url: asyncio.Future[str] = loop.create_future()
        self.ended: asyncio.Future[int] = loop.create_future()
        self.effects: list[str] = []

    def heard(self, line: dict[str, Any]) -> None:
        if "effect" in line:
            self.effects.append(line["effect"])
        for name in ("pid", "url", "ended"):
            if name in line and not getattr(self, name).done():
                getattr(self, name).set_result(line[name])
        if "ended" in line:
            self.url.cancel()  # nobody waits for it any more

    async def stop(self) -> int:
        """Stop it as an operator would, once it serves."""
        await asyncio.wait([self.url, self.ended], return_when=asyncio.FIRST_COMPLETED)
        if not self.ended.done():
            os.kill(self.pid.result(), signal.SIGTERM)
        return await asyncio.shield(self.ended)


class Zygote:
    """Forks services; see ``zygote.py``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._children: dict[str, Child] = {}
        self._reading = asyncio.create_task(self._read())

    async def fork(self, service: str, environment: dict[str, str], kill_at: int | str) -> Child:
        run = uuid.uuid4().hex
        child = self._children[run] = Child()
        order = {"run": run, "service": service, "environment": environment, "kill_at": kill_at}
        assert self._process.stdin
        self._process.stdin.write((json.dumps(order) + "\n").encode())
        await self._process.stdin.drain()
        return child

    async def _read(self) -> None:
        assert self._process.stdout
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            self._children[said.pop("run")].heard(said)

    async def close(self) -> None:
        for child in self._children.values():
            if child.pid.done() and not child.ended.done():
                os.kill(child.pid.result(), signal.SIGKILL)
        self._process.kill()
        await self._process.wait()
        self._reading.cancel()
        await asyncio.wait([self._reading])


@asynccontextmanager
async def zygote(log: Path) -> AsyncGenerator[Zygote]:
    """Start a zygote."""
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(HERE / "zygote.py"),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=errors,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(
                [str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")])},
        )  # fmt: skip
    started = Zygote(process)
    try:
        yield started
    finally:
        await started.close()


@dataclass(frozen=True)
class World:
    """What there is before a service starts: a database, objects, and records on the bus."""

    home: Home
    admin_url: str
    template: str
    objects: Path
    records: Sequence[Record] = ()


@dataclass
class Run:
    """One service on its own copy of a world."""

    service: str
    home: Home
    database_url: str
    objects: Path
    kafka: KafkaSettings
    admin: asyncpg.Pool
    eye: KafkaEye | None = None
    child: Child | None = None
    answered: list[str] = field(default_factory=list[str])
    restless: bool = False

    @property
    def environment(self) -> dict[str, str]:
        return self.home.environment(self.database_url) | {
            "IMAGING_STORAGE_PATH": str(self.objects),
            "MEMORYGUARD_KAFKA_SERVERS": self.kafka.servers,
            "MEMORYGUARD_KAFKA_PREFIX": self.kafka.prefix,
            "MEMORYGUARD_KAFKA_SESSION_TIMEOUT_S": str(self.kafka.session_timeout_s),
            "MEMORYGUARD_AUDIT_CHECKPOINT_S": "0.05",
        }

    async def publish(self, records: Sequence[Record]) -> None:
        """Put records on this run's bus, as other services would."""
        if self.kafka.servers:
            async with KafkaBus(self.kafka) as bus:
                await bus.publish(records)
        else:
            await PostgresBus(self.admin).publish(records)

    async def records(self) -> list[Record]:
        """Everything on this run's bus."""
        if self.eye:
            return await self.eye.records()
        rows = await self.admin.fetch("select topic, key, body from bus.record order by position")
        return [Record(row["topic"], row["key"], bytes(row["body"])) for row in rows]

    async def age(self) -> None:
        """Let a minute pass for the leases of the killed process; and its last words be spoken."""
        database = self.database_url.rsplit("/", 1)[-1].split("?")[0]
        async with asyncio.timeout(10):
            while await self.admin.fetchval(
                "select exists (select from pg_stat_activity where datname = $1 and"
                " application_name <> $2 and backend_type = 'client backend')",
                database,
                OURS,
            ):
                await asyncio.sleep(0.005)
        if await self.admin.fetchval("select to_regclass($1)", f"{self.service}.inbox"):
            await self.admin.execute(
                f"update {self.service}.inbox set leased_until = now() - interval '1 s'"
                " where state = 'leased'"
            )

    async def quiet(self) -> None:
        """Wait until the service has nothing left to do."""
        deadline = time.monotonic() + QUIET_S
        while not await self._is_quiet():
            if time.monotonic() > deadline:
                self.restless = True  # `outcome` says what is missing
                return
            await asyncio.sleep(POLL_S)

    async def _is_quiet(self) -> bool:
        name = self.service
        if not await self.admin.fetchval("select to_regclass($1)", f"{name}.producer"):
            return False
        if await self.admin.fetchval(
            f"select exists (select from {name}.inbox where state in ('ready', 'leased'))"
            f" or exists (select from {name}.outbox where sent_at is null)"
        ):
            return False
        if not (await self._all_heard() and (name != "audit" or await self._all_signed())):
            return False
        # What was heard last may have been stored since we looked.
        return not await self.admin.fetchval(
            f"select exists (select from {name}.inbox where state in ('ready', 'leased'))"
            f" or exists (select from {name}.outbox where sent_at is null)"
        )

    async def _all_heard(self) -> bool:
        group = "audit-log" if self.service == "audit" else self.service
        topics = set(heard_by(self.service).values())
        if self.service == "audit":
            topics = {s.topic for s in STREAMS} - {CHECKPOINTS}
        if self.eye:
            return await self.eye.all_heard(group, topics)
        return not await self.admin.fetchval(
            "select exists (select from bus.record r left join bus.cursor c"
            " on c.member = $1 and c.topic = r.topic"
            " where r.topic = any($2::text[]) and r.position > coalesce(c.position, 0))",
            group,
            list(topics),
        )

    async def _all_signed(self) -> bool:
        size = await self.admin.fetchval("select size from log.head")
        if size == 0:
            return False
        sent = (self.objects / "checkpoints" / f"{size:020d}").exists()
        told = any(
            record.topic == CHECKPOINTS and json.loads(record.body)["data"]["size"] == size
            for record in await self.records()
        )
        return sent and told

    async def outcome(self) -> outcome.Outcome:
        """Read the final state."""
        records = await self.records()
        rings = [
            KeyRing.from_setting(self.environment[name])
            for name in ("IMAGING_ENCRYPTION_KEY", "MEMORYGUARD_IDENTITY_KEY")
        ]
        store = open_store(str(self.objects))
        found, notes = await outcome.objects(store, *rings)
        paths = [str(m["path"]) for m in await store.list().collect_async()]
        state = await outcome.tables(self.admin, self.service)
        state["objects"] = found
        wrong = await outcome.numbering(self.admin, self.service, records)
        wrong += outcome.unresolved(records, paths)
        if self.restless:
            wrong.append("it never came to rest")
        if self.service == "audit":
            wrong += await self._audit(records, notes)
            wrong += outcome.unpublished(notes, paths)
        return outcome.Outcome(state, await outcome.order_of_rows(self.admin, self.service), wrong)

    async def _audit(self, records: Sequence[Record], notes: dict[str, str]) -> list[str]:
        async with self.admin.acquire() as connection:
            report = await verify_as_seen(
                connection, Known(key_of(self.home), list(notes.values()))
            )
        wrong = [f"the log: {finding}" for finding in report.findings]
        if not (report.intact and report.complete):
            wrong.append(f"the log is not intact and complete: {report}")
        told = {
            json.loads(r.body)["data"]["size"]: json.loads(r.body)["data"]["note"]
            for r in records
            if r.topic == CHECKPOINTS
        }
        for size, note in await self.admin.fetch("select size, note from log.checkpoint"):
            if notes.get(f"checkpoints/{size:020d}") != note:
                wrong.append(f"checkpoint {size} is not in the object store")
            if told.get(size) != note:
                wrong.append(f"checkpoint {size} is not on the bus")
        return wrong


@asynccontextmanager
async def fresh(
    world: World, service: str, folder: Path, kafka_servers: str = ""
) -> AsyncGenerator[Run]:
    """Copy a world; the copy is thrown away afterwards."""
    name = f"run_{uuid.uuid4().hex[:12]}"
    server = await connect(world.admin_url)
    objects = folder / name
    try:
        await server.execute(f"create database {name} template {world.template}")
        url = world.admin_url.replace("/postgres?", f"/{name}?")
        await asyncio.to_thread(shutil.copytree, world.objects, objects, copy_function=os.link)
        kafka = KafkaSettings(
            servers=kafka_servers,
            prefix=f"{name}.",
            partitions=1,
            session_timeout_s=SESSION_TIMEOUT_S,
        )
        ours = {"application_name": OURS}
        async with AsyncExitStack() as stack:
            admin = await stack.enter_async_context(
                asyncpg.create_pool(url, min_size=1, max_size=3, server_settings=ours)
            )
            run = Run(service, world.home, url, objects, kafka, admin)
            if kafka_servers:
                await create_topics(kafka)
                run.eye = await stack.enter_async_context(kafka_eye(kafka))
                await run.publish(world.records)
            yield run
        await server.execute(f"drop database {name} with (force)")
    finally:
        await server.close()
        await asyncio.to_thread(shutil.rmtree, objects, ignore_errors=True)


Script = Callable[[Run], Awaitable[None]]


async def perform(run: Run, zygote: Zygote, script: Script, kill_at: int | str = 0) -> Child:
    """Run the service, killed at an effect if it comes so far; the first child.

    Whoever talks to the service outlives it: the script goes on with the second child.
    """
    first = run.child = await zygote.fork(run.service, run.environment, kill_at)
    talking = asyncio.create_task(script(run))
    try:
        await _first_of(first.ended, _until_quiet(run, talking))
        if not first.ended.done():
            await first.stop()
        if first.ended.result() == -signal.SIGKILL:
            await run.age()
            run.child = await zygote.fork(run.service, run.environment, 0)
            await _first_of(run.child.ended, _until_quiet(run, talking))
            await run.child.stop()
        code = run.child.ended.result()
        assert code == 0, f"the service ended with {code} after {run.child.effects}"
    finally:
        talking.cancel()
        await asyncio.wait([talking])
    return first


async def _until_quiet(run: Run, talking: asyncio.Task[None]) -> None:
    await asyncio.wait([talking])  # it outlives us
    talking.result()
    await run.quiet()


async def _first_of(ended: asyncio.Future[int], work: Awaitable[None]) -> None:
    """Return when the process ends or the work is done, whichever comes first."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task, ended], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.wait([task])
