# SPDX-License-Identifier: Apache-2.0
"""Erase a person: destroy their keys, delete what lies under them, and tell every service.

Four steps, in this order; each may be repeated, so an erasure that was cut short is simply asked
for again::

    begin      a row in `erasure`: from now on the database takes no new row about the person
    destroy    their keys, of scans and of the identity vault: nothing can be read or put any more
    delete     their objects; what is put at this moment sees the destroyed key and goes by itself
    finish     our rows, and the event that makes the other services forget, in one transaction
"""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from memoryguard.common.contracts.event import Event, Fact
from memoryguard.common.contracts.events import ScanErased
from memoryguard.common.errors import Rejected
from memoryguard.common.http.app import concerns
from memoryguard.common.http.route import Route
from memoryguard.common.runtime import subject_keys
from memoryguard.common.runtime.database import Connection, Pool
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import Policy
from memoryguard.ingest import described
from memoryguard.ingest.people import identity
from memoryguard.ingest.people.holds import refuse_held
from memoryguard.ingest.people.identity import IdentityVault

TABLES = ("series", "alias", "scan", "address", "answer")
"""Ingest's tables about people: each has a ``subject_id`` and the trigger ``refuse_erased``."""

FOLDERS = ("staging", "scans", "derived", identity.FOLDER)
"""Where objects about people lie, each below ``<folder>/<subject id>``."""

REMAINS = (
    "in the events on the bus and in the services' outboxes: measurements, age, sex, scanner,"
    " health metrics and accesses, with shifted dates, under the pseudonym and, where one was"
    " named, the account's id; delete the account where it is kept, and the id leads to nobody",
    "in the audit log: who did what and when, under the pseudonym. What the events said is sealed"
    " there under the person's key, which is destroyed; the log still verifies",
    "in every service a mark under the pseudonym, which keeps out whatever still comes: this"
    " account can be given no scan again",
    "grants that others gave to this account, which are theirs",
    "in copies made before now: what was copied. Scans in them open only with a copy of their key,"
    " so overwrite the copy of the store's keys",
)
"""What an erasure leaves, told to whoever asks for one."""

MAX_ID = 100


class Eraser:
    """Erases people.

    Parameters
    ----------
    platform
        Of ingest.
    vault
        Where identities are kept.
    """

    def __init__(self, platform: Platform, vault: IdentityVault) -> None:
        self._platform = platform
        self._vault = vault

    def routes(self) -> Sequence[Route]:
        """Give the one route."""
        policy = Policy("user.erase", roles=frozenset({"admin"}))
        return [
            Route("DELETE", "/api/v1/users/{user_id}", self.answer, policy, doc=described.ERASE)
        ]

    async def answer(self, request: web.Request) -> web.Response:
        """Erase an account's owner; say what was deleted and what remains."""
        user_id = request.match_info["user_id"]
        if not (len(user_id) <= MAX_ID and user_id.isprintable()):
            raise Rejected("bad_user_id", "an account has at most 100 printable characters")
        subject_id = self._platform.vault.user_subject_id(user_id)
        concerns(request, subject_id=subject_id, user_id=user_id)
        objects = await self.erase(user_id)
        return web.json_response(
            {"user_id": user_id, "objects_deleted": objects, "remains": REMAINS}
        )

    async def erase(self, user_id: str) -> int:
        """Erase everything of an account's owner; how many objects there were.

        Raises
        ------
        LegalHold
            ``legal_hold``: nothing is erased, also of an erasure that was cut short.
        """
        deleted, subjects = 0, await self._subjects(user_id)
        await refuse_held(self._platform.pool, subjects)
        for subject_id in subjects:
            await self._begin(subject_id)
            await self._destroy_keys(subject_id)
            deleted += await self._delete_objects(subject_id)
            await self._finish(subject_id)
        self._platform.outbox.wake()
        return deleted

    async def _subjects(self, user_id: str) -> list[str]:
        """Pseudonyms of an account's owner: their own, and those of their patient numbers.

        Under a number's pseudonym lies what came without an account's name.
        """
        rows = await self._platform.pool.fetch(
            "select subject_id from scan where user_id = $1"
            " union select alias from alias where user_id = $1 and confirmed",
            user_id,
        )
        own = self._platform.vault.user_subject_id(user_id)
        return sorted({own, *(row["subject_id"] for row in rows)})

    async def _begin(self, subject_id: str) -> None:
        async with self._platform.pool.acquire() as connection, connection.transaction():
            await _begin(connection, subject_id)

    async def _destroy_keys(self, subject_id: str) -> None:
        async with self._platform.pool.acquire() as connection, connection.transaction():
            await subject_keys.hold(connection)
            await self._platform.objects.keys.destroy(subject_id)
            await self._vault.keys.destroy(subject_id)

    async def _delete_objects(self, subject_id: str) -> int:
        objects = self._platform.objects
        found = [
            blob.path for folder in FOLDERS async for blob in objects.list(f"{folder}/{subject_id}")
        ]
        await objects.delete(found)
        return len(found)

    async def _finish(self, subject_id: str) -> None:
        async with self._platform.pool.acquire() as connection, connection.transaction():
            await _delete_rows(connection, subject_id)
            await self._platform.outbox.append(connection, [ScanErased(subject_id=subject_id)])


async def forget(event: Event, transaction: Connection) -> Sequence[Fact]:
    """Hear of an erasure: our own, done already, unless our database is an older one restored."""
    await _begin(transaction, event.partitionkey)
    await _delete_rows(transaction, event.partitionkey)
    return []


async def _begin(transaction: Connection, subject_id: str) -> None:
    await transaction.execute("select pg_advisory_xact_lock(19781, hashtext($1))", subject_id)
    await transaction.execute(
        "insert into erasure (subject_id) values ($1) on conflict do nothing", subject_id
    )


async def _delete_rows(transaction: Connection, subject_id: str) -> None:
    for table in TABLES:
        await transaction.execute(
            f"delete from {table} where subject_id = $1",  # noqa: S608  # of the list above
            subject_id,
        )
    await transaction.execute(
        "update erasure set finished_at = coalesce(finished_at, now()) where subject_id = $1",
        subject_id,
    )


async def refuse_erased(pool: Pool, subject_id: str) -> None:
    """Take nothing more of a person whose erasure has begun.

    Raises
    ------
    Rejected
        ``subject_erased``.
    """
    if await pool.fetchval("select exists (select from erasure where subject_id = $1)", subject_id):
        raise Rejected("subject_erased", "this person was erased; nothing new is taken of them")
