# SPDX-License-Identifier: Apache-2.0
"""``memoryguard upload`` over a connection that is cut, and ``worklist``, with a running ingest."""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from ingest_samples import series_files, zipped
from intake_site import running_intake
from pydicom.dataset import Dataset

from memoryguard.cli.home import Home
from memoryguard.cli.up import Running
from memoryguard.cli.worklist import waiting
from memoryguard.client import ApiError, AsyncClient
from memoryguard.client.uploading import TRIES
from memoryguard.common.runtime.database import connect
from memoryguard.ingest.staging import BATCH_FILES

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANSWER = -1
"""Where a connection is cut: when an upload's answer begins. Else after so many bytes of ours."""

FILLER_BYTES = 1_000_000
QUESTION_BYTES = 10_000
"""What is missing of a series is asked in less, and the series sent in more."""


async def _nothing() -> None:
    """Do nothing."""


@dataclass
class Wire:
    """A TCP proxy that cuts its first connections.

    The platform gets what was carried, and ``before_cut`` may wait for what it makes of it.
    """

    target: int
    cuts: list[int]
    before_cut: Callable[[], Awaitable[None]] = _nothing
    carried: int = 0
    served: int = 0
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.served += 1
        limit = self.cuts.pop(0) if self.cuts else None
        try:
            theirs, ours = await asyncio.open_connection("127.0.0.1", self.target)
        except BaseException:
            writer.transport.abort()
            raise
        back = asyncio.create_task(self._back(theirs, writer, deaf=limit == ANSWER))
        forth = asyncio.create_task(self._forth(reader, ours, limit))
        try:
            await asyncio.wait([back, forth], return_when=asyncio.FIRST_COMPLETED)
            if limit is not None:
                await self.before_cut()
        finally:
            for task in (back, forth):
                task.cancel()
            for each in (ours, writer):
                each.transport.abort()

    async def _forth(
        self, reader: asyncio.StreamReader, ours: asyncio.StreamWriter, limit: int | None
    ) -> None:
        carried = 0
        while limit in (None, ANSWER) or carried < limit:
            if not (data := await reader.read(4096)):
                return
            carried += len(data)
            self.carried += len(data)
            ours.write(data)
            await ours.drain()

    async def _back(
        self, theirs: asyncio.StreamReader, writer: asyncio.StreamWriter, *, deaf: bool
    ) -> None:
        while data := await theirs.read(4096):
            if deaf and self.carried > QUESTION_BYTES:
                return
            writer.write(data)
            await writer.drain()


@dataclass
class Site:
    """A running ingest, one new person, and a folder of theirs."""

    home: Home
    running: Running
    folder: Path
    user: str = field(default_factory=lambda: f"person-{uuid.uuid4().hex[:8]}")

    def write(self, *series: int, slices: int = 24, **changes: Any) -> int:
        """Write series below the folder; how many bytes they are."""
        size = 0
        for number in series:
            for name, content in self.files(number, slices, **changes):
                place = self.folder / str(number) / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
                size += len(content)
        return size

    def files(self, series: int, slices: int = 24, **changes: Any) -> list[tuple[str, bytes]]:
        def change(ds: Dataset) -> None:
            ds.PatientID = f"MRN-{self.user}"
            for keyword, value in changes.items():
                setattr(ds, keyword, value)

        return series_files(change, series=series, slices=slices)

    def fill(self, number: int) -> None:
        """Write a short file, which fills a batch, and a long one, in which to cut: servers lag."""
        (self.folder / f"{number}a").write_bytes(b"x")
        (self.folder / f"{number}b").write_bytes(b"x" * FILLER_BYTES)

    def damage(self, series: int, name: str) -> None:
        path = self.folder / str(series) / name
        path.write_bytes(path.read_bytes()[:-500])

    @asynccontextmanager
    async def wire(
        self, *cuts: int, before_cut: Callable[[], Awaitable[None]] = _nothing
    ) -> AsyncGenerator[Wire]:
        wire = Wire(int(self.running.url.rpartition(":")[2]), list(cuts), before_cut)
        async with await asyncio.start_server(wire.serve, "127.0.0.1", 0) as server:
            wire.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield wire

    async def say(self, *arguments: str, role: str = "patient", url: str = "") -> Said:
        """Run a command as this person."""
        token = self.home.issuer().issue(self.user, [role])
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "memoryguard.cli", *arguments,
            "--token", token, "--url", url or self.running.url,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        return Said(process.returncode or 0, out.decode(), err.decode())

    async def upload(self, url: str = "") -> tuple[int, dict[str, Any]]:
        said = await self.say("upload", str(self.folder), "--json", url=url)
        return said.status, json.loads(said.out)

    async def fetch(self, query: str, *arguments: object) -> Any:
        connection = await connect(self.running.database_url)
        try:
            return await connection.fetchval(query, *arguments)
        finally:
            await connection.close()

    async def kept(self) -> int:
        """Number of images of this person that are kept or were."""
        return await self.fetch(
            "select count(*) from ingest.image join ingest.series using (series_key)"
            " where user_id = $1",
            self.user,
        )

    async def scans(self) -> int:
        return await self.fetch("select count(*) from ingest.scan where user_id = $1", self.user)

    def when_kept(self, count: int) -> Callable[[], Awaitable[None]]:
        async def wait() -> None:
            async with asyncio.timeout(30):
                while await self.kept() < count:
                    await asyncio.sleep(0.02)

        return wait


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    status: int
    out: str
    err: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str
) -> AsyncGenerator[tuple[Home, Running]]:
    async with running_intake(tmp_path_factory.mktemp("commands"), postgres_url) as place:
        yield place


