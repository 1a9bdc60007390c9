# SPDX-License-Identifier: Apache-2.0
"""``memoryguard keys``: which key wraps what, rotate them, let go of old ones.

In a home the rings are files, and these commands change them too. In a deployment they are secrets
of its own; docs/RUNBOOK.md says in which order they are changed. What was done, and by whom, is an
event of ingest's: it leaves at once where ingest runs, and else when it starts.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from cryptography.fernet import Fernet
from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import Progress

from memoryguard.cli import rotation
from memoryguard.cli.access import DEFAULT_HOME, AsJson, HomeFolder
from memoryguard.cli.audit import database_of
from memoryguard.cli.home import RINGS, Home
from memoryguard.cli.rotation import Census, Ring
from memoryguard.cli.settings import read_key_settings
from memoryguard.cli.whoami import operator
from memoryguard.common.contracts.event import NOBODY, Fact
from memoryguard.common.contracts.oversight import KeysRetired, KeysRotated
from memoryguard.common.errors import Misconfigured, Rejected, Unavailable
from memoryguard.common.runtime.blobs import open_store
from memoryguard.common.runtime.database import RUNTIME_MIGRATIONS, Pool, migrate, open_pool
from memoryguard.common.runtime.outbox import Outbox
from memoryguard.common.runtime.subject_keys import SubjectKeys
from memoryguard.common.security.keyring import KeyRing, fingerprint
from memoryguard.ingest.people.identity import KEYS_FOLDER

app = App(name="keys", help="The keys that wrap every person's key.")
err = Console(stderr=True)

DatabaseUrl: TypeAlias = Annotated[
    str | None,
    Parameter(
        env_var="MEMORYGUARD_DATABASE_URL",
        help="Of a deployment, whose rings are in the environment; --home by default.",
    ),
]
INGEST_MIGRATIONS = "memoryguard.ingest.migrations"
NAMES = {"encryption.key": "scans", "identity.key": "identities"}
FOLDERS = {"scans": "keys", "identities": KEYS_FOLDER}


@app.command
def status(
    *, home: HomeFolder = DEFAULT_HOME, database_url: DatabaseUrl = None, json: AsJson = False
) -> None:
    """Tell how many people's keys are wrapped with which key."""
    place = Place(Home(home.resolve()), database_url)
    finish(asyncio.run(counted(place)), json)


@app.command
def rotate(
    *, home: HomeFolder = DEFAULT_HOME, database_url: DatabaseUrl = None, json: AsJson = False
) -> None:
    """Wrap every person's key under the first key of the ring; in a home, under a fresh one.

    Services keep running, and nothing but these small keys is written. Cut short, run it again.
    """
    place = Place(Home(home.resolve()), database_url)
    with Progress(console=err, transient=True, disable=json) as progress:
        censuses = asyncio.run(rotated(place, progress))
    finish(censuses, json)


@app.command
def retire(*, home: HomeFolder = DEFAULT_HOME, json: AsJson = False) -> None:
    """Remove a home's old keys, when nothing is wrapped with them any more."""
    finish(asyncio.run(retired(Place(Home(home.resolve())))), json)


@dataclass(frozen=True, slots=True)
class Place:
    """A home, or a deployment with this database and its rings in the environment."""

    home: Home
    database_url: str | None = None

    def rings(self) -> list[Ring]:
        """Rings with what they wrap."""
        if self.database_url is None:
            storage = str(self.home.folder / "objects")
            keyrings = {NAMES[file]: KeyRing(self.home.ring(file)) for file in RINGS}
        else:
            storage, keyrings = _deployment()
        store = open_store(storage)
        return [
            Ring(name, keyring, SubjectKeys(store, keyring, FOLDERS[name]))
            for name, keyring in keyrings.items()
        ]

    @asynccontextmanager
    async def database(self) -> AsyncGenerator[str]:
        """Yield the database's URL; nobody starts a home's platform meanwhile."""
        if self.database_url is not None:
            yield self.database_url
            return
        if not self.home.keys.exists():
            raise Misconfigured(
                "no_home",
                "this folder holds no platform",
                "give --home, or --database-url of a deployment",
            )
        async with database_of(self.home) as url:
            yield url


async def counted(place: Place) -> list[Census]:
    """Count what each ring of a place wraps."""
    async with place.database():
        return [await rotation.count(ring) for ring in place.rings()]


async def rotated(place: Place, progress: Progress) -> list[Census]:
    """Rotate each ring of a place; in a home, begin or go on."""
    async with place.database() as url, await open_pool(url, "ingest", 2) as pool:
        await migrate(pool, "ingest", [RUNTIME_MIGRATIONS, INGEST_MIGRATIONS])  # it may be older
        if place.database_url is None:
            begin_rotation(place.home)
        censuses: list[Census] = []
        for ring in place.rings():
            census = await rotation.rotate(ring, pool, _shown(progress, ring))
            await _say(pool, [_rotated(census)])
            censuses.append(census)
        return censuses


