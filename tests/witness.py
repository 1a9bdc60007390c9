# SPDX-License-Identifier: Apache-2.0
"""Plants secrets in all that may come in, by every way, and keeps whatever is answered."""

from __future__ import annotations

import asyncio
import json
import subprocess
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from ingest_samples import (
    CANARY,
    ROOT,
    planted,
    series_files,
    zipped,
)
from pydicom.dataset import Dataset
from pynetdicom import AE, _config
from pynetdicom.pdu_primitives import UserIdentityNegotiation

from memoryguard.cli.home import Home
from memoryguard.common.runtime.blobs import open_store
from memoryguard.common.runtime.database import connect
from memoryguard.common.runtime.objects import ObjectStore, Part
from memoryguard.common.security.keyring import KeyRing

TESTS = Path(__file__).parent
UPLOAD = "/api/v1/imaging/upload"
STUDIES = "/dicom-web/studies"
MR = "1.2.840.10008.5.1.4.1.1.4"
CT = "1.2.840.10008.5.1.4.1.1.2"
NUMBER, ACCESSION, HOSPITAL = "NUMBER4711GEHEIM", "ACCESSION0815", "GEHEIMHOSPITAL"
BORN, SCANNED = "19430917", "20210923"
SECRETS = [CANARY, NUMBER, ACCESSION, HOSPITAL, BORN, "1943-09-17", SCANNED, "2021-09-23", ROOT]

Change = Callable[[Dataset], object]


def secret_series(person: str, change: Change = lambda _: None, series: int = 1) -> list[bytes]:
    """A good series that is full of secrets."""

    def of_person(ds: Dataset) -> None:
        planted(ds)
        ds.PatientID = f"{NUMBER}-{person}"
        ds.PatientBirthDate, ds.AccessionNumber, ds.InstitutionName = BORN, ACCESSION, HOSPITAL
        ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = SCANNED
        change(ds)

    return [content for _, content in series_files(of_person, series=series)]


def secret_rubbish() -> list[bytes]:
    """Files of a person that are refused, each for another reason."""

    def ct(ds: Dataset) -> None:
        ds.Modality, ds.SOPClassUID = "CT", CT

    def burned(ds: Dataset) -> None:
        ds.BurnedInAnnotation = "YES"

    def sized(ds: Dataset) -> None:
        ds.Rows = 7

    good = secret_series("rubbish", series=9)
    refused = [secret_series("rubbish", c, series=9)[0] for c in (ct, burned, sized)]
    text = CANARY.encode()
    nowhere = good[0].replace(b"-16.5\\-16.25", text + b"\\1")
    assert nowhere != good[0]
    return [*refused, nowhere, good[1][:-900], b"MZ" + good[2][2:], good[3][:300] + text, text, b""]


