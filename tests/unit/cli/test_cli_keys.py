# SPDX-License-Identifier: Apache-2.0
"""Rotation: online, cut short and run again, and never a way back for somebody who was erased."""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from cryptography.fernet import Fernet
from rich.progress import Progress

from memoryguard.cli import keys, rotation
from memoryguard.cli.home import RINGS, make_home
from memoryguard.cli.rotation import Ring
from memoryguard.cli.whoami import operator
from memoryguard.common.contracts.event import NOBODY, Fact, decode
from memoryguard.common.contracts.events import ObjectRef
from memoryguard.common.contracts.flow import FACTS
from memoryguard.common.contracts.oversight import KeysRetired, KeysRotated
from memoryguard.common.errors import Corrupt, Rejected, Unavailable
from memoryguard.common.runtime import blobs, subject_keys
from memoryguard.common.runtime.blobs import open_store
from memoryguard.common.runtime.database import RUNTIME_MIGRATIONS, Pool, migrate, open_pool
from memoryguard.common.runtime.objects import ObjectStore
from memoryguard.common.runtime.subject_keys import ERASED, SubjectKeys
from memoryguard.common.security.keyring import KeyRing, fingerprint
from memoryguard.ingest.service import RECIPE as INGEST

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Store

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
SUBJECTS = [f"{n:032x}" for n in range(rotation.BATCH + 6)]
DEADLINE_S = 30.0


@dataclass
class Place:
    """A store with one object for everybody, under the old key."""

    store: Store
    pool: Pool
    refs: dict[str, ObjectRef]

    def ring(self, *keys: str, store: Any = None) -> Ring:
        keyring = KeyRing(list(keys))
        return Ring("scans", keyring, SubjectKeys(store or self.store, keyring))

    async def readable(self, *keys: str) -> list[str]:
        """Whose object opens with these keys."""
        objects = ObjectStore(self.store, KeyRing(list(keys)))
        found: list[str] = []
        for subject, ref in self.refs.items():
            try:
                assert await objects.get(ref, subject) == subject.encode()
            except (Corrupt, Rejected):
                continue
            found.append(subject)
        return found

    async def erase(self, subject: str) -> None:
        """Erase as ingest does: the row, then the key under the lock."""
        await self.pool.execute("insert into erasure (subject_id) values ($1)", subject)
        async with self.pool.acquire() as connection, connection.transaction():
            await subject_keys.hold(connection)
            await self.ring(NEW, OLD).keys.destroy(subject)


@pytest_asyncio.fixture
async def place(database_url: str, tmp_path: Path) -> AsyncGenerator[Place]:
    store = open_store(str(tmp_path / "objects"))
    objects = ObjectStore(store, KeyRing([OLD]))
    refs = {s: await objects.put(f"scans/{s}", s, s.encode()) for s in SUBJECTS}
    async with await open_pool(database_url, "ingest", 4) as pool:
        await migrate(pool, "ingest", [RUNTIME_MIGRATIONS, str(INGEST.migrations)])
        yield Place(store, pool, refs)


@pytest.mark.control("164.312(a)(2)(iv)", "rotation")
async def test_every_key_is_wrapped_anew_and_no_data_is_written(place: Place) -> None:
    before = {s: bytes(await blobs.read(place.store, f"scans/{s}") or b"") for s in SUBJECTS}
    told: list[int] = []
    count = await rotation.count(place.ring(NEW, OLD))
    assert (count.under, count.settled) == ({1: len(SUBJECTS)}, False)
    census = await rotation.rotate(place.ring(NEW, OLD), place.pool, lambda n, _: told.append(n))
    assert (census.under, census.settled) == ({0: len(SUBJECTS)}, True)
    assert told == [0, 64, len(SUBJECTS)]
    assert await place.readable(NEW) == SUBJECTS
    assert await place.readable(OLD) == []
    after = {s: bytes(await blobs.read(place.store, f"scans/{s}") or b"") for s in SUBJECTS}
    assert after == before


async def test_services_read_and_write_all_the_while(place: Place) -> None:
    """Replicas have the ring in either order while it is rolled out."""
    done = asyncio.Event()

    async def serve(*keys: str) -> int:
        objects, n = ObjectStore(place.store, KeyRing(list(keys))), 0
        while not done.is_set() or n == 0:
            subject = SUBJECTS[n % len(SUBJECTS)]
            assert await objects.get(place.refs[subject], subject) == subject.encode()
            await objects.put(f"new/{keys[0][:4]}-{n}", f"{n:031x}f", b"x")
            n += 1
        return n

    serving = [asyncio.create_task(serve(*ring)) for ring in ((OLD, NEW), (NEW, OLD))]
    for _ in range(3):
        await rotation.rotate(place.ring(NEW, OLD), place.pool)
    done.set()
    assert all(await asyncio.gather(*serving))
    assert (await rotation.rotate(place.ring(NEW, OLD), place.pool)).settled


