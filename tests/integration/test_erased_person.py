# SPDX-License-Identifier: Apache-2.0
"""Erasing a person, and rotating the keys of everybody else, on a whole embedded platform."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import stub_measure
from logged import logged
from rich.console import Console
from rich.progress import Progress
from series import small_series

from memoryguard.api.service import RECIPE as API
from memoryguard.atrophy.service import RECIPE as ATROPHY
from memoryguard.audit.service import RECIPE as AUDIT
from memoryguard.cli import keys, use
from memoryguard.cli.audit import verify_home
from memoryguard.cli.home import Home, make_home
from memoryguard.cli.keys import Place
from memoryguard.cli.up import Running, platform
from memoryguard.client import ApiError, AsyncClient
from memoryguard.common.errors import Rejected, Unavailable
from memoryguard.common.runtime.database import Connection, connect
from memoryguard.common.security.keyring import VaultKey
from memoryguard.common.testing.databases import fresh_database
from memoryguard.ingest.service import RECIPE as INGEST
from memoryguard.ml.service import RECIPE as ML
from memoryguard.processor.service import recipe as processor

PROCESSOR = processor(stub_measure.constant, stub_measure.drawn, stub_measure.told)
RECIPES = [
    INGEST,
    PROCESSOR,
    ATROPHY,
    ML,
    AUDIT,
    API,
]
DEADLINE_S = 60.0


async def test_a_person_is_erased_everywhere_and_the_log_still_verifies(
    tmp_path: Path, postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    home = make_home(tmp_path / "home")
    async with fresh_database(postgres_url) as url:
        async with running(home, url) as here:
            gone, kept = f"gone-{uuid.uuid4().hex[:8]}", f"kept-{uuid.uuid4().hex[:8]}"
            scans = {user: await _measured(here, user, tmp_path / user) for user in (gone, kept)}
            await _rotation_waits_for_a_restart(home)
            answer = await _erased(here, gone, capsys)
            # The archive, what the processor made of it (two documents), and who it is.
            assert answer["objects_deleted"] == 10
            await _nothing_but_tombstones(here, gone)
            await _nothing_more_is_taken(here, gone, tmp_path / gone)
            assert await _status(here, kept, scans[kept]) == "completed"
        async with running(home, url) as here:
            await _rotated_and_retired(home)
            assert await _status(here, kept, scans[kept]) == "completed"
            more = small_series(tmp_path / "more", seed=5, patient=kept)
            async with here.of(kept, "patient") as patient:
                scan = str((await patient.upload(more))["imaging_id"])
            await _until_completed(here, kept, scan)
            await _nothing_but_tombstones(here, gone)
            await _says_so_in_the_log(here, gone)
            report = await verify_home(home)
            assert report.intact and report.complete


class Here:
    """A running platform of a home."""

    def __init__(self, home: Home, running: Running) -> None:
        self.home, self.running = home, running

    @asynccontextmanager
    async def of(self, user: str, role: str) -> AsyncGenerator[AsyncClient]:
        token = self.home.issuer().issue(user, [role])
        async with AsyncClient(self.running.url, token) as opened:
            yield opened

    def subject(self, user: str) -> str:
        key = self.home.environment("")["MEMORYGUARD_VAULT_KEY"]
        return VaultKey.from_setting(key).user_subject_id(user)


@asynccontextmanager
async def running(home: Home, url: str) -> AsyncGenerator[Here]:
    async with AsyncExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setenv(
            "MEMORYGUARD_AUDIT_CHECKPOINT_S", "0.1"
        )
        opened = await stack.enter_async_context(platform(home, database_url=url, recipes=RECIPES))
        yield Here(home, opened)


async def _measured(here: Here, user: str, folder: Path) -> str:
    """Give a person health metrics, a grant and a measured scan."""
    async with here.of(user, "patient") as patient:
        await patient.send(
            "PUT",
            f"/api/v1/users/{user}/health-metrics",
            {"recorded_on": "2022-03-01", "provenance": "synthetic", "metrics": {"moca": 24}},
        )
        for guest in ("daughter", "son"):
            await patient.send("POST", "/api/v1/access/invitations", {"grantee_id": guest})
        async with here.of("daughter", "caregiver") as daughter:
            await daughter.send("POST", "/api/v1/access/grants", {"user_id": user})
        answer = await patient.upload(small_series(folder, patient=user))
    scan = str(answer["imaging_id"])
    await _until_completed(here, user, scan)
    await _until_documented(here, user)
    return scan


async def _until_completed(here: Here, user: str, scan: str) -> None:
    async with here.of(user, "patient") as patient, asyncio.timeout(DEADLINE_S):
        last = [status async for status in patient.watch(scan)][-1]
    assert last["status"] == "completed"


async def _until_documented(here: Here, user: str) -> None:
    """Wait for the DICOM objects, which no status waits for."""
    async with here.of(user, "patient") as patient, asyncio.timeout(DEADLINE_S):
        while len(json.loads(await patient.get_bytes("/dicom-web/results/instances"))) < 2:
            await asyncio.sleep(0.05)


async def _status(here: Here, user: str, scan: str) -> str:
    async with here.of(user, "patient") as patient:
        return (await patient.get(f"/api/v1/imaging/{scan}/status"))["status"]


async def _erased(here: Here, user: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    async with here.of(user, "patient") as patient:
        with pytest.raises(ApiError) as error:
            await patient.delete(f"/api/v1/users/{user}")
        assert error.value.code == "not_allowed"
    token = here.home.issuer().issue("operator", ["admin"])
    capsys.readouterr()
    await use.erase((here.running.url, token), user, False, Console())
    said = " ".join(capsys.readouterr().out.split())
    assert "What remains:" in said and "the audit log" in said
    async with here.of("operator", "admin") as admin:  # asked again
        again = await admin.delete(f"/api/v1/users/{user}")
    assert again["objects_deleted"] == 0 and again["remains"]
    return {"objects_deleted": int(said.split(" objects.")[0].split()[-1])}


async def _nothing_but_tombstones(here: Here, user: str) -> None:
    """Every table of every service, but for events, is empty of the person; so is the store."""
    subject = here.subject(user)
    connection = await connect(here.running.database_url)
    try:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                tombstones = await _having(connection, subject, tables=["tombstone"])
                rows = await _having(connection, subject, but=["tombstone", "erasure"])
                if len(tombstones) == 5 and not rows:  # audit keeps none
                    break
                await asyncio.sleep(0.05)
    finally:
        await connection.close()
    objects = here.home.folder / "objects"
    left = [p for p in await asyncio.to_thread(lambda: [*objects.rglob("*")]) if subject in str(p)]
    keys_left = [p for p in left if p.is_file()]
    assert {p.parent.name for p in keys_left} == {"keys", "identity"}
    assert {p.read_bytes() for p in keys_left} == {b"erased"}


async def _having(
    connection: Connection, subject: str, *, tables: Sequence[str] = (), but: Sequence[str] = ()
) -> list[str]:
    """Tables in which a subject has rows."""
    found = await connection.fetch(
        "select table_schema || '.' || table_name as name, table_name from"
        " information_schema.columns where column_name = 'subject_id'"
        " and table_schema <> 'log'"  # it keeps who did what; `_says_so_in_the_log` looks there
    )
    return [
        row["name"]
        for row in found
        if (row["table_name"] in tables if tables else row["table_name"] not in but)
        and await connection.fetchval(
            f"select exists (select from {row['name']} where subject_id = $1)", subject
        )
    ]


async def _nothing_more_is_taken(here: Here, user: str, folder: Path) -> None:
    async with here.of(user, "patient") as patient:
        with pytest.raises(ApiError) as error:
            await patient.send(
                "PUT",
                f"/api/v1/users/{user}/health-metrics",
                {"recorded_on": "2022-03-01", "provenance": "synthetic", "metrics": {"moca": 1}},
            )
        assert error.value.code == "subject_erased"
        with pytest.raises(ApiError):
            await patient.upload(folder)


async def _says_so_in_the_log(here: Here, user: str) -> None:
    connection = await connect(here.running.database_url)
    try:
        rows = await connection.fetch(
            "select type, action, actor, form from log.entry where subject_id = $1",
            here.subject(user),
        )
        readable = await logged(connection, here.home, f"subject_id = '{here.subject(user)}'")
        everything = await connection.fetch("select * from log.entry")
    finally:
        await connection.close()
    assert sum("scan.erased" in row["type"] for row in rows) == 1
    assert [(r["action"], r["actor"]) for r in rows].count(("user.erase", "operator")) == 2
    assert {row["form"] for row in rows} <= {"sealed", "absent"}
    assert readable == []
    assert user not in str(everything)


async def _rotation_waits_for_a_restart(home: Home) -> None:
    with pytest.raises(Unavailable) as error, Progress(disable=True) as progress:
        await keys.rotated(Place(home), progress)
    assert error.value.code == "restart_needed"


async def _rotated_and_retired(home: Home) -> None:
    old = home.ring("encryption.key")[1]
    with pytest.raises(Rejected):
        await keys.retired(Place(home))
    with Progress(disable=True) as progress:
        censuses = await keys.rotated(Place(home), progress)
    assert [(c.settled, c.under.total(), c.erased) for c in censuses] == [
        (True, 1, 1),
        (True, 1, 1),
    ]
    await keys.retired(Place(home))
    assert len(home.ring("encryption.key")) == 1
    assert old not in home.ring("encryption.key")