@dataclass
class Witness:
    """A running platform, and everything it has answered so far."""

    home: Home
    log: Path
    session: aiohttp.ClientSession
    url: str
    database_url: str
    dimse_port: int
    origin: str
    told: list[bytes] = field(default_factory=list[bytes])
    senders: list[bytes] = field(default_factory=list[bytes])
    clinicians: list[bytes] = field(default_factory=list[bytes])

    async def ask(
        self, method: str, path: str, role: str = "", user: str = "x", **how: Any
    ) -> tuple[int, bytes]:
        """Ask, and keep the answer with those that anybody may see."""
        headers = dict(how.pop("headers", {}))
        if role:
            headers["Authorization"] = f"Bearer {self.home.issuer().issue(user, [role])}"
        kept = how.pop("kept", self.told)
        async with self.session.request(
            method, self.url + path, headers=headers, allow_redirects=False, **how
        ) as response:
            body = await response.read()
            kept.append(repr(response.headers).encode() + body)
            return response.status, body

    async def upload(self, user: str, files: Sequence[bytes], *fields: str) -> tuple[int, Any]:
        """Upload files under the secret name."""
        with aiohttp.MultipartWriter("form-data", boundary=f"b{CANARY}") as form:
            for name in fields:
                form.append(CANARY).set_content_disposition("form-data", name=name)
            for number, content in enumerate(files):
                part = form.append(content, {"Content-Type": f"application/{CANARY}"})
                part.set_content_disposition(
                    "form-data", name=f"{CANARY}", filename=f"{CANARY}-{number}.dcm"
                )
            status, body = await self.ask(
                "POST", UPLOAD, "patient", user, data=form, kept=self.senders,
                headers={"Idempotency-Key": f"{CANARY}-{uuid.uuid4()}"},
            )  # fmt: skip
        return status, json.loads(body)

    async def store(self, files: Sequence[bytes], path: str = STUDIES, **how: Any) -> int:
        """Store files over DICOMweb."""
        with aiohttp.MultipartWriter("related") as body:
            for content in files:
                part = body.append(content, {"Content-Type": "application/dicom"})
                part.headers["Content-Location"] = f"http://x/{CANARY}"
            kind = f'multipart/related; type="application/dicom"; boundary={body.boundary}'
            headers = {"Content-Type": kind} | how.pop("headers", {})
            status, _ = await self.ask(
                "POST", path, how.pop("role", "integration"), "pacs", data=body, headers=headers,
                kept=self.senders, **how,
            )  # fmt: skip
            return status

    async def announce(self, **changes: Any) -> int:
        """Publish ``scan.available``, or something like it."""
        event = {
            "specversion": "1.0", "id": str(uuid.uuid4()), "source": "/pacs",
            "type": "memoryguard.scan.available.v1", "time": "2026-01-01T00:00:00Z",
            "datacontenttype": "application/json", "partitionkey": "x", "correlationid": "c",
            "data": {"subject_id": "x", "uri": "nowhere"},
        } | changes  # fmt: skip
        return (await self.ask("POST", "/api/v1/events", "integration", "pacs", json=event))[0]

    async def worklist(self) -> list[dict[str, Any]]:
        """What a clinician sees who looks for whose a scan is."""
        _, body = await self.ask(
            "GET", "/api/v1/worklist", "clinician", "doctor", kept=self.clinicians
        )
        return json.loads(body)["items"]

    async def count(self, kind: str) -> int:
        """Number of events of a kind in the audit log."""
        connection = await connect(self.database_url)
        try:
            return await connection.fetchval(
                "select count(*) from log.entry where type like $1", f"memoryguard.{kind}%"
            )
        finally:
            await connection.close()

    async def until(self, kind: str, count: int) -> None:
        async with asyncio.timeout(60):
            while await self.count(kind) < count:
                await asyncio.sleep(0.1)


async def until_running(home: Home, process: subprocess.Popen[bytes], port: int) -> dict[str, Any]:
    """Wait until HTTP and DIMSE are served."""
    async with asyncio.timeout(60):
        while (running := home.running()) is None:
            assert process.poll() is None, "the platform does not start"
            await asyncio.sleep(0.05)
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return running
            await asyncio.sleep(0.05)


# --- every way in --------------------------------------------------------------------------------


async def uploads(witness: Witness) -> None:
    """REST: files, zips, and what is refused of them."""
    rubbish = secret_rubbish()
    status, answer = await witness.upload(
        "person-1", [*secret_series("1"), *rubbish], CANARY, "note"
    )
    assert status == 422, answer
    assert {file["state"] for file in answer["files"][24:]} == {"refused", "left_out"}
    status, answer = await witness.upload("person-1", secret_series("1"), CANARY, "note")
    assert (status, len(answer["scans"])) == (201, 1), answer
    names = [f"{CANARY}/{CANARY}-{number}" for number in range(24)]
    status, answer = await witness.upload(
        "person-2", [zipped(zip(names, secret_series("2"), strict=True))]
    )
    assert status == 201, answer
    name = CANARY.encode()
    for files in (
        rubbish,
        secret_series("4")[:9] + secret_series("4")[10:],
        secret_series("4") + secret_series("5", series=2),
        secret_series("1"),
        [zipped([(f"../{CANARY}", name)])],
        [zipped([(CANARY, zipped([(CANARY, name)]))])],
        [zipped([(CANARY, name)])[:-30]],
        [b"PK\x03\x04" + name],
        [],
    ):
        status, answer = await witness.upload("person-4", files)
        assert status == 422, answer
    await torn_upload(witness)


async def torn_upload(witness: Witness) -> None:
    """Go away in the middle."""
    host, port = witness.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    token = witness.home.issuer().issue("person-5", ["patient"])
    kind = f"multipart/form-data; boundary={CANARY}"
    writer.write(
        f"POST {UPLOAD} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: {kind}\r\nContent-Length: 100000\r\n\r\n--{CANARY}\r\n"
        f'Content-Disposition: form-data; name="file"; filename="{CANARY}"\r\n\r\n'.encode()
        + secret_series("5")[0]
    )
    await writer.drain()
    writer.close()


