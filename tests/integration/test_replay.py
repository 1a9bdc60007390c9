# SPDX-License-Identifier: Apache-2.0
"""Projections rebuilt while serving, a database of yesterday, a lost bus: nothing is lost or twice.

All six services, real PostgreSQL, and both buses; only the measuring is a stand-in.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import stub_measure
from in_thread import InThread
from series import small_series

from memoryguard.api.service import RECIPE as API
from memoryguard.atrophy.service import RECIPE as ATROPHY
from memoryguard.audit.service import RECIPE as AUDIT
from memoryguard.cli import replay
from memoryguard.cli.audit import Known, key_of, sent_checkpoints, verify_known
from memoryguard.cli.home import Home, make_home
from memoryguard.cli.replay import Deed, Outcome, Place, projection_of
from memoryguard.cli.up import Running, platform
from memoryguard.client import ApiError, AsyncClient
from memoryguard.common.contracts.events import CheckpointSigned
from memoryguard.common.contracts.flow import SERVICES, heard_by
from memoryguard.common.errors import Rejected
from memoryguard.common.runtime.bus import Received
from memoryguard.common.runtime.database import connect, open_pool, prepare
from memoryguard.common.runtime.history import history
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.run import Recipe
from memoryguard.common.runtime.settings import KafkaSettings
from memoryguard.common.runtime.topics import create_topics
from memoryguard.ingest.service import RECIPE as INGEST
from memoryguard.ml.service import RECIPE as ML
from memoryguard.processor.service import recipe as processor
from memoryguard.tlog.report import Report

Rows = dict[str, list[tuple[object, ...]]]

REBUILT = ("api", "atrophy", "ml")
QUIET_S = 90.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def in_thread(recipe: Recipe) -> Recipe:
    async def build(platform: Platform, stack: Any) -> Any:
        return await recipe.build(replace(platform, processes=InThread()), stack)

    return replace(recipe, build=build)


RECIPES = [
    in_thread(each)
    for each in (
        INGEST,
        processor(stub_measure.constant, stub_measure.drawn, stub_measure.told),
        ATROPHY,
        ML,
        AUDIT,
        API,
    )
]


@dataclass
class Site:
    """Where a platform lives: its folder, its database, its bus."""

    home: Home
    admin_url: str
    folder: Path
    patch: pytest.MonkeyPatch
    kafka: KafkaSettings
    databases: list[str] = field(default_factory=list[str])
    scans: int = 0

    @property
    def url(self) -> str:
        """The newest database is the one in use."""
        return self.url_of(self.databases[-1])

    def url_of(self, name: str) -> str:
        url = urlunsplit(urlsplit(self.admin_url)._replace(path=f"/{name}"))
        return url if url.startswith("postgresql://") else url.replace(":", "://", 1)

    async def make_database(self, template: str = "template1") -> str:
        name = f"test_{uuid.uuid4().hex[:12]}"
        admin = await connect(self.admin_url)
        try:
            await admin.execute(f"create database {name} template {template}")
        finally:
            await admin.close()
        self.databases.append(name)
        return name

    async def put_back(self) -> str:
        """Put yesterday's database in the place of today's, whose new name is given."""
        yesterday, today = self.databases
        lost = f"{today}_lost"
        admin = await connect(self.admin_url)
        try:
            await admin.execute(f"alter database {today} rename to {lost}")
            await admin.execute(f"alter database {yesterday} rename to {today}")
        finally:
            await admin.close()
        self.databases = [lost, today]
        return lost

    async def take_new_bus(self) -> None:
        """Join an empty Kafka cluster, as far as this platform can see."""
        prefix = f"t{uuid.uuid4().hex[:10]}."
        self.kafka = self.kafka.model_copy(update={"prefix": prefix})
        self.patch.setenv("MEMORYGUARD_KAFKA_PREFIX", prefix)
        await create_topics(self.kafka)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Running]:
        async with platform(self.home, database_url=self.url, recipes=RECIPES) as running:
            yield running

    @asynccontextmanager
    async def person(
        self, running: Running, user: str, role: str = "patient"
    ) -> AsyncGenerator[AsyncClient]:
        async with AsyncClient(running.url, self.home.issuer().issue(user, [role])) as person:
            yield person

    async def upload(self, person: AsyncClient, user: str, year: int = 2022) -> str:
        self.scans += 1
        series = small_series(
            self.folder / f"scan{self.scans}", seed=self.scans, patient=user, on=date(year, 3, 1)
        )
        return str((await person.upload(series))["imaging_id"])

    async def use(self, running: Running, user: str, years: tuple[int, ...]) -> list[str]:
        """A person enters metrics, uploads a scan a year, lets somebody see them, and looks."""
        async with self.person(running, user) as person:
            metrics = {"moca": 20 + len(years), "education_years": 12}
            await person.send(
                "PUT",
                f"/api/v1/users/{user}/health-metrics",
                {"recorded_on": "2022-01-01", "provenance": "synthetic", "metrics": metrics},
            )
            scans = [await self.upload(person, user, year) for year in years]
            for grantee in ("carl", "dora"):
                await person.send("POST", "/api/v1/access/invitations", {"grantee_id": grantee})
                async with self.person(running, grantee, "caregiver") as carer:
                    await carer.send("POST", "/api/v1/access/grants", {"user_id": user})
            await person.get("/api/v1/access/grants")
        return scans

    async def do(self, deed: Deed, service: str) -> dict[str, Outcome]:
        """What the command does."""
        return await replay.do(Place(self.home, self.url), service, deed)

    # --- what there is ------------------------------------------------------------------------

    async def bus(self) -> list[Received]:
        """Every event on the bus but the log's own checkpoints."""
        async with await open_pool(self.url, "audit", 2) as pool:
            found = [record async for batch in history(pool, self.kafka) for record in batch]
        return [each for each in found if CheckpointSigned.type.encode() not in each.body]

    async def quiet(self) -> None:
        """Wait until everything said is published, logged and handled by all who hear it."""
        await self.until(self._is_quiet)

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Wait for a condition; failing, say which events are not done."""
        deadline = time.monotonic() + QUIET_S
        while not await condition():
            assert time.monotonic() < deadline, await self.open()
            await asyncio.sleep(0.1)

    async def open(self) -> Rows:
        """Inbox rows that are not done."""
        found = (
            "select position, type, key, state, attempts, fence, error_code, leased_until - now()"
            " from {}.inbox where state <> 'done'"
        )
        return await self._rows({s: found.format(s) for s in SERVICES})

    async def _is_quiet(self) -> bool:
        said = {(d["source"], d["id"]): d["type"] for d in map(_document, await self.bus())}
        connection = await connect(self.url)
        try:
            for service in SERVICES:
                if await connection.fetchval(
                    f"select count(*) from {service}.outbox where sent_at is null"
                ):
                    return False
                heard = {fact.type for fact in heard_by(service)}
                rows = await connection.fetch(
                    f"select source, event_id from {service}.inbox where state = 'done'"
                )
                if {tuple(r) for r in rows} != {n for n, kind in said.items() if kind in heard}:
                    return False
            if await connection.fetchval("select count(*) from log.entry") != len(said):
                return False
        finally:
            await connection.close()
        return len(said) == len({(d["source"], d["id"]) for d in map(_document, await self.bus())})

    async def projections(self) -> Rows:
        """Every row of every projection, times and all."""
        tables = [f"{s}.{table}" for s in REBUILT for table in projection_of(s)]
        return await self._rows({table: f"select * from {table}" for table in tables})

    async def said(self) -> Rows:
        """Every outbox, with numbers; and where the numbering stands."""
        found = "select event_id, topic, key, body, counter from {}.outbox"
        head = "select epoch, counter from {}.producer"
        return await self._rows(
            {f"{s}.outbox": found.format(s) for s in SERVICES}
            | {f"{s}.producer": head.format(s) for s in SERVICES}
        )

    async def heard(self) -> Rows:
        """Every inbox, and every body in the log."""
        found = "select source, event_id, topic, type, key, digest, state from {}.inbox"
        return await self._rows(
            {f"{s}.inbox": found.format(s) for s in SERVICES}
            | {"log.entry": "select source, event_id, digest, payload from log.entry"}
        )

    async def _rows(self, questions: dict[str, str]) -> Rows:
        connection = await connect(self.url)
        try:
            return {
                name: sorted((tuple(row) for row in await connection.fetch(sql)), key=repr)
                for name, sql in questions.items()
            }
        finally:
            await connection.close()

    async def lost_checkpoints(self) -> list[str]:
        """Names of the checkpoints in the store that are larger than the log."""
        connection = await connect(self.url)
        try:
            size = await connection.fetchval("select size from log.head")
        finally:
            await connection.close()
        folder = self.home.folder / "objects" / "checkpoints"
        return [path.name for path in folder.iterdir() if int(path.name) > (size or 0)]

    async def verify(self) -> Report:
        """What `memoryguard audit verify` says."""
        return await verify_known(
            self.url, Known(key_of(self.home), await sent_checkpoints(self.home))
        )


def _document(record: Received) -> dict[str, Any]:
    return json.loads(record.body)


@pytest.fixture(params=["embedded", "kafka"])
def kafka(request: pytest.FixtureRequest) -> Generator[tuple[pytest.MonkeyPatch, KafkaSettings]]:
    """Where the bus is; the environment says it as it does to an operator's command."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMORYGUARD_AUDIT_CHECKPOINT_S", "0.2")
        if request.param == "kafka":
            patch.setenv("MEMORYGUARD_KAFKA_SERVERS", request.getfixturevalue("kafka_servers"))
            patch.setenv("MEMORYGUARD_KAFKA_PARTITIONS", "3")
            patch.setenv("MEMORYGUARD_KAFKA_SESSION_TIMEOUT_S", "2")
        else:
            patch.delenv("MEMORYGUARD_KAFKA_SERVERS", raising=False)
        yield patch, KafkaSettings()


