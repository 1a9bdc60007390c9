# SPDX-License-Identifier: Apache-2.0
"""An erasure leaves nothing, however it is cut short and whatever comes in at that moment."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from series import small_series

from memoryguard.common.contracts.event import decode, new_event
from memoryguard.common.contracts.events import ObjectRef, ScanErased
from memoryguard.common.contracts.flow import FACTS
from memoryguard.common.errors import Rejected, Unavailable
from memoryguard.common.runtime import subject_keys
from memoryguard.common.runtime.database import Connection
from memoryguard.common.runtime.objects import ObjectStore, Part
from memoryguard.common.runtime.outbox import source_of
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.sandbox import Sandbox
from memoryguard.common.security.keyring import KeyRing
from memoryguard.ingest.delivery import Intake
from memoryguard.ingest.people.erasure import TABLES, Eraser, forget, refuse_erased
from memoryguard.ingest.people.identity import IdentityVault
from memoryguard.ingest.settings import IngestSettings
from memoryguard.ingest.settling import Settling
from memoryguard.ingest.staging import Sender, Staging
from memoryguard.ingest.ways.addresses import Addresses
from memoryguard.ingest.ways.given import GivenAnswers

USER = "person"
IDENTITIES = KeyRing([base64.urlsafe_b64encode(bytes([7]) * 32).decode()])
DEADLINE_S = 30.0
ALIAS = (
    "insert into alias (alias, subject_id, user_id, confirmed, linked_by)"
    " values ($1, $2, 'person', false, '')"
)


@dataclass
class Place:
    """Ingest's platform, and what it knows about people."""

    platform: Platform
    vault: IdentityVault
    ring: KeyRing

    @property
    def eraser(self) -> Eraser:
        return Eraser(self.platform, self.vault)

    def subject(self, user: str = USER) -> str:
        return self.platform.vault.user_subject_id(user)

    async def fill(self, user: str = USER) -> None:
        """Give a person rows, objects everywhere and an identity."""
        # fmt: off
        subject = self.subject(user)
        await self.platform.pool.execute(
            "insert into alias (alias, subject_id, user_id, confirmed, linked_by)"
            " values ($1, $2, $3, false, '')",
            f"alias of {user}", subject, user,
        )
        await self.platform.pool.execute(
            "insert into series (series_key, study_key, subject_id, actor_id, confirms, ends)"
            " values ($1, '', $2, '', false, 'word')",
            f"series of {user}", subject,
        )
        await self.platform.pool.execute(
            "insert into image (image_key, series_key, digest) values ($1, $2, '')",
            f"image of {user}", f"series of {user}",
        )
        await self.platform.pool.execute(
            "insert into scan (scan_id, subject_id, user_id, sha256) values ($1, $2, $3, '')",
            f"scan of {user}", subject, user,
        )
        async with self.platform.pool.acquire() as connection:
            addresses = Addresses(self.platform.pool, self.platform.vault)
            await addresses.keep(connection, f"event of {user}", "/studies/1.2", subject)
        given = GivenAnswers(self.platform.pool, self.platform.vault)
        await given.keep(user, "key", "the names of their files", subject)
        # fmt: on
        for folder in ("staging", "scans", "derived"):
            await self.platform.objects.put(f"{folder}/{subject}/1", subject, b"brain")
        await self.vault.put(subject, "series-1", {"name": "Doe^Jane"})

    async def left(self, user: str = USER) -> dict[str, Any]:
        """What there is of a person."""
        subject, pool = self.subject(user), self.platform.pool
        rows = [
            table
            for table in TABLES
            if await pool.fetchval(f"select count(*) from {table} where subject_id = $1", subject)
        ]
        paths = [m["path"] async for batch in self.platform.store.list() for m in batch]
        bodies = await pool.fetch("select body from outbox where key = $1", subject)
        return {
            "rows": rows,
            "objects": sorted(p for p in paths if subject in p and not p.startswith("keys/")),
            "said": [decode(row["body"], FACTS).data for row in bodies],
            "keys": [
                await keys.is_destroyed(subject)
                for keys in (self.platform.objects.keys, self.vault.keys)
            ],
            "finished": await pool.fetchval(
                "select finished_at is not null from erasure where subject_id = $1", subject
            ),
        }

    def nothing(self, user: str = USER) -> dict[str, Any]:
        """What there is of a person who was erased."""
        said = [ScanErased(subject_id=self.subject(user))]
        return {"rows": [], "objects": [], "said": said, "keys": [True, True], "finished": True}