@pytest.fixture
def site(place: tuple[Home, Running], tmp_path: Path) -> Site:
    return Site(*place, tmp_path / "files")


# --- upload --------------------------------------------------------------------------------------


async def test_what_has_arrived_is_not_sent_again(site: Site) -> None:
    size = site.write(*range(1, 13))
    (site.folder / "notes.txt").write_text("not a picture")
    # A form is more than its files: nearly all of it, and then a little.
    cuts = (size * 102 // 100, size // 20)
    async with site.wire(*cuts, before_cut=site.when_kept(2 * BATCH_FILES)) as wire:
        status, answer = await site.upload(wire.url)
    assert status == 0
    assert wire.cuts == []
    assert [scan["instances"] for scan in answer["scans"]] == [24] * 12
    assert await site.scans() == 12
    assert answer["counts"] == {"kept": 288, "left_out": 1}
    assert len(answer["files"]) == 289
    names = [path.name for path in sorted(site.folder.rglob("*")) if path.is_file()]
    assert [file["name"] for file in answer["files"]] == names
    # Nearly all before the cuts; after them what was not kept, 160 of 288 files at most.
    assert wire.carried < 1.8 * size


async def test_a_zip_is_sent_again_and_several_paths_go_together(site: Site) -> None:
    site.write(1)
    packed = site.folder.with_suffix(".zip")
    packed.write_bytes(zipped(site.files(2)))
    async with site.wire(20_000) as wire:
        said = await site.say("upload", str(site.folder), str(packed), url=wire.url)
    assert (said.status, said.out.count("taken in as "), said.out.count("(24 images)")) == (0, 2, 2)
    assert said.err == ""


async def test_an_answer_that_was_lost_is_given_again(site: Site) -> None:
    size = site.write(1)
    async with site.wire(ANSWER) as wire:
        status, answer = await site.upload(wire.url)
    assert (status, answer["counts"], wire.served) == (0, {"kept": 24}, 2)
    assert answer["scans"][0]["instances"] == 24
    assert await site.scans() == 1
    async with site.wire() as wire:
        status, again = await site.upload(wire.url)
    assert (status, again["counts"]) == (0, {"duplicate": 24})
    assert wire.carried < size / 2  # the command given again sends only names
    assert again["imaging_id"] == answer["imaging_id"]


async def test_a_damaged_file_in_a_piece_that_was_cut_off_refuses_all_of_them(site: Site) -> None:
    """It is the last slice of a series that looks whole without."""
    size = site.write(1, 2, 3)
    site.damage(1, "IM0023")
    site.fill(4)
    site.write(5)
    cut = size + FILLER_BYTES // 2
    async with site.wire(cut, before_cut=site.when_kept(BATCH_FILES - 1)) as wire:
        cut_off = await site.upload(wire.url)
    assert wire.served == 2
    assert await site.kept() == 0
    assert cut_off == await site.upload()
    status, answer = cut_off
    assert (status, answer["code"]) == (3, "truncated_file")
    assert answer["counts"] == {"kept": 95, "refused": 1, "left_out": 2}
    assert answer["files"][23]["code"] == "truncated_file"
    assert await site.scans() == 0


@pytest.mark.parametrize("before", [False, True], ids=["in pieces", "one is a scan already"])
async def test_two_people_in_two_pieces_are_refused_as_in_one(site: Site, before: bool) -> None:
    first = site.write(1, 2, slices=BATCH_FILES // 2)
    if before:
        assert (await site.upload())[0] == 0
    site.fill(3)
    rest = FILLER_BYTES + site.write(4, PatientBirthDate="19510115")
    cut = first + FILLER_BYTES // 2
    async with site.wire(cut, before_cut=site.when_kept(BATCH_FILES)) as wire:
        status, answer = await site.upload(wire.url)
    assert (status, answer["code"], wire.served) == (3, "mixed_patients", 2)
    states = ["duplicate" if before else "kept"] * BATCH_FILES + ["left_out"] * 2 + ["kept"] * 24
    assert [file["state"] for file in answer["files"]] == states
    assert wire.carried < cut + 1.1 * rest  # the one person's images went only once
    assert await site.scans() == (2 if before else 0)
    assert await site.kept() == (BATCH_FILES if before else 0)


async def test_who_does_not_answer_is_given_up(site: Site) -> None:
    site.write(1)
    paths = sorted((site.folder / "1").iterdir())
    token = site.home.issuer().issue(site.user, ["patient"])
    async with site.wire(*[20_000] * 99) as wire, AsyncClient(wire.url, token) as platform:
        with pytest.raises(ApiError, match="no_answer"):
            await platform.upload(*paths, pause_s=0.001)
    assert TRIES <= wire.served < 3 * TRIES
    async with AsyncClient(wire.url, token) as platform:
        with pytest.raises(ApiError, match="no_answer"):
            await platform.upload(*paths, pause_s=999)  # nobody listens: no second try


# --- the worklist --------------------------------------------------------------------------------


async def sent_by_a_pacs(site: Site, **changes: Any) -> str:
    """Have a PACS store a series of this person; the pseudonym under which it waits."""
    with aiohttp.MultipartWriter("related") as body:
        for _, content in site.files(1, **changes):
            body.append(content, {"Content-Type": "application/dicom"})
    token = site.home.issuer().issue("pacs", ["integration"])
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={body.boundary}',
    }
    url = f"{site.running.url}/dicom-web/studies"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, headers=headers) as response,
    ):
        assert response.status == 200
    clinician = site.home.issuer().issue("doctor", ["clinician"])
    async with AsyncClient(site.running.url, clinician) as platform, asyncio.timeout(30):
        while True:
            for item in (await platform.get("/api/v1/worklist"))["items"]:
                if item["identity"]["patient_id"] == f"MRN-{site.user}":
                    return item["patient"]
            await asyncio.sleep(0.05)


