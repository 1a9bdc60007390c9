# SPDX-License-Identifier: Apache-2.0
"""DIMSE and DICOMweb against other people's software: dcmtk, Orthanc, dicomweb-client."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import numpy as np
import pydicom
import pytest
import pytest_asyncio
import stub_measure
from dicomweb_client.api import DICOMwebClient
from highdicom.sr import srread
from ingest_samples import ROOT, SIDE, SLICES, series_files
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from memoryguard.api.service import RECIPE as API
from memoryguard.atrophy.service import RECIPE as ATROPHY
from memoryguard.cli.home import Home, make_home
from memoryguard.cli.up import Running, platform
from memoryguard.common.contracts.event import decode
from memoryguard.common.contracts.events import (
    AtrophyScored,
    DeliveryFailed,
    DocumentAddressed,
    DocumentStored,
)
from memoryguard.common.contracts.flow import FACTS
from memoryguard.common.runtime.blobs import open_store
from memoryguard.common.runtime.database import connect
from memoryguard.common.runtime.objects import ObjectStore, Part
from memoryguard.common.security.keyring import KeyRing, VaultKey
from memoryguard.common.testing.broker import free_port
from memoryguard.common.testing.databases import fresh_database
from memoryguard.ingest.domain.elements import TRANSFER_SYNTAXES
from memoryguard.ingest.service import RECIPE as INGEST
from memoryguard.processor.service import recipe as processor

RECIPES = [INGEST, API, ATROPHY, processor(stub_measure.marked)]

pytestmark = pytest.mark.asyncio(loop_scope="module")


def needed(tool: str) -> str:
    """Path of a tool; in CI it must be there."""
    found = shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        why = f"REAL DICOM PEERS ARE NOT TESTED HERE: {tool} is missing (Debian: dcmtk, orthanc)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    return found


@dataclass
class Site:
    """A running ingest that receives over DIMSE."""

    home: Home
    running: Running
    port: int
    orthanc: str
    pacs_port: int

    async def send(self, *files: Path, calling: str = "SCANNER", options: str = "") -> str:
        """Send files with dcmtk; what it says."""
        return await said(
            *("storescu", "-v", *options.split(), "-aet", calling, "-aec", "MEMORYGUARD"),
            *("127.0.0.1", str(self.port), *map(str, files)),
        )

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        connection = await connect(self.running.database_url)
        try:
            return await connection.fetch(query, *arguments)
        finally:
            await connection.close()

    async def announce(self, uri: str) -> None:
        """Publish ``scan.available`` as an integration does."""
        event = {
            "specversion": "1.0", "id": str(uuid.uuid4()), "source": "/pacs",
            "type": "memoryguard.scan.available.v1", "time": "2026-01-01T00:00:00Z",
            "datacontenttype": "application/json", "partitionkey": "5e" * 16,
            "correlationid": "c", "data": {"subject_id": "5e" * 16, "uri": uri},
        }  # fmt: skip
        token = self.home.issuer().issue("pacs", ["integration"])
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            aiohttp.ClientSession(self.running.url, headers=headers) as session,
            session.post("/api/v1/events", json=event) as response,
        ):
            assert response.status == 202, await response.text()

    def bearer(self, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.home.issuer().issue('dora', [role])}"}

    async def resolve(self, patient: str, user_id: str) -> str:
        """Say whose a patient number is, as a clinician does; the person's pseudonym."""
        headers = self.bearer("clinician")
        async with aiohttp.ClientSession(self.running.url, headers=headers) as session:
            async with session.get("/api/v1/worklist") as response:
                items = (await response.json())["items"]
            (key,) = (i["patient"] for i in items if i["identity"]["patient_id"] == patient)
            answer = {"user_id": user_id}
            async with session.post(f"/api/v1/worklist/{key}", json=answer) as response:
                assert response.status == 200, await response.text()
        return self.vault().user_subject_id(user_id)

    def vault(self) -> VaultKey:
        return VaultKey.from_setting(self.home.environment("")["MEMORYGUARD_VAULT_KEY"])

    async def scored(self, subject: str) -> AtrophyScored:
        """What atrophy has said of a person's scan."""
        (row,) = await self.fetch(
            "select convert_from(body, 'utf8') as body from atrophy.outbox"
            " where convert_from(body, 'utf8')::jsonb->>'type' = $1"
            " and convert_from(body, 'utf8')::jsonb->>'partitionkey' = $2",
            *(AtrophyScored.type, subject),
        )
        fact = decode(row["body"].encode(), FACTS).data
        assert isinstance(fact, AtrophyScored)
        return fact

    async def until_told(self, subject: str, second: Second, *secrets: str) -> None:
        """Wait for what is said of each archive, and see that nobody's name is in it."""
        refusing = second.node.replace("SECOND", "NOBODY")
        good = sorted(2 * [f"{self.orthanc}/dicom-web", second.node])
        async with asyncio.timeout(30):
            while True:
                stored = await self.said_of(subject, DocumentStored.type)
                failed = await self.said_of(subject, DeliveryFailed.type)
                if len(stored) == 4 and len(failed) == 2:
                    break
                await asyncio.sleep(0.05)
        assert sorted(event["data"]["destination"] for event in stored) == good
        assert [event["data"]["code"] for event in failed] == ["destination_refused"] * 2
        addressed = {e["id"]: e["data"] for e in await self.said(DocumentAddressed.type)}
        assert {addressed[e["data"]["event_id"]]["destination"] for e in failed} == {refusing}
        whole = json.dumps([stored, failed, list(addressed.values())])
        assert not [secret for secret in ("BACK", "Comes", *secrets) if secret in whole]

    async def said_of(self, subject: str, kind: str) -> list[dict[str, Any]]:
        """Events of a kind that ingest has said of a person."""
        return [e for e in await self.said(kind) if e["data"]["subject_id"] == subject]

    async def said(self, kind: str) -> list[dict[str, Any]]:
        """Events of a kind that ingest has said; waits for the first."""
        query = (
            "select convert_from(body, 'utf8') as body from ingest.outbox"
            " where convert_from(body, 'utf8')::jsonb->>'type' = $1"
        )
        async with asyncio.timeout(30):
            while not (rows := await self.fetch(query, kind)):
                await asyncio.sleep(0.05)
        return [json.loads(row["body"]) for row in rows]

    async def rejections(self) -> list[str]:
        """Codes of all rejections so far."""
        rows = await self.fetch(
            "select convert_from(body, 'utf8')::jsonb #>> '{data,reason,code}' as code"
            " from ingest.outbox where topic = 'memoryguard.scans.v1'"
            " and convert_from(body, 'utf8')::jsonb->>'type' = 'memoryguard.scan.rejected.v1'"
        )
        return [row["code"] for row in rows]

    def subject(self, patient: str) -> str:
        """Pseudonym of a patient's number."""
        return self.vault().subject_id("", patient)

    async def staged(self, patient: str) -> list[bytes]:
        """What was kept of a patient's files."""
        ring = KeyRing.from_setting(",".join(self.home.ring("encryption.key")))
        objects = ObjectStore(open_store(str(self.home.folder / "objects")), ring)
        rows = await self.fetch(
            "select object from ingest.series join ingest.image using (series_key)"
            " where subject_id = $1 and object is not null",
            self.subject(patient),
        )
        parts = [Part(**json.loads(row["object"])) for row in rows]
        return await objects.get_parts(parts, self.subject(patient))

    async def link(self, patient: str, user: str) -> dict[str, Any]:
        """Say as a clinician whose a number is; the answer."""
        token = self.home.issuer().issue("doctor", ["clinician"])
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            aiohttp.ClientSession(self.running.url, headers=headers) as session,
            session.post(
                f"/api/v1/worklist/{self.subject(patient)}", json={"user_id": user}
            ) as response,
        ):
            assert response.status == 200, await response.text()
            return await response.json()

    async def announced(self, user: str) -> list[int]:
        """Numbers of images of an account's announced scans."""
        rows = await self.fetch(
            "select convert_from(body, 'utf8')::jsonb #>> '{data,instances}' as images"
            " from ingest.outbox where convert_from(body, 'utf8')::jsonb->>'type' ="
            " 'memoryguard.scan.received.v1'"
            " and convert_from(body, 'utf8')::jsonb #>> '{data,user_id}' = $1",
            user,
        )
        return [int(row["images"]) for row in rows]

    async def waiting(self, patient: str) -> list[int]:
        """Numbers of images of the series of a patient that wait for a clinician."""
        rows = await self.fetch(
            "select count(*) as images from ingest.series join ingest.image using (series_key)"
            " where state = 'unassigned' and subject_id = $1 group by series_key",
            self.subject(patient),
        )
        return [row["images"] for row in rows]

    async def until_waiting(self, patient: str, images: list[int]) -> None:
        async with asyncio.timeout(40):
            while await self.waiting(patient) != images:
                await asyncio.sleep(0.05)