async def stores(witness: Witness) -> None:
    """DICOMweb: an unknown patient, and refusals."""
    assert await witness.store(secret_series("6")) == 200
    assert await witness.store(secret_series("8")[:3]) == 200  # and the others never come
    assert await witness.store(secret_rubbish()) == 409
    assert await witness.store(secret_series("6")[:1], f"{STUDIES}/{CANARY}") == 422
    assert await witness.store(secret_series("6")[:1], f"{STUDIES}/{ROOT}.5") == 409
    assert await witness.store([], headers={"Content-Type": CANARY}) == 415
    assert await witness.store([], headers={"Accept": CANARY}) == 406
    assert await witness.store(secret_series("6")[:1], role="patient") == 403


def associations(port: int, folder: Path) -> list[int]:
    """DIMSE: an unknown patient, refused instances, and refused peers; statuses of the stores."""
    _config.STORE_SEND_CHUNKED_DATASET = True  # as they are, unread
    identity = UserIdentityNegotiation()
    identity.user_identity_type, identity.primary_field = 2, CANARY.encode()
    identity.secondary_field = NUMBER.encode()
    paths: list[Path] = []
    for number, content in enumerate([*secret_series("7"), *secret_rubbish()[:4]]):
        paths.append(folder / f"{CANARY}-{number}")
        paths[-1].write_bytes(content)
    statuses: list[int] = []
    for calling, called in (
        ("SCANNER", "MEMORYGUARD"),
        (CANARY, "MEMORYGUARD"),
        ("SCANNER", CANARY),
    ):
        entity = AE(calling)
        for kind in (MR, CT):
            entity.add_requested_context(kind, "1.2.840.10008.1.2.1")
        association = entity.associate("127.0.0.1", port, ae_title=called, ext_neg=[identity])
        if not association.is_established:
            statuses.append(-1)
            continue
        statuses += [association.send_c_store(path).Status for path in paths]
        association.release()
    return statuses


async def receives(witness: Witness, folder: Path) -> None:
    statuses = await asyncio.to_thread(associations, witness.dimse_port, folder)
    assert statuses[:24] == [0] * 24
    assert 0 not in statuses[24:28]
    assert statuses[28:] == [-1, -1]
    _, writer = await asyncio.open_connection("127.0.0.1", witness.dimse_port)
    writer.write(b"\x01\x00\x00\x00\x00\xff\x00\x01\x00\x00" + CANARY.encode() * 40)
    await writer.drain()
    writer.close()


async def arrivals(witness: Witness) -> None:
    """The bus: a folder with telling names, one without a scan, and events that are none."""
    folder = witness.home.folder / "import"
    arrived = f"arrived from {CANARY}"
    for name, contents in ((arrived, secret_series("3")), ("spoilt", secret_rubbish())):
        for number, content in enumerate(contents):
            place = folder / name / CANARY / f"{CANARY}-{number}.dcm"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    for uri, user in (
        (arrived, "person-3"),
        (f"{witness.origin}/studies/{ROOT}.9/series/{ROOT}.1", "person-9"),
        (f"{witness.origin}/studies/{ROOT}.404", "person-9"),  # and it never comes
        (f"http://{CANARY}.example/studies/{ROOT}.9", "person-9"),
    ):
        data = {"subject_id": f"key of {user} and {len(uri)}", "uri": uri, "user_id": user}
        assert await witness.announce(data=data) == 202
    assert await witness.announce(data={"subject_id": "x", "uri": "spoilt"}) == 202
    (folder / "empty").mkdir()
    (folder / "empty" / CANARY).write_text(CANARY)
    assert await witness.announce(data={"subject_id": "x", "uri": "empty"}) == 202
    await witness.until("scan.rejected", 3)
    for wrong in (
        {"type": CANARY},
        {"time": CANARY},
        {"data": {"patient": CANARY}},
        {"data": CANARY},
        {"source": f"/memoryguard/{CANARY}"},
        {"data": {"subject_id": "x", "uri": 7, "user_id": [CANARY]}},
    ):
        assert await witness.announce(**wrong) == 422
    assert (await witness.ask("POST", "/api/v1/events", "integration", data=CANARY.encode() * 10))[
        0
    ] == 422