@pytest.fixture
async def site(
    tmp_path: Path, postgres_url: str, kafka: tuple[pytest.MonkeyPatch, KafkaSettings]
) -> AsyncGenerator[Site]:
    site = Site(make_home(tmp_path / "home"), postgres_url, tmp_path, *kafka)
    if site.kafka.servers:
        await site.take_new_bus()
    await site.make_database()
    await prepare(site.url, SERVICES)
    yield site
    admin = await connect(postgres_url)
    for name in site.databases:
        await admin.execute(f"drop database {name} with (force)")
    await admin.close()


# --- rebuilt while serving -----------------------------------------------------------------------


@dataclass
class Readers:
    """How often a scan was served, and how often not yet there."""

    served: int = 0
    not_yet: int = 0

    async def read(self, person: AsyncClient, scans: list[str]) -> None:
        while True:
            for scan in scans:
                try:
                    await person.get(f"/api/v1/imaging/{scan}/status")
                    self.served += 1
                except ApiError as error:
                    assert error.code == "not_found"
                    self.not_yet += 1
                await asyncio.sleep(0.01)


async def test_projections_are_rebuilt_while_serving_and_equal(site: Site) -> None:
    async with site.running() as running:
        old = await site.use(running, "anna", (2021, 2022))
        await site.use(running, "bert", (2022,))
        await site.quiet()
        before = await site.projections()
        assert all(before.values())
        for service in REBUILT:
            readers = Readers()
            async with site.person(running, "anna") as anna, site.person(running, "new") as new:
                reading = asyncio.create_task(readers.read(anna, old))
                await site.upload(new, "new")
                await site.do(replay.rebuild(), service)
                last = await site.upload(new, "new", 2023)
                await site.until(partial(_completed, new, last))
                reading.cancel()
                await asyncio.wait([reading])
            await site.quiet()
            assert readers.served
            assert service != "api" or not readers.not_yet  # it is made beside what serves
            for table, rows in (await site.projections()).items():
                assert set(before[table]) <= set(rows), (service, table)
        loaded, said = await site.projections(), await site.said()
        for service in REBUILT:
            await site.do(replay.rebuild(), service)
        await site.quiet()
        assert await site.projections() == loaded
        assert await site.said() == said
        assert (await site.verify()).complete