def write(folder: Path, patient: str, **how: Any) -> list[Path]:
    """Write a series of a patient."""
    folder.mkdir(parents=True, exist_ok=True)

    def change(ds: Dataset) -> None:
        ds.PatientID = patient
        how.get("change", lambda _: None)(ds)

    paths: list[Path] = []
    options = {name: value for name, value in how.items() if name != "change"}
    for name, content in series_files(change, **options):
        (folder / name).write_bytes(content)
        paths.append(folder / name)
    return paths


async def said(tool: str, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        needed(tool), *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    return output.decode(errors="replace")


@contextmanager
def archive(folder: Path, title: str, port: int, **peers: Any) -> Generator[str]:
    """A real PACS; its REST address."""
    http = free_port()
    settings = {
        "HttpPort": http, "DicomPort": port, "DicomAet": title, "Name": "test",
        "RemoteAccessAllowed": False, "AuthenticationEnabled": False,
        "StorageDirectory": str(folder), "IndexDirectory": str(folder),
        "DicomModalities": peers, "DicomCheckCalledAet": True,
        "DicomAlwaysAllowStore": True, "DicomAlwaysAllowMove": True,
        "Plugins": ["/usr/share/orthanc/plugins"],
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with subprocess.Popen(
        [needed("Orthanc"), str(folder / "orthanc.json")], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            reach(http)
            reach(port)
            yield f"http://127.0.0.1:{http}"
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def orthanc(
    tmp_path_factory: pytest.TempPathFactory, dimse_port: int, pacs_port: int
) -> Generator[str]:
    """A real PACS that knows us."""
    ours = ["MEMORYGUARD", "127.0.0.1", dimse_port]
    with archive(tmp_path_factory.mktemp("orthanc"), "ITPACS", pacs_port, ours=ours) as address:
        yield address


@dataclass
class Second:
    """Another PACS, which results are given to over DIMSE; under this address."""

    rest: str
    node: str


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Generator[Second]:
    """A real PACS of another department: it has the study, too."""
    port = free_port()
    with archive(tmp_path_factory.mktemp("second"), "SECOND", port) as address:
        yield Second(address, f"dicom://SECOND@127.0.0.1:{port}")


def reach(port: int) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens on {port}")


@pytest.fixture(scope="module")
def dimse_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def pacs_port() -> int:
    return free_port()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_url: str,
    dimse_port: int,
    orthanc: str,
    second: Second,
    pacs_port: int,
) -> AsyncGenerator[Site]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMORYGUARD_INGEST_QUIET_S", "0.5")
        patch.setenv("MEMORYGUARD_INGEST_ORIGINS", f"{orthanc}/dicom-web")
        refusing = second.node.replace("SECOND", "NOBODY")
        places = f"{orthanc}/dicom-web,{refusing},{second.node}"
        patch.setenv("MEMORYGUARD_INGEST_RESULTS_TO", places)
        patch.setenv("MEMORYGUARD_DIMSE_PORT", str(dimse_port))
        patch.setenv("MEMORYGUARD_DIMSE_PEERS", "SCANNER@127.0.0.1,ITPACS,FAR@192.0.2.1")
        home = make_home(tmp_path_factory.mktemp("pacs") / "home")
        async with (
            fresh_database(postgres_url) as url,
            platform(home, database_url=url, recipes=RECIPES) as running,
        ):
            await asyncio.to_thread(reach, dimse_port)
            yield Site(home, running, dimse_port, orthanc, pacs_port)


async def test_echo_and_a_series_by_dcmtk(site: Site, tmp_path: Path) -> None:
    echo = await said(
        "echoscu", "-v", "-aec", "MEMORYGUARD", "-aet", "SCANNER", "127.0.0.1", str(site.port)
    )
    assert "Received Echo Response (Success)" in echo
    told = await site.send(*write(tmp_path / "a", "ECHO"))
    assert told.count("Received Store Response (Success)") == SLICES
    await site.until_waiting("ECHO", [SLICES])


@pytest.mark.parametrize(
    ("calling", "called"), [("STRANGER", "MEMORYGUARD"), ("FAR", "MEMORYGUARD"), ("SCANNER", "X")]
)
async def test_peers_that_are_not_listed_are_rejected(
    site: Site, calling: str, called: str
) -> None:
    told = await said("echoscu", "-v", "-aet", calling, "-aec", called, "127.0.0.1", str(site.port))
    assert "Association Rejected" in told


async def test_each_instance_is_answered_by_itself(site: Site, tmp_path: Path) -> None:
    def scanned_otherwise(ds: Dataset) -> None:
        ds.Modality, ds.SOPClassUID = "CT", "1.2.840.10008.5.1.4.1.1.2"

    def text_in_it(ds: Dataset) -> None:
        ds.BurnedInAnnotation = "YES"

    good = write(tmp_path / "a", "EACH")[:2]
    ct = write(tmp_path / "b", "EACH", change=scanned_otherwise, slices=1, series=2)
    burned = write(tmp_path / "c", "EACH", change=text_in_it, slices=1, series=3)
    told = await site.send(good[0], *ct, *burned, good[1], good[1], options="--no-halt")
    statuses = re.findall(r"Received Store Response \(([^)]*)\)", told)
    assert statuses[0] == statuses[3] == statuses[4] == "Success"
    assert "Success" not in statuses[1:3]
    assert len(statuses) == 5


async def test_a_series_moved_from_a_pacs(site: Site, tmp_path: Path) -> None:
    async with aiohttp.ClientSession(site.orthanc) as session:
        for path in write(tmp_path / "a", "MOVED"):
            async with session.post("/instances", data=path.read_bytes()) as response:
                parent = (await response.json())["ParentSeries"]
        async with session.post("/modalities/ours/store", data=parent) as response:
            assert response.status == 200, await response.text()
    await site.until_waiting("MOVED", [SLICES])


async def test_a_series_that_somebody_asks_a_pacs_to_move_to_us(site: Site, tmp_path: Path) -> None:
    """C-MOVE: a workstation asks, the PACS knows our AE title and sends, a clinician says whose."""

    def another_study(ds: Dataset) -> None:
        ds.StudyInstanceUID = f"{ROOT}.78"

    paths = write(tmp_path / "a", "ASKED", change=another_study, series=78)
    first = pydicom.dcmread(paths[0], stop_before_pixels=True)
    async with aiohttp.ClientSession(site.orthanc) as session:
        for path in paths:
            async with session.post("/instances", data=path.read_bytes()) as response:
                assert response.status == 200
    keys = [
        "QueryRetrieveLevel=SERIES",
        f"StudyInstanceUID={first.StudyInstanceUID}",
        f"SeriesInstanceUID={first.SeriesInstanceUID}",
    ]
    told = await said(
        *("movescu", "-v", "-S", "-aet", "WORKSTATION", "-aec", "ITPACS", "-aem", "MEMORYGUARD"),
        *(option for key in keys for option in ("-k", key)),
        *("127.0.0.1", str(site.pacs_port)),
    )
    assert "Received Final Move Response (Success)" in told
    await site.until_waiting("ASKED", [SLICES])
    assert await site.announced("moved-person") == []
    answer = await site.link("ASKED", "moved-person")
    assert [scan["instances"] for scan in answer["scans"]] == [SLICES]
    assert await site.announced("moved-person") == [SLICES]


async def test_a_series_is_fetched_from_a_listed_pacs(site: Site, tmp_path: Path) -> None:
    def another_study(ds: Dataset) -> None:
        ds.StudyInstanceUID = f"{ROOT}.77"

    paths = write(tmp_path / "a", "FETCHED", change=another_study, series=77)
    first = pydicom.dcmread(paths[0], stop_before_pixels=True)
    series = f"/dicom-web/studies/{first.StudyInstanceUID}/series/{first.SeriesInstanceUID}"
    async with aiohttp.ClientSession(site.orthanc) as session:
        for path in paths:
            async with session.post("/instances", data=path.read_bytes()) as response:
                assert response.status == 200
    await site.announce(site.orthanc + series)
    await site.until_waiting("FETCHED", [SLICES])
    (row,) = await site.fetch("select body from ingest.outbox where body like $1", b"%kept:%")
    assert str(first.StudyInstanceUID).encode() not in row["body"]
    async with asyncio.timeout(30):  # and when the event is handled, nowhere
        while await site.fetch("select from ingest.address"):
            await asyncio.sleep(0.05)


def another(study: int) -> Callable[[Dataset], None]:
    """Change a slice into one of another study, of somebody of another name."""

    def change(ds: Dataset) -> None:
        ds.StudyInstanceUID, ds.PatientName = f"{ROOT}.{study}", "Back^Comes"

    return change


async def test_results_are_stored_back_in_the_original_study(
    site: Site, second: Second, tmp_path: Path
) -> None:
    """By STOW-RS and by C-STORE; an archive that refuses them is told of, and hides no other."""
    paths = write(tmp_path / "a", "BACK", change=another(88), series=88)
    originals = [pydicom.dcmread(path) for path in paths]
    async with aiohttp.ClientSession(second.rest) as other:
        for path in paths:
            async with other.post("/instances", data=path.read_bytes()) as response:
                assert response.status == 200
    async with aiohttp.ClientSession(site.orthanc) as session:
        for path in paths:
            async with session.post("/instances", data=path.read_bytes()) as response:
                parent = (await response.json())["ParentSeries"]
        async with session.post("/modalities/ours/store", data=parent) as response:
            assert response.status == 200, await response.text()
    await site.until_waiting("BACK", [SLICES])
    subject = await site.resolve("BACK", "person-back")
    found = [await stored_at(place, originals) for place in (site.orthanc, second.rest)]
    assert found[0] == found[1]
    seg, report = found[0]
    assert np.array_equal(labels_on(seg, originals), stub_measure.two_boxes((SLICES, SIDE, SIDE)))
    check_report(report, seg, await site.scored(subject))
    for dataset in found[0]:
        dataset.save_as(tmp_path / "back.dcm")
        told = await said("dciodvfy", str(tmp_path / "back.dcm"))
        assert not re.findall("^Error.*", told, re.MULTILINE)
    await site.until_told(subject, second, str(seg.SOPInstanceUID), str(report.SOPInstanceUID))


async def stored_at(place: str, originals: list[Dataset]) -> list[Dataset]:
    """The Segmentation and the report as an archive has them: in the study that was there."""
    async with aiohttp.ClientSession(place) as session:
        found = [await found_in(session, {"PatientID": "BACK", "Modality": m}) for m in RESULTS]
        studies = await found_ids(session, "Study", {"PatientID": "BACK"})
    assert len(studies) == 1
    first = originals[0]
    for back in found:
        for name in ("StudyInstanceUID", "PatientID", "PatientBirthDate", "PatientSex"):
            assert back[name].value == first[name].value, name
        assert (back.StudyInstanceUID, back.PatientName) == (f"{ROOT}.88", "Back^Comes")
        assert "PatientIdentityRemoved" not in back
    assert found[0].FrameOfReferenceUID == first.FrameOfReferenceUID
    assert found[0].ReferencedSeriesSequence[0].SeriesInstanceUID == first.SeriesInstanceUID
    return found


RESULTS = ("SEG", "SR")


def check_report(report: Dataset, seg: Dataset, scored: AtrophyScored) -> None:
    """Compare a report that came back with what was said, value by value."""
    told = io.BytesIO()
    report.save_as(told)
    told.seek(0)
    content = srread(told).content
    shown = content.get_volumetric_roi_measurement_groups()
    groups = {g.tracking_identifier: g for g in [*shown, *content.get_image_measurement_groups()]}
    volumes = {name: each for name, each in scored.volumes_mm3.items() if each.value is not None}
    assert set(groups) == set(volumes)
    for name, each in volumes.items():
        volume, *_ = groups[name].get_measurements()
        assert (volume.name.meaning, volume.value, volume.unit.value) == (
            "Volume", each.value, "mm3",
        )  # fmt: skip
        inside = {
            item.ConceptNameCodeSequence[0].CodeValue: item.MeasuredValueSequence[0]
            for item in volume[0].get("ContentSequence", ())
            if item.ValueType == "NUM"
        }
        assert inside["371884006"].FloatingPointValue == each.error_sd
        region = scored.regions.get(name)
        z = region.z if region else None
        assert (inside["121416"].FloatingPointValue if "121416" in inside else None) == z
    segments = {item.SegmentLabel: item.SegmentNumber for item in seg.SegmentSequence}
    assert {group.tracking_identifier for group in shown} == set(segments)
    for group in shown:
        (reference,) = (
            item.ReferencedSOPSequence[0]
            for item in group[0].ContentSequence
            if item.ValueType == "IMAGE"
        )
        assert reference.ReferencedSOPInstanceUID == seg.SOPInstanceUID
        assert reference.ReferencedSegmentNumber == segments[group.tracking_identifier]


async def test_a_pacs_fetches_a_result_from_us(site: Site, tmp_path: Path) -> None:
    async with aiohttp.ClientSession(site.running.url, headers=site.bearer("clinician")) as us:
        await site.send(*write(tmp_path / "a", "WANTED", change=another(99), series=99))
        await site.until_waiting("WANTED", [SLICES])
        subject = await site.resolve("WANTED", "person-wanted")
        question = f"/dicom-web/results/studies?PatientID={subject}"
        async with asyncio.timeout(60):
            while not (found := await answer(us, question)) or found[0]["00201208"]["Value"] != [2]:
                await asyncio.sleep(0.05)
    assert found[0]["00080061"]["Value"] == ["SEG", "SR"]
    (study,) = (each["0020000D"]["Value"][0] for each in found)
    ours = {
        "Url": f"{site.running.url}/dicom-web/results/",
        "HttpHeaders": site.bearer("clinician"),
    }
    wanted = {"Resources": [{"Study": study}], "Synchronous": True}
    async with aiohttp.ClientSession(site.orthanc) as pacs:
        async with pacs.put("/dicom-web/servers/ours", json=ours) as response:
            assert response.status == 200, await response.text()
        async with pacs.post("/dicom-web/servers/ours/retrieve", json=wanted) as response:
            assert response.status == 200, await response.text()
        fetched = [await found_in(pacs, {"PatientID": subject, "Modality": m}) for m in RESULTS]
    for result, modality in zip(fetched, RESULTS, strict=True):
        assert (result.Modality, result.StudyInstanceUID) == (modality, study)
        assert result.PatientIdentityRemoved == "YES"
        assert "Research use" in result.SeriesDescription


async def answer(session: aiohttp.ClientSession, path: str) -> Any:
    async with session.get(path) as response:
        assert response.status == 200, await response.text()
        return json.loads(await response.read())


async def found_ids(session: aiohttp.ClientSession, level: str, query: dict[str, str]) -> list[str]:
    question = {"Level": level, "Query": query}
    async with session.post("/tools/find", json=question) as response:
        return await response.json()


async def found_in(session: aiohttp.ClientSession, query: dict[str, str]) -> Dataset:
    """Wait for the one instance that an archive has of something."""
    async with asyncio.timeout(120):
        while not (ids := await found_ids(session, "Instance", query)):
            await asyncio.sleep(0.05)
    assert len(ids) == 1
    async with session.get(f"/instances/{ids[0]}/file") as response:
        return pydicom.dcmread(io.BytesIO(await response.read()))


def labels_on(back: Dataset, originals: list[Dataset]) -> np.ndarray[Any, Any]:
    """The label map that a Segmentation draws on the original slices, by what its frames name."""
    place = {ds.SOPInstanceUID: number for number, ds in enumerate(originals)}
    numbers = {
        item.SegmentNumber: int(item.SegmentDescription.split()[-1])
        for item in back.SegmentSequence
    }
    labels = np.zeros((len(originals), SIDE, SIDE), np.int16)
    for frame, pixels in zip(back.PerFrameFunctionalGroupsSequence, back.pixel_array, strict=True):
        (source,) = frame.DerivationImageSequence[0].SourceImageSequence
        segment = frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        labels[place[source.ReferencedSOPInstanceUID]][pixels > 0] = numbers[segment]
    return labels


async def test_no_other_address_is_asked(site: Site) -> None:
    host = site.orthanc.removeprefix("http://")
    addresses = [
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        f"{site.orthanc}/instances",
        f"{site.orthanc}/dicom-web/../instances",
        f"{site.orthanc}/dicom-web/studies/1.2/series",
        f"http://{host}@192.0.2.1/dicom-web/studies/1.2",
        f"https://{host}/dicom-web/studies/1.2",
        f"{site.orthanc}/dicom-web/studies/1.2?x=http://192.0.2.1",
        "../../etc/passwd",
    ]
    for address in addresses:
        await site.announce(address)
    async with asyncio.timeout(30):
        while len(codes := await site.rejections()) < len(addresses):
            await asyncio.sleep(0.05)
    assert codes == ["forbidden_address"] * len(addresses)


async def test_what_a_dicomweb_client_stores(site: Site, tmp_path: Path) -> None:
    token = site.home.issuer().issue("pacs", ["integration"])
    web = DICOMwebClient(
        f"{site.running.url}/dicom-web", headers={"Authorization": f"Bearer {token}"}
    )
    datasets = [pydicom.dcmread(path) for path in write(tmp_path / "a", "WEB")]
    answer = await asyncio.to_thread(web.store_instances, datasets)
    assert len(answer.ReferencedSOPSequence) == SLICES
    assert "FailedSOPSequence" not in answer
    await site.until_waiting("WEB", [SLICES])


ENCODINGS = {
    "-xi": ImplicitVRLittleEndian, "-xe": ExplicitVRLittleEndian, "-xr": RLELossless,
    "-xv": JPEG2000Lossless, "-xw": JPEG2000, "-xt": JPEGLSLossless, "-xu": JPEGLSNearLossless,
}  # fmt: skip
"""By the option of storescu that proposes them."""


async def test_every_encoding_that_is_read_is_sent() -> None:
    assert set(ENCODINGS.values()) == TRANSFER_SYNTAXES


@pytest.mark.parametrize("option", ENCODINGS)
async def test_a_series_keeps_its_encoding(site: Site, tmp_path: Path, option: str) -> None:
    uid, patient = ENCODINGS[option], f"ENCODED{option}"
    paths = write(tmp_path / "a", patient)
    for path in paths:
        ds = pydicom.dcmread(path)
        encode(ds, uid)
        ds.save_as(path)
    told = await site.send(*paths, options=option)
    assert told.count("Received Store Response (Success)") == SLICES
    await site.until_waiting(patient, [SLICES])
    sent = {ds.SOPInstanceUID: ds.PixelData for ds in map(pydicom.dcmread, paths)}
    here = [pydicom.dcmread(io.BytesIO(content)) for content in await site.staged(patient)]
    assert {ds.file_meta.TransferSyntaxUID for ds in here} == {uid}
    assert {ds.SOPInstanceUID: ds.PixelData for ds in here} == sent


def encode(ds: pydicom.FileDataset, uid: UID) -> None:
    if uid in (JPEG2000, JPEG2000Lossless):  # by an encoder that pydicom has not
        target = io.BytesIO()
        lossy = uid == JPEG2000
        Image.fromarray(ds.pixel_array).save(target, "JPEG2000", no_jp2=True, irreversible=lossy)
        ds.PixelData = encapsulate([target.getvalue()])
        ds["PixelData"].VR, ds.file_meta.TransferSyntaxUID = "OB", uid
    elif uid.is_compressed:
        near = {"jls_error": 2} if uid == JPEGLSNearLossless else {}
        ds.compress(uid, generate_instance_uid=False, **near)


async def test_nonsense_on_the_port_harms_nobody(site: Site, tmp_path: Path) -> None:
    associate = b"\x01\x00" + (0xFFFFFFFF).to_bytes(4, "big")
    for junk in (b"", b"GET / HTTP/1.1\r\n\r\n", associate + b"x" * 1000, bytes(100_000)):
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(junk)
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()
        del reader
    told = await site.send(*write(tmp_path / "a", "AFTER"))
    assert told.count("Received Store Response (Success)") == SLICES


async def test_a_receiver_that_dies_is_started_again(site: Site, tmp_path: Path) -> None:
    found = await said("pgrep", "-f", "memoryguard.ingest.ways.scp")
    for pid in found.split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    paths = write(tmp_path / "a", "AGAIN")
    async with asyncio.timeout(30):
        while (await site.send(*paths)).count("Received Store Response (Success)") != SLICES:
            await asyncio.sleep(0.1)