async def retired(place: Place) -> list[Census]:
    """Remove a home's old keys; what there is then.

    It is said before it is done: cut short in between, it is said once more, never left unsaid.
    """
    async with place.database() as url, await open_pool(url, "ingest", 2) as pool:
        await migrate(pool, "ingest", [RUNTIME_MIGRATIONS, INGEST_MIGRATIONS])
        censuses = [await rotation.count(ring) for ring in place.rings()]
        check_old_keys(place.home, censuses)
        await _say(pool, [_retired(census) for census in censuses if census.fingerprints[1:]])
        keep_first_keys(place.home)
        return [await rotation.count(ring) for ring in place.rings()]


def _rotated(census: Census) -> KeysRotated:
    return KeysRotated(
        subject_id=NOBODY,
        ring=census.name,
        fingerprint=census.fingerprints[0],
        rewrapped=census.rewrapped,
        operator=operator(),
    )


def _retired(census: Census) -> KeysRetired:
    return KeysRetired(
        subject_id=NOBODY,
        ring=census.name,
        fingerprints=tuple(census.fingerprints[1:]),
        operator=operator(),
    )


async def _say(pool: Pool, facts: Sequence[Fact]) -> None:
    """Put facts into ingest's outbox; its relay looks there by itself."""
    async with pool.acquire() as connection, connection.transaction():
        await Outbox("ingest").append(connection, facts)


def _shown(progress: Progress, ring: Ring) -> rotation.Told:
    task = progress.add_task(ring.name, total=None)

    def told(done: int, total: int) -> None:
        progress.update(task, completed=done, total=total)

    return told


def begin_rotation(home: Home) -> None:
    """Put a fresh key before the one of each ring, unless a rotation has begun already.

    A platform that runs does not know the fresh key yet, so nothing may be wrapped with it yet.

    Raises
    ------
    Unavailable
        ``restart_needed``.
    """
    run = home.running()
    for name in RINGS:
        keys = home.ring(name)
        if len(keys) == 1:
            home.write_ring(name, [Fernet.generate_key().decode(), *keys])
    if run and not _knows(home, run):
        raise Unavailable(
            "restart_needed",
            "a fresh key is made, and the running platform does not know it yet",
            "memoryguard down, memoryguard up, and this command again",
        )


def check_old_keys(home: Home, censuses: Sequence[Census]) -> None:
    """See that nobody needs any key of a home's rings but the first.

    Raises
    ------
    Rejected
        ``old_key_in_use``.
    Unavailable
        ``restart_needed``.
    """
    run = home.running()
    if run and not _knows(home, run):
        raise Unavailable(
            "restart_needed",
            "the running platform still wraps with an old key",
            "memoryguard down, memoryguard up, memoryguard keys rotate",
        )
    if not all(census.settled for census in censuses):
        raise Rejected(
            "old_key_in_use", "people's keys are still wrapped with it", "memoryguard keys rotate"
        )


def keep_first_keys(home: Home) -> None:
    """Remove all keys but the first from a home's rings."""
    for name in RINGS:
        home.write_ring(name, home.ring(name)[:1])


def _knows(home: Home, run: dict[str, Any]) -> bool:
    """Whether a running platform wraps with the first key of each ring."""
    rings: dict[str, list[str]] = run.get("rings", {})
    return all(rings.get(name, [""])[0] == fingerprint(home.ring(name)[0]) for name in RINGS)


def _deployment() -> tuple[str, dict[str, KeyRing]]:
    settings = read_key_settings()
    rings = {"scans": KeyRing.from_setting(settings.encryption_keys.get_secret_value())}
    if settings.identity_keys:
        rings["identities"] = KeyRing.from_setting(settings.identity_keys.get_secret_value())
    return settings.storage, rings


def finish(censuses: Sequence[Census], as_json: bool) -> None:
    """Print what there is; status 1 when something opens with no key that we have."""
    if as_json:
        print(json.dumps({"rings": [census.document() for census in censuses]}))
    else:
        for census in censuses:
            print("\n".join(_said(census)))
    if any(census.unreadable for census in censuses):
        raise SystemExit(1)


def _said(census: Census) -> list[str]:
    lines = [f"{census.name}:"]
    for position, name in enumerate(census.fingerprints, 1):
        lines.append(f"  key {position} ({name}): wraps {census.under[position - 1]} people's keys")
    if census.erased:
        lines.append(f"  erased: {census.erased} people")
    if census.unreadable:
        lines.append(f"  NO KEY OF THE RING OPENS: {census.unreadable}; remove none, add the lost")
    elif len(census.fingerprints) > 1:
        lines.append(
            "  the first key suffices: the others can be removed, once no backup needs them"
            if census.settled
            else "  every one of these keys is needed: memoryguard keys rotate"
        )
    return lines
