# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL: one schema and one role per service, plain SQL migrations under an advisory lock."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from memoryguard.common.errors import Corrupt, Misconfigured, Unavailable

Pool: TypeAlias = asyncpg.Pool
Connection: TypeAlias = asyncpg.Connection | PoolConnectionProxy

RUNTIME_MIGRATIONS = "memoryguard.common.runtime.migrations"
ADVISORY_CLASS = 0x4D47  # "MG": keeps our advisory locks apart from anybody else's

AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    OSError,
    Unavailable,
)
"""What is raised when the database or the bus is away, or asks to try again."""


def role_of(service: str) -> str:
    """Role that a service works as."""
    return f"memoryguard_{service}"


def lock_key(*names: str) -> int:
    """Key of an advisory lock: 32 bits of a hash, the same in every process."""
    digest = hashlib.sha256("/".join(names).encode()).digest()
    return int.from_bytes(digest[:4], "big", signed=True)


async def prepare(admin_url: str, services: Iterable[str]) -> None:
    """Make each service's role and schema, and the embedded bus's schema. Idempotent.

    Parameters
    ----------
    admin_url
        URL of a login that may create roles and schemas in this database.
    services
        Names of the services.
    """
    connection = await connect(admin_url)
    try:
        async with connection.transaction():
            await lock(connection, "prepare")
            await connection.execute("create schema if not exists bus")
            await connection.execute(_sql("bus.sql"))
            for service in services:
                await _prepare_service(connection, service)
    finally:
        await connection.close()


async def _prepare_service(connection: Connection, service: str) -> None:
    role = role_of(service)
    if not await connection.fetchval("select 1 from pg_roles where rolname = $1", role):
        await connection.execute(f"create role {role} login")
    await connection.execute(f"grant {role} to current_user")
    await connection.execute(f"create schema if not exists {service} authorization {role}")
    await connection.execute(f"grant usage on schema bus to {role}")
    await connection.execute(f"grant select, insert on bus.topic, bus.record to {role}")
    await connection.execute(f"grant select, insert, update on bus.cursor to {role}")


async def connect(url: str, **settings: str) -> asyncpg.Connection:
    """Open one connection; Misconfigured when the server refuses it."""
    try:
        return await asyncpg.connect(url, server_settings=settings or None)
    except (OSError, asyncpg.PostgresError, ValueError) as error:
        raise Misconfigured(
            "database_unreachable",
            "the database does not accept a connection",
            "check MEMORYGUARD_DATABASE_URL and that the server runs",
        ) from error


async def open_pool(url: str, service: str, size: int = 8) -> Pool:
    """Open a service's pool: its role, and only its schema (and the bus) in the search path."""
    try:
        return await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=size,
            server_settings={"role": role_of(service), "search_path": service},
        )
    except (OSError, asyncpg.PostgresError, ValueError) as error:
        raise Misconfigured(
            "database_unreachable",
            f"the database does not accept the role {role_of(service)}",
            "check MEMORYGUARD_DATABASE_URL; `memoryguard up` makes roles and schemas",
        ) from error


async def lock(connection: Connection, *names: str) -> None:
    """Take an advisory lock until the end of the transaction."""
    await connection.execute(
        "select pg_advisory_xact_lock($1, $2)", ADVISORY_CLASS, lock_key(*names)
    )


async def migrate(pool: Pool, service: str, packages: Sequence[str]) -> None:
    """Apply every ``*.sql`` of the packages, in order, once.

    Parameters
    ----------
    pool
        The service's pool.
    service
        Name of the schema.
    packages
        Packages whose ``NNNN_name.sql`` files are applied: the runtime's first.

    Raises
    ------
    Corrupt
        ``migration_changed``: an applied file no longer has the bytes that were applied.
    """
    async with pool.acquire() as connection, connection.transaction():
        await lock(connection, "migrate", service)
        await connection.execute(
            "create table if not exists migration"
            " (name text primary key, sha256 text not null, at timestamptz not null default now())"
        )
        applied = {
            row["name"]: row["sha256"]
            for row in await connection.fetch("select name, sha256 from migration")
        }
        for name, sql in _migrations(packages):
            digest = hashlib.sha256(sql.encode()).hexdigest()
            if name not in applied:
                await connection.execute(sql)
                await connection.execute("insert into migration values ($1, $2)", name, digest)
            elif applied[name] != digest:
                raise Corrupt("migration_changed", f"migration {name} was changed after it ran")


def _migrations(packages: Sequence[str]) -> Iterable[tuple[str, str]]:
    for package in packages:
        found = (f for f in files(package).iterdir() if f.name[:4].isdigit())
        for file in sorted(found, key=lambda f: f.name):
            yield f"{package}/{file.name}", file.read_text()


def _sql(name: str) -> str:
    return (files(RUNTIME_MIGRATIONS) / name).read_text()
