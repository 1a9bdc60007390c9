# SPDX-License-Identifier: Apache-2.0
"""What only Apache Kafka has: members and partitions, retries, rights, logins, topics."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from memoryguard.common.contracts.flow import STREAMS
from memoryguard.common.errors import Misconfigured, Unavailable
from memoryguard.common.runtime.bus import Place, Record
from memoryguard.common.runtime.bus_kafka import KafkaBus
from memoryguard.common.runtime.kafka_client import connection_options
from memoryguard.common.runtime.settings import KafkaSettings
from memoryguard.common.runtime.topics import create_topics
from memoryguard.common.testing.broker import HOST, Broker, free_port

SCANS = "memoryguard.scans.v1"
PASSWORD = "right"
DEADLINE_S = 60.0


def numbered(first: int, count: int) -> list[Record]:
    return [Record(SCANS, f"person-{n % 11}", str(n).encode()) for n in range(first, first + count)]


async def read(bus: KafkaBus, count: int, group: str = "reader") -> list[int]:
    """Read so many numbers, then wait a moment for more than there should be."""
    found: list[int] = []
    async with bus.consumer(group, [SCANS]) as member, aclosing(member.batches()) as batches:  # pyright: ignore[reportArgumentType]
        async with asyncio.timeout(DEADLINE_S):
            while len(found) < count:
                found += [int(r.body) for r in await anext(batches)]
        try:
            async with asyncio.timeout(0.5):
                found += [int(r.body) for r in await anext(batches)]
        except TimeoutError:
            return found
    return found


# --- members -----------------------------------------------------------------------------------


class Member:
    """A process that is one member of the group."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.found: list[int] = []
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def join(cls, settings: KafkaSettings) -> Member:
        member = cls(
            await asyncio.create_subprocess_exec(
                sys.executable, str(Path(__file__).with_name("kafka_member.py")),
                settings.servers, settings.prefix, SCANS,
                stdout=asyncio.subprocess.PIPE,
            )
        )  # fmt: skip
        return member

    async def _read(self) -> None:
        assert self.process.stdout
        async for line in self.process.stdout:
            if line != b"joined\n":
                self.found.append(int(line))

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self._reading


@pytest.mark.slow
async def test_members_share_partitions_and_nothing_is_lost_when_one_is_killed_and_one_added(
    kafka_servers: str, kafka: KafkaSettings
) -> None:
    one, two = await Member.join(kafka), await Member.join(kafka)
    members = [one, two]
    said = 0

    async def until(bus: KafkaBus, what: object) -> None:
        """Keep publishing until it is so."""
        nonlocal said
        async with asyncio.timeout(DEADLINE_S):
            while not what():  # pyright: ignore[reportCallIssue]
                await bus.publish(numbered(said, 11))
                said += 11
                await asyncio.sleep(0.05)

    try:
        async with KafkaBus(kafka) as bus:
            await until(bus, lambda: one.found and two.found)
            one.process.kill()
            before = len(two.found)
            await until(bus, lambda: len(two.found) > before + 50)
            members.append(three := await Member.join(kafka))
            await until(bus, lambda: three.found)
            async with asyncio.timeout(DEADLINE_S):
                while len({n for m in members for n in m.found}) < said:
                    await asyncio.sleep(0.05)
    finally:
        for member in members:
            await member.end()
    seen = Counter(n for m in members for n in m.found)
    assert set(seen) == set(range(said))
    assert one.found, "the killed member had worked"


@dataclass
class Ledger:
    """What members have stored, with the position that each place has reached."""

    reached: dict[Place, int] = field(default_factory=dict[Place, int])
    stored: list[int] = field(default_factory=list[int])
    asked: list[frozenset[Place]] = field(default_factory=list[frozenset[Place]])

    async def resume(self, places: Sequence[Place]) -> Mapping[Place, int]:
        self.asked.append(frozenset(places))
        return {place: self.reached.get(place, 0) for place in places}

    async def read(self, bus: KafkaBus) -> None:
        async with bus.consumer("ledger", [SCANS], resume=self.resume) as member:
            async for batch in member.batches():
                for record in batch:
                    assert record.position == self.reached.get(record.place, 0)
                    self.reached[record.place] = record.position + 1
                    self.stored.append(int(record.body))

    async def until(self, count: int) -> None:
        while len(self.stored) < count:
            await asyncio.sleep(0.02)