@pytest.fixture
def place(ingest: Platform) -> Place:
    ring = KeyRing.from_setting(ingest.settings.encryption_keys.get_secret_value())
    return Place(ingest, IdentityVault(ingest.store, IDENTITIES), ring)


async def test_everything_of_one_person_goes_and_nothing_of_another(place: Place) -> None:
    await place.fill()
    await place.fill("other")
    before = await place.left("other")
    assert await place.eraser.erase(USER) == 4
    assert await place.left() == place.nothing()
    assert await place.left("other") == before
    assert len(before["objects"]) == 4


async def test_asked_again_it_sweeps_and_says_nothing_new(place: Place) -> None:
    await place.fill()
    await place.eraser.erase(USER)
    late = f"derived/{place.subject()}/late"
    await place.platform.store.put_async(late, b"of a process that was killed", mode="create")
    assert await place.eraser.erase(USER) == 1
    assert await place.left() == place.nothing()


async def test_an_older_database_hears_of_it_and_forgets(place: Place) -> None:
    await place.fill()
    said = new_event(ScanErased(subject_id=place.subject()), source=source_of("ingest"))
    for _ in range(2):
        async with place.platform.pool.acquire() as connection, connection.transaction():
            assert list(await forget(said, connection)) == []
    left = await place.left()
    assert (left["rows"], left["finished"]) == ([], True)


async def test_somebody_unknown_can_be_erased_beforehand(place: Place) -> None:
    assert await place.eraser.erase("nobody yet") == 0
    assert await place.left("nobody yet") == place.nothing("nobody yet")


async def test_scans_under_another_pseudonym_of_the_account_go_too(place: Place) -> None:
    await place.platform.pool.execute(
        "insert into scan (scan_id, subject_id, user_id, sha256) values ('s', $1, $2, '')",
        "ab" * 16, USER,
    )  # fmt: skip
    await place.platform.objects.put(f"scans/{'ab' * 16}/1", "ab" * 16, b"brain")
    assert await place.eraser.erase(USER) == 1
    assert await place.platform.objects.keys.is_destroyed("ab" * 16)
    assert await place.platform.pool.fetchval("select count(*) from scan") == 0


class Failing:
    """A store that ends the process at its nth operation, before or after it is done."""

    def __init__(self, store: Any, operation: int, *, done: bool) -> None:
        self._store, self._left, self._done = store, operation, done
        self.failed = False

    async def _counted(self, deed: Callable[[], Awaitable[Any]]) -> Any:
        self._left -= 1
        if self._left == 0 and not self._done:
            self._fail()
        answer = await deed()
        if self._left == 0:
            self._fail()
        return answer

    def _fail(self) -> None:
        self.failed = True
        raise Unavailable("killed", "here the process ends")

    async def get_async(self, *a: Any, **o: Any) -> Any:
        return await self._counted(lambda: self._store.get_async(*a, **o))

    async def put_async(self, *a: Any, **o: Any) -> Any:
        return await self._counted(lambda: self._store.put_async(*a, **o))

    async def delete_async(self, *a: Any, **o: Any) -> Any:
        return await self._counted(lambda: self._store.delete_async(*a, **o))

    async def list(self, folder: str) -> AsyncGenerator[Any]:
        yield await self._counted(lambda: self._store.list(folder).collect_async())


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
async def test_cut_short_anywhere_and_asked_again_it_ends_the_same(
    place: Place, done: bool
) -> None:
    for operation in range(1, 100):
        user = f"person {operation}"
        await place.fill(user)
        store: Any = Failing(place.platform.store, operation, done=done)
        broken = replace(place.platform, store=store, objects=ObjectStore(store, place.ring))
        try:
            await Eraser(broken, IdentityVault(store, IDENTITIES)).erase(user)
        except Unavailable:
            assert (await place.left(user))["said"] == [], "nothing is said before it is done"
        await place.eraser.erase(user)
        assert await place.left(user) == place.nothing(user)
        if not store.failed:
            break
    assert operation > 6


class AtThePut(ObjectStore):
    """An object store in which something happens right before or after objects are put."""

    def __init__(
        self, place: Place, what: str, when: str, happens: Callable[[], Awaitable[Any]]
    ) -> None:
        super().__init__(place.platform.store, place.ring)
        self._what, self._when, self._happens = what, when, happens

    async def _around(self, what: str, deed: Awaitable[Any]) -> Any:
        if (what, self._when) == (self._what, "before"):
            await self._happens()
        done = await deed
        if (what, self._when) == (self._what, "after"):
            await self._happens()
        return done

    async def put(self, path: str, subject_id: str, data: Any) -> ObjectRef:
        return await self._around("scan", super().put(path, subject_id, data))

    async def put_parts(self, path: str, subject_id: str, contents: Sequence[bytes]) -> list[Part]:
        return await self._around("images", super().put_parts(path, subject_id, contents))