async def _completed(person: AsyncClient, scan: str) -> bool:
    try:
        return (await person.get(f"/api/v1/imaging/{scan}/status"))["status"] == "completed"
    except ApiError:
        return False


# --- a database restored from yesterday ----------------------------------------------------------


async def test_a_database_of_yesterday_learns_everything_since_from_the_bus(
    site: Site, tmp_path: Path
) -> None:
    async with site.running() as running:
        await site.use(running, "anna", (2021,))
        await site.use(running, "bert", (2022,))
        await site.quiet()
    today = site.databases[-1]
    await site.make_database(template=today)
    site.databases.reverse()  # yesterday's is kept; today's goes on
    assert site.databases[-1] == today
    async with site.running() as running:
        await site.use(running, "anna", (2022, 2023))
        await site.use(running, "cleo", (2020,))
        await site.quiet()
    assert (await site.verify()).intact
    projections, said, heard = await site.projections(), await site.said(), await site.heard()

    lost_database = await site.put_back()
    if not site.kafka.servers:
        await _carry_bus(site.url_of(lost_database), site.url)
    assert await site.said() != said
    assert {f.code for f in (await site.verify()).findings} == {"truncated", "rollback"}
    # What was signed since is evidence, of a log that goes on from here in another way.
    objects = site.home.folder / "objects"
    for lost in [f"checkpoints/{name}" for name in await site.lost_checkpoints()] + ["log"]:
        (objects / lost).rename(tmp_path / lost.rpartition("/")[2])
    found = await site.do(replay.recover_from_bus, "all")
    assert all(each["restored"] > 0 for name, each in found.items() if name != "audit")
    assert {each["missing"] + each["twice"] + each["unsent"] for each in found.values()} == {0}
    assert await site.said() == said
    async with site.running() as running:
        await site.quiet()
        assert await site.projections() == projections
        assert await site.said() == said
        assert await site.heard() == heard
        await site.use(running, "cleo", (2021,))
        await site.quiet()
    report = await site.verify()
    assert report.complete, report
    assert report.intact, report