async def test_members_that_keep_their_positions_go_on_there_whenever_places_are_shared_out(
    kafka: KafkaSettings,
) -> None:
    ledger = Ledger()
    async with KafkaBus(kafka) as bus, asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        one = group.create_task(ledger.read(bus))
        await bus.publish(numbered(0, 33))
        await ledger.until(33)
        # The ledger is put back a little, as a database that is restored: the broker's own offsets
        # are ahead of it now, for the place that the first member keeps and for the other one.
        ledger.reached = {place: position - 2 for place, position in ledger.reached.items()}
        two = group.create_task(ledger.read(bus))
        await ledger.until(33 + 2 * len(ledger.reached))
        await bus.publish(numbered(33, 33))
        await ledger.until(66 + 2 * len(ledger.reached))
        one.cancel()
        two.cancel()
    seen = Counter(ledger.stored)
    assert set(seen) == set(range(66))
    assert sorted(seen.values())[-4:] == [2, 2, 2, 2]
    assert {len(places) for places in ledger.asked[-2:]} == {1}, "each had a place of its own"


@pytest.mark.slow
async def test_a_broker_that_restarts_in_the_middle_of_a_batch(
    kafka_jars: Path, tmp_path: Path
) -> None:
    with Broker(kafka_jars, tmp_path) as broker:
        settings = KafkaSettings(servers=broker.servers, partitions=2, session_timeout_s=2.0)
        await create_topics(settings)
        async with KafkaBus(settings) as bus:
            await bus.publish(numbered(0, 40))
            found: set[int] = set()
            restarted = False
            async with asyncio.timeout(DEADLINE_S):
                while len(found) < 60:
                    try:
                        async with bus.consumer("group", [SCANS]) as member:
                            async for batch in member.batches():
                                if not restarted:
                                    broker.kill()
                                    broker.start()
                                    restarted = True
                                    await bus.publish(numbered(40, 20))
                                found |= {int(r.body) for r in batch}
                                if len(found) >= 60:
                                    break
                    except Unavailable:
                        await asyncio.sleep(0.1)
        assert found == set(range(60))


async def test_a_client_that_has_stopped_fetching_is_noticed(kafka: KafkaSettings) -> None:
    """Aiokafka's fetching task can end with an error that it only logs."""
    async with (
        KafkaBus(kafka) as bus,
        bus.consumer("group", [SCANS]) as member,
        aclosing(member.batches()) as batches,  # pyright: ignore[reportArgumentType]
    ):
        await bus.publish(numbered(0, 1))
        async with asyncio.timeout(DEADLINE_S):
            assert len(await anext(batches)) == 1
            member._client._fetcher._fetch_task.cancel()
            with pytest.raises(Unavailable, match="stopped fetching"):
                await anext(batches)


# --- the producer's retry ------------------------------------------------------------------------