async def test_cut_short_it_is_run_again(place: Place) -> None:
    def killed(done: int, _: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await rotation.rotate(place.ring(NEW, OLD), place.pool, killed)
    half = await rotation.count(place.ring(NEW, OLD))
    assert (half.under, half.settled) == ({0: 64, 1: len(SUBJECTS) - 64}, False)
    assert await place.readable(NEW, OLD) == SUBJECTS
    assert (await rotation.rotate(place.ring(NEW, OLD), place.pool)).settled


async def test_only_one_rotates(place: Place) -> None:
    first = rotation.rotate(place.ring(NEW, OLD), place.pool)
    second = rotation.rotate(place.ring(NEW, OLD), place.pool)
    done = await asyncio.gather(first, second, return_exceptions=True)
    (refused,) = (each for each in done if isinstance(each, Unavailable))
    assert refused.code == "rotation_under_way"


async def test_the_erased_stay_erased(place: Place) -> None:
    gone = SUBJECTS[3]
    await place.erase(gone)
    census = await rotation.rotate(place.ring(NEW, OLD), place.pool)
    assert (census.erased, census.under[0]) == (1, len(SUBJECTS) - 1)
    assert await place.readable(NEW, OLD) == [s for s in SUBJECTS if s != gone]


class InBetween:
    """A store: as a rotation is about to write a key, an erasure of that person begins."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.erasing: list[asyncio.Task[None]] = []

    def list(self, folder: str) -> Any:
        return self._place.store.list(folder)

    async def get_async(self, path: str) -> Any:
        return await self._place.store.get_async(path)

    async def put_async(self, path: str, pieces: Any, **options: Any) -> Any:
        if not self.erasing:
            self.erasing.append(asyncio.create_task(self._place.erase(path.removeprefix("keys/"))))
            await self._as_far_as_it_comes(self.erasing[0])
        return await self._place.store.put_async(path, pieces, **options)

    async def _as_far_as_it_comes(self, task: asyncio.Task[None]) -> None:
        """Wait until the erasure is done, or stands before a lock."""
        async with asyncio.timeout(DEADLINE_S):
            while not task.done() and not await self._place.pool.fetchval(
                "select exists (select from pg_locks where locktype = 'advisory' and not granted"
                " and database = (select oid from pg_database"
                " where datname = current_database()))"
            ):
                await asyncio.sleep(0.01)


async def test_an_erasure_between_reading_and_writing_a_key_wins(place: Place) -> None:
    store = InBetween(place)
    await rotation.rotate(place.ring(NEW, OLD, store=store), place.pool)
    await store.erasing[0]
    census = await rotation.count(place.ring(NEW, OLD))
    assert (census.erased, census.under[0]) == (1, len(SUBJECTS) - 1)


async def test_a_late_write_over_an_erased_key_is_undone_by_the_next_run(place: Place) -> None:
    """The one way around the lock: its holder is lost while its write is on the way."""
    gone = SUBJECTS[0]
    late = bytes(await blobs.read(place.store, f"keys/{gone}") or b"")
    await place.erase(gone)
    await blobs.write(place.store, f"keys/{gone}", [late], "overwrite")
    assert gone in await place.readable(NEW, OLD)
    await rotation.rotate(place.ring(NEW, OLD), place.pool)
    assert bytes(await blobs.read(place.store, f"keys/{gone}") or b"") == ERASED


async def test_a_key_that_nothing_opens_is_told_and_holds_nobody_up(place: Place) -> None:
    stranger = KeyRing([Fernet.generate_key().decode()]).wrap(bytes(32), SUBJECTS[0])
    await blobs.write(place.store, f"keys/{SUBJECTS[0]}", [stranger], "overwrite")
    census = await rotation.rotate(place.ring(NEW, OLD), place.pool)
    assert (census.unreadable, census.under[0], census.settled) == (1, len(SUBJECTS) - 1, False)
    assert bytes(await blobs.read(place.store, f"keys/{SUBJECTS[0]}") or b"") == stranger
    with pytest.raises(SystemExit):
        keys.finish([census], False)


async def test_keys_of_other_rings_are_passed_over(place: Place) -> None:
    vault = SubjectKeys(place.store, KeyRing([NEW]), "keys/identity")
    await vault.get(SUBJECTS[0], create=True)
    census = await rotation.count(place.ring(NEW, OLD))
    assert census.under.total() == len(SUBJECTS)
    assert [subject async for subject in vault.subjects()] == [SUBJECTS[0]]


# --- the rings of a home -------------------------------------------------------------------


def test_a_home_that_is_stopped_gets_a_fresh_key_before_its_old_one(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    old = {name: home.ring(name) for name in RINGS}
    for _ in range(2):  # begun once, it is not begun again
        keys.begin_rotation(home)
    for name in RINGS:
        assert len(home.ring(name)) == 2
        assert home.ring(name)[1:] == old[name]
        assert (home.keys / name).stat().st_mode & 0o777 == 0o600
    assert len({key for name in RINGS for key in home.ring(name)}) == 4


def test_a_running_platform_has_to_know_the_fresh_key_first(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    with home.locked():
        with home.announced("http://x", ""):
            for attempt in (keys.begin_rotation, keys.begin_rotation):
                with pytest.raises(Unavailable) as error:
                    attempt(home)
                assert error.value.code == "restart_needed"
            with pytest.raises(Unavailable):
                keys.check_old_keys(home, [])
        assert len(home.ring("encryption.key")) == 2
        with home.announced("http://x", ""):  # started again
            keys.begin_rotation(home)
            keys.check_old_keys(home, [])
            keys.keep_first_keys(home)
    assert [len(home.ring(name)) for name in RINGS] == [1, 1]


async def test_an_old_key_stays_as_long_as_it_is_needed(place: Place, tmp_path: Path) -> None:
    home = make_home(tmp_path)
    keys.begin_rotation(home)
    census = await rotation.count(place.ring(NEW, OLD))
    with pytest.raises(Rejected) as error:
        keys.check_old_keys(home, [census])
    assert error.value.code == "old_key_in_use"
    assert len(home.ring("encryption.key")) == 2


async def test_a_deployments_rings_are_those_of_the_environment(
    place: Place, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MEMORYGUARD_IDENTITY_KEY", raising=False)
    monkeypatch.setenv("IMAGING_STORAGE_PATH", str(tmp_path / "objects"))
    monkeypatch.setenv("IMAGING_ENCRYPTION_KEY", f"{NEW},{OLD}")
    deployment = keys.Place(make_home(tmp_path / "home"), database_url)
    assert [ring.name for ring in deployment.rings()] == ["scans"]
    monkeypatch.setenv("MEMORYGUARD_IDENTITY_KEY", Fernet.generate_key().decode())
    with Progress(disable=True) as progress:
        scans, identities = await keys.rotated(deployment, progress)
    assert scans.document()["keys"] == [
        {"position": 0, "fingerprint": scans.fingerprints[0], "subjects": len(SUBJECTS)},
        {"position": 1, "fingerprint": scans.fingerprints[1], "subjects": 0},
    ]
    assert identities.under.total() == 0
    assert await said(place.pool) == [
        KeysRotated(
            **by_us(), ring="scans", fingerprint=scans.fingerprints[0], rewrapped=len(SUBJECTS)
        ),
        KeysRotated(
            **by_us(), ring="identities", fingerprint=identities.fingerprints[0], rewrapped=0
        ),
    ]
    with Progress(disable=True) as progress:
        await keys.rotated(deployment, progress)
    again = (await said(place.pool))[2:]
    assert [fact.rewrapped for fact in again if isinstance(fact, KeysRotated)] == [0, 0]


async def test_what_is_removed_from_a_homes_rings_is_said(
    place: Place, database_url: str, tmp_path: Path
) -> None:
    home = make_home(tmp_path / "home")
    old = {name: fingerprint(home.ring(name)[0]) for name in RINGS}
    keys.begin_rotation(home)
    with home.locked(), home.announced("http://x", database_url):
        for _ in range(2):  # the second time there is nothing to remove, or to say
            await keys.retired(keys.Place(home))
    assert await said(place.pool) == [
        KeysRetired(**by_us(), ring="scans", fingerprints=(old["encryption.key"],)),
        KeysRetired(**by_us(), ring="identities", fingerprints=(old["identity.key"],)),
    ]


def by_us() -> dict[str, Any]:
    return {"subject_id": NOBODY, "operator": operator()}


async def said(pool: Pool) -> list[Fact]:
    rows = await pool.fetch("select body from outbox order by position")
    return [decode(row["body"], FACTS).data for row in rows]


def test_the_operator_is_who_the_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert operator() == pwd.getpwuid(os.getuid()).pw_name