async def worklist(witness: Witness) -> None:
    """Two unknown patients: one is linked, one discarded."""
    async with asyncio.timeout(30):
        while [item["images"] for item in await witness.worklist()] != [24, 24]:
            await asyncio.sleep(0.1)
    items = await witness.worklist()
    stored, received = sorted(items, key=lambda item: item["identity"]["patient_id"])
    assert stored["identity"]["patient_name"] == f"{CANARY}^A"
    where = "/api/v1/worklist/"
    for path, body in (
        (stored["patient"], {"user_id": ""}),
        (stored["patient"], {CANARY: CANARY}),
        (stored["patient"], {"user_id": f"\n{CANARY}"}),
        (CANARY, {"user_id": "person-6"}),
    ):
        status, _ = await witness.ask("POST", where + path, "clinician", "doctor", json=body)
        assert status in (404, 422)
    for role in ("patient", "integration", "compliance", "admin"):
        assert (await witness.ask("GET", "/api/v1/worklist", role))[0] == 403
    status, _ = await witness.ask(
        "POST", where + stored["patient"], "clinician", "doctor", json={"user_id": "person-6"}
    )
    assert status == 200
    status, _ = await witness.ask("DELETE", where + received["patient"], "clinician", "doctor")
    assert status == 200


async def bad_requests(witness: Witness) -> None:
    """Secrets where they do not belong: paths, queries, headers, bodies."""
    scans = "/api/v1/imaging"
    asked = [
        ("GET", f"/{CANARY}"),
        ("GET", f"/imaging/{CANARY}"),
        ("GET", f"/static/{CANARY}"),
        ("GET", f"/s/{CANARY * 3}"),
        ("GET", f"{scans}/{CANARY}/status"),
        ("GET", f"{scans}/{CANARY}/picture?{CANARY}={CANARY}"),
        ("GET", f"{scans}/{CANARY}/events"),
        ("GET", f"{scans}/user/person-1?limit={CANARY}"),
        ("GET", f"{scans}/user/person-1?cursor={CANARY}"),
        ("GET", f"/api/v1/audit/entries/{CANARY}"),
        ("GET", f"/api/v1/audit/entries/{CANARY}/proof"),
        ("GET", f"/api/v1/audit/scans/{CANARY}"),
        ("GET", f"/api/v1/audit/scans/{NUMBER}"),
        *(
            ("GET", f"/api/v1/audit/entries?{name}={CANARY}")
            for name in ("user", "subject", "actor", "scan", "action", "cursor", CANARY)
        ),
        ("GET", f"/api/v1/audit/review?from={CANARY}"),
        ("GET", f"/api/v1/audit/ledger?cursor={CANARY}"),
        ("POST", "/api/v1/audit/holds"),
        ("DELETE", f"/api/v1/audit/holds/{CANARY}"),
        ("DELETE", f"/api/v1/worklist/{CANARY}"),
        ("DELETE", f"/api/v1/worklist/{NUMBER}%00"),
        ("POST", f"{UPLOAD}/missing"),
        ("POST", UPLOAD),
        ("POST", "/api/v1/sessions"),
        ("POST", "/api/v1/access/grants"),
        ("PUT", "/api/v1/users/person-1/health-metrics"),
    ]
    headers = {
        "traceparent": CANARY, "tracestate": f"{CANARY}={CANARY}", "baggage": f"a={CANARY}",
        "User-Agent": CANARY, "Referer": f"http://{CANARY}/", "X-Request-Id": CANARY,
    }  # fmt: skip
    bodies = [{CANARY: CANARY}, {"sha256": [CANARY]}, {"path": f"/{CANARY}?"}, [CANARY]]
    for role in ("patient", "clinician", "compliance", ""):
        for method, path in asked:
            for body in bodies if method in ("POST", "PUT") else [None]:
                status, _ = await witness.ask(
                    method, path, role, "person-1", headers=headers, json=body
                )
                assert status < 500, (method, path, status)
    # Not HTTP at all: the answer, to its sender only, shows what was not understood.
    await witness.ask("BREW", f"/{CANARY}", kept=witness.senders)
    for token in (CANARY, f"Bearer {CANARY}", f"Bearer {CANARY}.{CANARY}.{CANARY}"):
        status, _ = await witness.ask(
            "GET", "/api/v1/worklist", headers={"Authorization": token, "Cookie": f"x={CANARY}"}
        )
        assert status == 401