async def deliver(place: Place, objects: ObjectStore, folder: Path) -> None:
    """Hand a series over, as every way in does."""
    platform = replace(place.platform, objects=objects)
    sandbox = Sandbox("memoryguard.ingest.parsing", 1)
    settings = IngestSettings()
    staging = Staging(platform, sandbox)
    intake = Intake(staging, Settling(platform, sandbox, place.vault, settings), settings)
    try:
        async with intake.delivery(Sender("somebody", USER)) as delivery:
            for path in sorted(small_series(folder).iterdir()):
                await delivery.add(path.name, path.read_bytes())
            await delivery.finish()
    finally:
        await sandbox.close()


REFUSALS = (Rejected, Unavailable, asyncpg.SerializationError)


@pytest.mark.parametrize("what", ["images", "scan"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_delivery_under_way_brings_nothing_back(
    place: Place, tmp_path: Path, what: str, when: str
) -> None:
    objects = AtThePut(place, what, when, lambda: place.eraser.erase(USER))
    with pytest.raises(REFUSALS):
        await deliver(place, objects, tmp_path / "a")
    assert await place.left() == place.nothing()


async def test_a_scan_that_is_swept_before_it_is_named_is_not_announced(
    place: Place, tmp_path: Path
) -> None:
    async def sweep() -> None:
        stored = [blob.path async for blob in place.platform.objects.list("scans")]
        await place.platform.objects.delete(stored)

    with pytest.raises(Unavailable, match="object_swept"):
        await deliver(place, AtThePut(place, "scan", "after", sweep), tmp_path / "a")
    await deliver(place, place.platform.objects, tmp_path / "b")
    (path,) = [blob.path async for blob in place.platform.objects.list("scans")]
    (said,) = await place.platform.pool.fetch("select body from outbox")
    assert path.encode() in said["body"]


async def test_a_delivery_afterwards_leaves_nothing(place: Place, tmp_path: Path) -> None:
    await place.eraser.erase(USER)
    with pytest.raises(Rejected) as error:
        await deliver(place, place.platform.objects, tmp_path / "a")
    assert error.value.code == "subject_erased"
    with pytest.raises(Rejected):
        await refuse_erased(place.platform.pool, place.subject())
    assert await place.left() == place.nothing()


async def test_a_row_that_is_being_written_is_waited_for_and_goes(place: Place) -> None:
    pool, subject = place.platform.pool, place.subject()
    async with pool.acquire() as writer, writer.transaction():
        await writer.execute(ALIAS, "a", subject)
        erasing = asyncio.create_task(place.eraser.erase(USER))
        await _until_somebody_waits(pool)
        assert not erasing.done()
    await erasing
    assert await place.left() == place.nothing()
    with pytest.raises(asyncpg.SerializationError):
        await pool.execute(ALIAS, "b", subject)


async def test_keys_are_not_overwritten_while_somebody_holds_them(place: Place) -> None:
    """What a rotation relies on: while it rewraps, nothing is erased under its hands."""
    await place.fill()
    async with place.platform.pool.acquire() as rotation, rotation.transaction():
        await subject_keys.hold(rotation)
        erasing = asyncio.create_task(place.eraser.erase(USER))
        await _until_somebody_waits(place.platform.pool)
        assert not await place.platform.objects.keys.is_destroyed(place.subject())
    await erasing
    assert await place.left() == place.nothing()


async def _until_somebody_waits(pool: Any) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not await pool.fetchval(
            "select exists (select from pg_locks where locktype = 'advisory' and not granted"
            " and database = (select oid from pg_database where datname = current_database()))"
        ):
            await asyncio.sleep(0.01)


async def test_every_table_about_people_is_emptied_and_guarded(place: Place) -> None:
    async with place.platform.pool.acquire() as connection:
        about = await _tables_with(connection, "select table_name from information_schema.columns"
            " where column_name = 'subject_id' and table_schema = 'ingest'")  # fmt: skip
        guarded = await _tables_with(connection, "select event_object_table as table_name from"
            " information_schema.triggers where trigger_name = 'refuse_erased'"
            " and event_manipulation = 'INSERT' and trigger_schema = 'ingest'")  # fmt: skip
    ours = about - {"erasure", "tombstone", "keyed_answer"}  # the worker empties the last one
    assert ours == guarded == set(TABLES)


async def _tables_with(connection: Connection, query: str) -> set[str]:
    return {row["table_name"] for row in await connection.fetch(query)}
