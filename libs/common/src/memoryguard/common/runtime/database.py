# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL: one schema and one role per service, plain SQL migrations under an advisory lock."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from typing import Any, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from memoryguard.common.errors import Corrupt, Misconfigured, Unavailable

Pool: TypeAlias = asyncpg.Pool
Connection: TypeAlias = asyncpg.Connection | PoolConnectionProxy

RUNTIME_MIGRATIONS = "memoryguard.common.runtime.migrations"
OWNED_SCHEMAS: Mapping[str, str] = {"audit": "log"}
"""Schemas that a service works in and does not own: their migrations are ``owned`` in its package,
and whoever prepares the database applies them."""
SCRAM_ITERATIONS = 4096
ADVISORY_CLASS = 0x4D47  # "MG": keeps our advisory locks apart from anybody else's

AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # asyncpg 0.32 of a connection whose server has just died
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


def owner_of(service: str) -> str:
    """Role that owns what a service works with and may not change; nobody logs in as it."""
    return f"{role_of(service)}_owner"


def lock_key(*names: str) -> int:
    """Key of an advisory lock: 32 bits of a hash, the same in every process."""
    digest = hashlib.sha256("/".join(names).encode()).digest()
    return int.from_bytes(digest[:4], "big", signed=True)


async def prepare(
    admin_url: str, services: Iterable[str], passwords: Mapping[str, str] | None = None
) -> None:
    """Make each service's role and schema, and the embedded bus's schema. Idempotent.

    Parameters
    ----------
    admin_url
        URL of a login that may create roles and schemas in this database.
    services
        Names of the services.
    passwords
        Login passwords, by service; the others' stay as they are.

    Raises
    ------
    Misconfigured
        ``database_unreachable``, ``database_login_refused``, ``may_not_prepare``.
    """
    connection = await connect(admin_url)
    try:
        async with connection.transaction():
            await lock(connection, "prepare")
            await connection.execute("create schema if not exists bus")
            await connection.execute(_sql("bus.sql"))
            for service in services:
                await _prepare_service(connection, service)
                if service in OWNED_SCHEMAS:
                    await _prepare_owned(connection, service, OWNED_SCHEMAS[service])
            for service, password in (passwords or {}).items():
                verifier = scram_verifier(password)
                await connection.execute(f"alter role {role_of(service)} password '{verifier}'")
    except asyncpg.InsufficientPrivilegeError as error:
        raise Misconfigured(
            "may_not_prepare",
            "this login may not make roles and schemas in the database",
            "use one with CREATEROLE, and CREATE on the database",
        ) from error
    finally:
        await connection.close()


def scram_verifier(password: str, salt: bytes | None = None) -> str:
    """Make what PostgreSQL keeps of a password, so that its log never sees the password itself.

    ``SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`` (PostgreSQL manual, pg_authid),
    with the keys of RFC 5802, section 3. 4096 iterations are PostgreSQL's own default.

    Raises
    ------
    Misconfigured
        ``bad_role_passwords``: empty, or not of printable ASCII characters.
    """
    if not (password and password.isascii() and password.isprintable()):
        raise Misconfigured(
            "bad_role_passwords",
            "a password is empty or has other characters than printable ASCII",
            "memoryguard prepare keys makes good ones",
        )
    salt = salt or secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, SCRAM_ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    text = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${SCRAM_ITERATIONS}:{text[0]}${text[1]}:{text[2]}"


async def _prepare_service(connection: Connection, service: str) -> None:
    role = role_of(service)
    if not await connection.fetchval("select 1 from pg_roles where rolname = $1", role):
        await connection.execute(f"create role {role} login")
    await connection.execute(f"grant {role} to current_user")
    await connection.execute(f"create schema if not exists {service} authorization {role}")
    await connection.execute(f"grant usage on schema bus to {role}")
    await connection.execute(f"grant select, insert on bus.topic, bus.record to {role}")
    await connection.execute(f"grant select, insert, update on bus.cursor to {role}")