async def test_a_clinician_lists_who_waits_and_links_them(site: Site) -> None:
    hostile = "Doe^\x1b[2J\u202eJane"
    patient = await sent_by_a_pacs(
        site, PatientName=hostile, IssuerOfPatientID="WARD", SpecificCharacterSet="ISO_IR 192"
    )
    said = await site.say("worklist", "list", role="clinician")
    assert (said.status, said.err) == (0, "")
    for shown in (
        patient,
        f"number MRN-{site.user}",
        "issuer WARD",
        "born 1950-01-15",
        "24 images",
    ):
        assert shown in said.out
    assert "Doe^\ufffd[2J\ufffdJane" in said.out
    assert max(map(len, said.out.splitlines())) <= 80
    said = await site.say("worklist", "list", "--json", role="clinician")
    assert patient in [item["patient"] for item in json.loads(said.out)["items"]]
    said = await site.say("worklist", "link", patient, site.user, role="clinician")
    lines = said.out.splitlines()
    assert (said.status, lines[0]) == (0, f"linked to {site.user}")
    assert lines[1].startswith("taken in as ") and lines[1].endswith(" (24 images)")
    assert await site.scans() == 1
    said = await site.say("worklist", "link", patient, site.user, role="clinician")
    assert (said.status, said.out) == (3, "")
    hint = "(list the worklist)"
    assert said.err == f"memoryguard: not_waiting: nobody waits under this name {hint}\n"


async def test_a_clinician_forgets_what_came_by_mistake(site: Site) -> None:
    patient = await sent_by_a_pacs(site)
    said = await site.say("worklist", "discard", patient)
    assert said.status == 3
    assert said.err.startswith("memoryguard: not_allowed: ")
    said = await site.say("worklist", "discard", patient, "--json", role="clinician")
    assert (said.status, json.loads(said.out)) == (0, {"discarded": 1})
    said = await site.say("worklist", "list", "--json", role="clinician")
    assert patient not in said.out
    assert waiting([]).plain == "nobody waits"