class Wiretap:
    """A proxy before a broker that can lose the answer to a produce request."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.lose = 0
        self.lost = 0
        self._serving: set[asyncio.Task[None]] = set()

    async def closed(self) -> None:
        """Wait until every connection has ended: the broker is gone by then."""
        if self._serving:
            await asyncio.wait(self._serving)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with ending(writer):
            from_broker, to_broker = await asyncio.open_connection(HOST, self._port)
            async with ending(to_broker):
                await self._carry(reader, writer, from_broker, to_broker)

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        from_broker: asyncio.StreamReader,
        to_broker: asyncio.StreamWriter,
    ) -> None:
        produced = asyncio.Event()

        async def answers() -> None:
            while data := await from_broker.read(1 << 16):
                if produced.is_set() and self.lose:
                    self.lose -= 1
                    self.lost += 1
                    break  # the broker has done it; the client never hears
                produced.clear()
                writer.write(data)
                await writer.drain()
            writer.close()

        answering = asyncio.create_task(answers())
        try:
            while head := await reader.readexactly(4):
                body = await reader.readexactly(int.from_bytes(head))
                if int.from_bytes(body[:2]) == 0:  # ApiKey 0 is Produce
                    produced.set()
                to_broker.write(head + body)
                await to_broker.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            to_broker.close()
            await asyncio.wait([answering])


@asynccontextmanager
async def ending(writer: asyncio.StreamWriter) -> AsyncGenerator[None]:
    """Close a connection at the end, whatever comes; a refused or lost one is no fault of ours."""
    with suppress(ConnectionError):
        try:
            yield
        finally:
            writer.close()
            await writer.wait_closed()


@asynccontextmanager
async def tapped_broker(jars: Path, folder: Path) -> AsyncGenerator[tuple[str, Wiretap]]:
    """A broker whose clients are sent through a wiretap: its address is the advertised one."""
    inner, outer = free_port(), free_port()
    broker = Broker(
        jars, folder, inner,
        properties={"advertised.listeners": f"PLAINTEXT://{HOST}:{outer}"},
    )  # fmt: skip
    tap = Wiretap(inner)
    server = await asyncio.start_server(tap.accept, HOST, outer)
    try:
        with broker:
            yield f"{HOST}:{outer}", tap
    finally:
        server.close()
        await tap.closed()


async def test_a_retry_after_a_lost_answer_is_not_a_second_record(
    kafka_jars: Path, tmp_path: Path
) -> None:
    async with tapped_broker(kafka_jars, tmp_path) as (servers, tap):
        settings = KafkaSettings(servers=servers, partitions=1)
        await create_topics(settings)
        async with KafkaBus(settings) as bus:
            await bus.publish(numbered(0, 5))
            tap.lose = 2
            await bus.publish(numbered(5, 5))
            await bus.publish(numbered(10, 5))
            assert await read(bus, 15) == list(range(15))
    assert tap.lost == 2


# --- away ---------------------------------------------------------------------------------------


async def test_a_broker_that_is_away_is_unavailable_not_wrong() -> None:
    settings = KafkaSettings(servers=f"{HOST}:{free_port()}")
    async with KafkaBus(settings) as bus:
        with pytest.raises(Unavailable, match="bus_unavailable"):
            await bus.publish(numbered(0, 1))
        with pytest.raises(Unavailable, match="bus_unavailable"):
            await read(bus, 1)
    with pytest.raises(Unavailable, match="bus_unavailable"):
        await create_topics(settings)


# --- topics --------------------------------------------------------------------------------------


async def test_topics_come_from_the_flow_and_are_made_once(kafka_servers: str) -> None:
    settings = KafkaSettings(servers=kafka_servers, prefix="made.", partitions=3)
    assert set(await create_topics(settings)) == {f"made.{s.topic}" for s in STREAMS}
    assert await create_topics(settings) == []
    admin = AIOKafkaAdminClient(**connection_options(settings))
    await admin.start()
    described = await admin.describe_topics([f"made.{s.topic}" for s in STREAMS])
    kept = await _configs(admin, f"made.{SCANS}")
    await admin.close()
    counts = {topic["topic"]: len(topic["partitions"]) for topic in described}
    assert counts == {f"made.{s.topic}": min(s.partitions, 3) for s in STREAMS}
    wanted = {"retention.ms": "-1", "cleanup.policy": "delete", "min.insync.replicas": "1"}
    assert kept.items() >= wanted.items()


async def test_retention_is_a_setting(kafka_servers: str) -> None:
    settings = KafkaSettings(servers=kafka_servers, prefix="kept.", retention_ms=3_600_000)
    await create_topics(settings)
    admin = AIOKafkaAdminClient(**connection_options(settings))
    await admin.start()
    kept = await _configs(admin, f"kept.{SCANS}")
    await admin.close()
    assert kept["retention.ms"] == "3600000"


async def _configs(admin: AIOKafkaAdminClient, topic: str) -> dict[str, str]:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            asked = ConfigResource(ConfigResourceType.TOPIC, topic)
            (answer,) = await admin.describe_configs([asked])
            ((error, _, _, _, entries),) = answer.resources
            if not error:  # a topic that was just made is not known at once
                return {entry[0]: entry[1] for entry in entries}
            await asyncio.sleep(0.01)


async def test_topics_that_cannot_be_made_or_forget_are_said(kafka_servers: str) -> None:
    with pytest.raises(Misconfigured, match="no_kafka"):
        await create_topics(KafkaSettings())
    with pytest.raises(Misconfigured, match="topic_not_made"):
        await create_topics(KafkaSettings(servers=kafka_servers, prefix="three.", replication=3))
    settings = KafkaSettings(servers=kafka_servers, prefix="short.")
    admin = AIOKafkaAdminClient(**connection_options(settings))
    await admin.start()
    await admin.create_topics(
        [NewTopic(f"short.{SCANS}", 1, 1, topic_configs={"retention.ms": "60000"})]
    )
    async with asyncio.timeout(DEADLINE_S):
        while f"short.{SCANS}" not in await admin.list_topics():
            await asyncio.sleep(0.01)
    await admin.close()
    with pytest.raises(Misconfigured, match="topic_forgets"):
        await create_topics(settings)


@pytest.mark.slow
async def test_a_topic_that_is_not_there_is_named_as_the_reason(kafka_servers: str) -> None:
    async with KafkaBus(KafkaSettings(servers=kafka_servers, prefix="nowhere.")) as bus:
        with pytest.raises(Unavailable, match="no_such_topic"):
            await bus.publish(numbered(0, 1))
