# SPDX-License-Identifier: Apache-2.0
"""Both buses behind one face, for the conformance suite: new members, new topics, a restart."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from memoryguard.common.contracts.flow import SERVICES
from memoryguard.common.runtime.bus import Bus
from memoryguard.common.runtime.bus_kafka import KafkaBus
from memoryguard.common.runtime.bus_postgres import PostgresBus
from memoryguard.common.runtime.database import open_pool, prepare
from memoryguard.common.runtime.kafka_client import connection_options
from memoryguard.common.runtime.postgres import embedded_postgres
from memoryguard.common.runtime.settings import KafkaSettings
from memoryguard.common.testing.broker import Broker
from memoryguard.common.testing.databases import fresh_database


class Wire(Protocol):
    """A server with a bus on it."""

    async def bus(self) -> Bus:
        """Open the bus as one more process would."""
        ...

    async def make_topics(self, *topics: str) -> None:
        """Make topics, as `memoryguard prepare topics` does; the embedded bus needs none."""
        ...

    async def kill(self) -> None:
        """Kill the server (SIGKILL)."""
        ...

    async def start(self) -> None:
        """Start it again on its data."""
        ...


@dataclass
class PostgresWire:
    """The embedded bus; a server of its own when a folder is given."""

    stack: AsyncExitStack
    url: str
    folder: Path | None = None
    server: AsyncExitStack | None = None

    async def bus(self) -> Bus:
        return PostgresBus(await self.stack.enter_async_context(await open_pool(self.url, "api")))

    async def make_topics(self, *topics: str) -> None:
        pass

    async def kill(self) -> None:
        assert self.folder and self.server
        pid = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)  # its children are left over: the next start stops them
        await self.server.aclose()

    async def start(self) -> None:
        assert self.folder
        self.server = AsyncExitStack()
        self.url = await self.server.enter_async_context(embedded_postgres(self.folder))
        self.stack.push_async_callback(self.server.aclose)


@dataclass
class KafkaWire:
    """The bus on a broker: the shared one, or one of its own."""

    stack: AsyncExitStack
    settings: KafkaSettings
    broker: Broker | None = None

    async def bus(self) -> Bus:
        return await self.stack.enter_async_context(KafkaBus(self.settings))

    async def make_topics(self, *topics: str) -> None:
        admin = AIOKafkaAdminClient(**connection_options(self.settings))
        await admin.start()
        try:
            await admin.create_topics(
                [NewTopic(self.settings.prefix + topic, 3, 1) for topic in topics]
            )
        finally:
            await admin.close()

    async def kill(self) -> None:
        assert self.broker
        self.broker.kill()

    async def start(self) -> None:
        assert self.broker
        self.broker.start()


@asynccontextmanager
async def postgres_wire(admin_url: str) -> AsyncGenerator[PostgresWire]:
    """The embedded bus in a database of its own."""
    async with fresh_database(admin_url) as url, AsyncExitStack() as stack:
        yield PostgresWire(stack, url)


@asynccontextmanager
async def own_postgres_wire(folder: Path) -> AsyncGenerator[PostgresWire]:
    """The embedded bus on a server of its own."""
    async with AsyncExitStack() as stack:
        wire = PostgresWire(stack, "", folder)
        await wire.start()
        await prepare(wire.url, SERVICES)
        yield wire


@asynccontextmanager
async def kafka_wire(servers: str, broker: Broker | None = None) -> AsyncGenerator[KafkaWire]:
    """The bus on a broker, with a prefix of its own."""
    settings = KafkaSettings(
        servers=servers, prefix=f"c{uuid.uuid4().hex[:10]}.", session_timeout_s=2.0
    )
    async with AsyncExitStack() as stack:
        yield KafkaWire(stack, settings, broker)


@asynccontextmanager
async def own_kafka_wire(jars: Path, folder: Path) -> AsyncGenerator[KafkaWire]:
    """The bus on a broker of its own."""
    with Broker(jars, folder) as broker:
        async with kafka_wire(broker.servers, broker) as wire:
            yield wire