# --- every way out -------------------------------------------------------------------------------


async def exports(witness: Witness) -> list[bytes]:
    """Everything that is shown of results, to everybody who may see them."""
    before = len(witness.told)
    connection = await connect(witness.database_url)
    try:
        scans = await connection.fetch("select scan_id, user_id from ingest.scan")
        entries: int = await connection.fetchval("select count(*) from log.entry")
    finally:
        await connection.close()
    assert len(scans) == 5
    for scan, user in scans:
        files = ("picture", "structures.glb", "brain.nii.gz", "labels.nii.gz")
        for what in ("status", "analysis", "events", *files):
            path = f"/api/v1/imaging/{scan}/{what}"
            assert (await witness.ask("GET", path, "patient", user))[0] == 200
        for path in ("/api/v1/imaging", f"/api/v1/imaging/user/{user}"):
            assert (await witness.ask("GET", path, "patient", user))[0] == 200
        assert (await witness.ask("GET", "/api/v1/imaging", "clinician", "doctor"))[0] == 200
        assert (await witness.ask("GET", f"/api/v1/audit/scans/{scan}", "compliance"))[0] == 200
    await documents(witness, 2 * len(scans))
    for number in range(entries):
        for more in ("", "/event"):
            await witness.ask("GET", f"/api/v1/audit/entries/{number}{more}", "compliance")
    # Exports hold the same leaves and events in base64, where six digits of a date are soon met.
    pages = ("entries?limit=500", "review", "holds")
    for path in (f"entries/{entries - 1}/proof", "checkpoint", "key", *pages):
        await witness.ask("GET", f"/api/v1/audit/{path}", "compliance")
    await witness.ask("GET", "/health/ready")
    return witness.told[before:]


async def documents(witness: Witness, count: int) -> None:
    """Search and fetch every DICOM object: two of each scan; the stub's lie in one study."""
    base = "/dicom-web/results"
    async with asyncio.timeout(60):
        while True:
            _, answer = await witness.ask("GET", f"{base}/instances", "clinician")
            if len(json.loads(answer)) == count:
                break
            await asyncio.sleep(0.1)
    for path in ("studies", "series", "studies/2.25.1", "studies/2.25.1/metadata"):
        assert (await witness.ask("GET", f"{base}/{path}", "clinician"))[0] == 200


async def every_row(database_url: str) -> bytes:
    """Everything in the database, as bytes; byte columns as they are."""
    connection = await connect(database_url)
    found: list[bytes] = []
    try:
        tables = await connection.fetch(
            "select format('%I.%I', table_schema, table_name) as name"
            " from information_schema.tables where table_type = 'BASE TABLE'"
            " and table_schema not in ('pg_catalog', 'information_schema')"
        )
        for table in tables:
            for row in await connection.fetch(f"select * from {table['name']}"):
                found += [v if isinstance(v, bytes) else repr(v).encode() for v in row.values()]
    finally:
        await connection.close()
    return b"\n".join(found)


async def opened(home: Home, folder: str, ring: str, keys: str) -> list[bytes]:
    """Objects as only the owner of a key ring can read them."""
    store = open_store(str(home.folder / "objects"))
    objects = ObjectStore(store, KeyRing.from_setting(",".join(home.ring(ring))), keys)
    found: list[bytes] = []
    async for blob in objects.list(folder):
        found.append(await objects.find(blob.path, blob.path.split("/")[1]) or b"")
    return found


async def staged_images(witness: Witness) -> list[bytes]:
    """Images that wait, as only the owner of the key ring can read them."""
    store = open_store(str(witness.home.folder / "objects"))
    ring = KeyRing.from_setting(",".join(witness.home.ring("encryption.key")))
    objects, connection = ObjectStore(store, ring), await connect(witness.database_url)
    try:
        rows = await connection.fetch(
            "select subject_id, object from ingest.image join ingest.series using (series_key)"
            " where object is not null"
        )
    finally:
        await connection.close()
    found: list[bytes] = []
    for row in rows:
        found += await objects.get_parts([Part(**json.loads(row["object"]))], row["subject_id"])
    return found