async def _prepare_owned(connection: Connection, service: str, schema: str) -> None:
    owner = owner_of(service)
    if not await connection.fetchval("select 1 from pg_roles where rolname = $1", owner):
        await connection.execute(f"create role {owner} nologin")
    await connection.execute(f"grant {owner} to current_user")
    await connection.execute(f"create schema if not exists {schema} authorization {owner}")
    await connection.execute(f"set local role {owner}; set local search_path to {schema}")
    await _apply(connection, [f"memoryguard.{service}.owned"])
    await connection.execute("reset role; reset search_path")


async def connect(url: str, **settings: str) -> asyncpg.Connection:
    """Open one connection; Misconfigured when the server refuses it."""
    try:
        return await asyncpg.connect(url, server_settings=settings or None)
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise _login_refused() from error
    except (OSError, asyncpg.PostgresError, ValueError) as error:
        raise Misconfigured(
            "database_unreachable",
            "the database does not accept a connection",
            "check MEMORYGUARD_DATABASE_URL and that the server runs",
        ) from error


def _login_refused() -> Misconfigured:
    return Misconfigured(
        "database_login_refused",
        "the database refuses the user or the password in MEMORYGUARD_DATABASE_URL",
        "memoryguard prepare database sets the services' passwords",
    )


async def open_pool(
    url: str,
    service: str,
    size: int = 8,
    connection_class: type[asyncpg.Connection] = asyncpg.Connection,
) -> Pool:
    """Open a service's pool: its role, and only its schema (and the bus) in the search path."""
    try:
        return await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=size,
            connection_class=connection_class,
            reset=_keep_session,
            server_settings={"role": role_of(service), "search_path": service, "jit": "off"},
        )
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise _login_refused() from error
    except (OSError, asyncpg.PostgresError, ValueError) as error:
        raise Misconfigured(
            "database_unreachable",
            f"the database does not accept the role {role_of(service)}",
            "check MEMORYGUARD_DATABASE_URL; `memoryguard up` makes roles and schemas",
        ) from error


async def _keep_session(_: Connection) -> None:
    """Ask nothing of the server when a connection comes back: it is a round trip each time.

    Transactions and listeners have ended by then, and nobody changes settings of a session; a lock
    of a session is let go by `session_lock`.
    """


@asynccontextmanager
async def listening(
    pool: Pool, channel: str, heard: Callable[..., Any]
) -> AsyncGenerator[tuple[Connection, asyncio.Event]]:
    """Hear a channel's notifications.

    Yields
    ------
    tuple[Connection, asyncio.Event]
        The connection, and an event that is set when it is lost and will hear nothing more.
    """
    lost = asyncio.Event()

    def on_loss(_: object) -> None:
        lost.set()

    async with pool.acquire() as connection:
        connection.add_termination_listener(on_loss)
        await connection.add_listener(channel, heard)
        try:
            yield connection, lost
        finally:
            with suppress(*AWAY):  # a lost connection has no listeners left
                connection.remove_termination_listener(on_loss)
                await connection.remove_listener(channel, heard)


@asynccontextmanager
async def session_lock(
    connection: Connection, *names: str, wait: bool = True
) -> AsyncGenerator[bool]:
    """Hold an advisory lock over several transactions.

    Yields
    ------
    bool
        Whether it is held; always, when it is waited for.
    """
    ask = "select pg_advisory_lock($1, $2) is not null" if wait else _TRY_LOCK
    try:
        yield bool(await connection.fetchval(ask, ADVISORY_CLASS, lock_key(*names)))
    finally:
        try:
            # Also when asking was cancelled: the server may have given the lock all the same.
            await connection.execute("select pg_advisory_unlock_all()")
        except asyncpg.PostgresError:
            connection.terminate()  # the server lets go of what a lost connection held
        except BaseException:
            connection.terminate()
            raise


_TRY_LOCK = "select pg_try_advisory_lock($1, $2)"


async def lock(connection: Connection, *names: str, shared: bool = False) -> None:
    """Take an advisory lock until the end of the transaction, alone or shared with others."""
    kind = "_shared" if shared else ""
    await connection.execute(
        f"select pg_advisory_xact_lock{kind}($1, $2)",  # one of two words
        ADVISORY_CLASS,
        lock_key(*names),
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
        await _apply(connection, packages)


async def _apply(connection: Connection, packages: Sequence[str]) -> None:
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
