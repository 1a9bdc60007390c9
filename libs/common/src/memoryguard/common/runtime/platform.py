# SPDX-License-Identifier: Apache-2.0
"""What a service is given: pool, bus, object store, keys, and processes for CPU work."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memoryguard.common.contracts.event import Event, Fact
from memoryguard.common.runtime import database
from memoryguard.common.runtime.blobs import open_store
from memoryguard.common.runtime.bus import Bus
from memoryguard.common.runtime.bus_postgres import PostgresBus
from memoryguard.common.runtime.objects import ObjectStore
from memoryguard.common.runtime.outbox import Outbox
from memoryguard.common.runtime.processes import Processes
from memoryguard.common.runtime.settings import PlatformSettings
from memoryguard.common.security.keyring import KeyRing, VaultKey
from memoryguard.common.security.oidc import Authority, open_authority

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Store


@dataclass(frozen=True, slots=True)
class Platform:
    """Everything that is opened for one service."""

    name: str
    settings: PlatformSettings
    pool: database.Pool
    bus: Bus
    outbox: Outbox
    store: Store
    objects: ObjectStore
    vault: VaultKey
    tokens: Authority
    processes: Processes

    async def say(self, *facts: Fact) -> list[Event]:
        """Say facts that no event caused, in a transaction of their own; those that are new."""
        async with self.pool.acquire() as connection, connection.transaction():
            new = await self.outbox.append(connection, facts)
        self.outbox.wake()
        return new


@asynccontextmanager
async def open_bus(settings: PlatformSettings, pool: database.Pool) -> AsyncGenerator[Bus]:
    """Open the bus that the settings name: Kafka, or the embedded one in PostgreSQL."""
    if not settings.kafka.servers:
        yield PostgresBus(pool)
        return
    from memoryguard.common.runtime.bus_kafka import KafkaBus

    async with KafkaBus(settings.kafka) as bus:
        yield bus


@asynccontextmanager
async def open_platform(
    name: str,
    settings: PlatformSettings,
    migrations: str | None,
    processes: Processes,
) -> AsyncGenerator[Platform]:
    """Open a service's resources and bring its schema up to date.

    Parameters
    ----------
    name
        The service.
    settings
        Of this process.
    migrations
        Package with the service's own migrations.
    processes
        Pool for CPU work; shared by the services of one process.
    """
    url = settings.database_url.get_secret_value()
    # Keys first: without them nothing is even opened.
    keyring = KeyRing.from_setting(settings.encryption_keys.get_secret_value())
    vault = VaultKey.from_setting(settings.vault_key.get_secret_value())
    store = open_store(settings.storage)
    # Two connections stay taken: the bus's listener and the relay.
    async with (
        await database.open_pool(url, name, size=14) as pool,
        open_bus(settings, pool) as bus,
        open_authority(settings) as tokens,
    ):
        packages = [database.RUNTIME_MIGRATIONS, *([migrations] if migrations else [])]
        await database.migrate(pool, name, packages)
        yield Platform(
            name=name,
            settings=settings,
            pool=pool,
            bus=bus,
            outbox=Outbox(name),
            store=store,
            objects=ObjectStore(store, keyring),
            vault=vault,
            tokens=tokens,
            processes=processes,
        )