async def _carry_bus(source: str, target: str) -> None:
    """The embedded bus lies in the database; here it outlives it, as Kafka would."""
    here, there = await connect(source), await connect(target)
    try:
        await there.execute("truncate bus.cursor, bus.record, bus.topic")
        for table in ("topic", "record", "cursor"):
            rows = await here.fetch(f"select * from bus.{table}")
            await there.copy_records_to_table(
                table, schema_name="bus", records=[tuple(row) for row in rows]
            )
    finally:
        await here.close()
        await there.close()


async def test_without_recovery_numbers_are_given_twice_and_the_log_says_so(site: Site) -> None:
    """The control: what the test above proves is not true by itself."""
    async with site.running() as running:
        await site.use(running, "anna", (2021,))
        await site.quiet()
    today = site.databases[-1]
    await site.make_database(template=today)
    site.databases.reverse()
    async with site.running() as running:
        await site.use(running, "anna", (2022,))
        await site.quiet()
    site.databases.reverse()
    if not site.kafka.servers:
        await _carry_bus(site.url_of(today), site.url)
    async with site.running() as running:  # an operator forgets
        await site.use(running, "dave", (2022,))
        await site.until(partial(_dave_is_done, site))
    found = await site.do(replay.recover_from_bus, "all")
    assert found["ingest"]["twice"] > 0 and found["ml"]["twice"] > 0
    async with site.running() as running:
        await site.use(running, "dave", (2023,))
        await site.quiet()
        again = await site.do(replay.replay_all, "all")
        assert again["api"]["generation"] == 2
    report = await site.verify()
    assert report.repeats and not report.gaps


async def _dave_is_done(site: Site) -> bool:
    connection = await connect(site.url)
    try:
        return bool(
            await connection.fetchval(
                "select 1 from api.scan s join api.scan_fact using (scan_id)"
                " where s.user_id = 'dave' and kind = 'predicted'"
            )
        )
    finally:
        await connection.close()


# --- a bus that is lost --------------------------------------------------------------------------


async def test_a_lost_bus_is_said_again_with_the_same_bytes_and_numbers(site: Site) -> None:
    async with site.running() as running:
        await site.use(running, "anna", (2021, 2022))
        await site.quiet()
        with pytest.raises(Rejected, match="service_running"):
            await site.do(replay.republish, "api")
    before, projections = _in_order(await site.bus()), await site.projections()
    log = (await site.heard())["log.entry"]
    if site.kafka.servers:
        await site.take_new_bus()
    else:
        await _empty_bus(site.url)
    assert await site.bus() == []
    await site.do(replay.republish, "all")
    await site.do(replay.replay_all, "all")
    async with site.running() as running:
        await site.quiet()
        assert _in_order(await site.bus()) == before
        assert await site.projections() == projections
        assert _not_moved(await site.heard(), "log.entry") == log
        await site.use(running, "anna", (2023,))
        await site.quiet()
    report = await site.verify()
    assert report.intact and report.complete, report


async def _empty_bus(url: str) -> None:
    connection = await connect(url)
    try:
        await connection.execute("truncate bus.cursor, bus.record, bus.topic")
    finally:
        await connection.close()


def _not_moved(rows: Rows, table: str) -> list[tuple[object, ...]]:
    """Rows of the log, whose last cell is the payload."""
    return [row for row in rows[table] if not _is_move(bytes(row[-1]))]  # type: ignore[call-overload]


def _is_move(body: bytes) -> bool:
    """Whether a service says here that its bus is another one: nobody said it before."""
    try:
        data = json.loads(body)["data"]
    except ValueError:
        return False  # sealed: it is about a person
    return data.get("changed") == ["MEMORYGUARD_KAFKA_PREFIX"]


def _in_order(records: list[Received]) -> dict[tuple[str, str, str], list[bytes]]:
    """Bodies in the order that the bus promises: of one producer, about one person, in a topic."""
    found: dict[tuple[str, str, str], list[bytes]] = defaultdict(list)
    for each in records:
        if _is_move(each.body):
            continue
        found[each.topic, each.key, _document(each)["source"]].append(each.body)
    return found
