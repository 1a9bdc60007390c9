# SPDX-License-Identifier: Apache-2.0
"""A result under the original identity, and the servers that it is stored back to."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.fernet import Fernet
from ingest_samples import SIDE, SLICES, VAULT, series_files, taken
from pydantic import SecretStr
from pydicom.dataset import Dataset

from memoryguard.common.contracts.event import Event, new_event
from memoryguard.common.contracts.events import DocumentMade, DocumentStored
from memoryguard.common.contracts.parts import DicomObject, Engine
from memoryguard.common.errors import MemoryGuardError, Misconfigured, Rejected, Unavailable
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.settings import PlatformSettings
from memoryguard.common.security.keyring import KeyRing, VaultKey
from memoryguard.common.testing.settings import folder_settings
from memoryguard.ingest.handlers import ResultHandler
from memoryguard.ingest.parsing import portray
from memoryguard.ingest.people.identity import IdentityVault
from memoryguard.ingest.results.destinations import Destination, destinations
from memoryguard.ingest.results.original import original
from memoryguard.ingest.settings import IngestSettings
from memoryguard.processor.labelmap import to_nifti
from memoryguard.processor.segmentation import segmentation

ENGINE = Engine(name="headframe", version="1", weights_sha256="ab" * 32)
MADE_AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
NAMES = {
    "ISO_IR 192": "Łukasz^Żółć",
    "ISO_IR 100": "Müller^Jürgen",
    "ISO_IR 144": "Люкceмбypг^Анна",
    "\\ISO 2022 IR 87": "Yamada^Tarou=山田^太郎",
    "": "Doe^Jane",
}


@dataclass(frozen=True)
class Made:
    """A result, the scan it was made of, and what the vault keeps of that."""

    scans: list[Dataset]
    result: bytes
    identity: dict[str, Any]
    subject_id: str

    def original(self, **changes: Any) -> Dataset:
        """The result under the original identity."""
        key = VAULT.uid_key(self.subject_id)
        content = original(self.result, self.identity | changes, key, MADE_AT)
        return pydicom.dcmread(io.BytesIO(content))


@cache
def made(charset: str = "", vault: VaultKey = VAULT) -> Made:
    """A Segmentation of a small series, as processor and intake make it."""

    def named(ds: Dataset) -> None:
        if charset:
            ds.SpecificCharacterSet = charset.split("\\")
        ds.PatientName = NAMES[charset]
        ds.AccessionNumber, ds.StudyID, ds.IssuerOfPatientID = "ACC-7", "S-1", "HOSPITAL"

    files = [content for _, content in series_files(named)]
    scan = taken(files, vault)
    labels = np.zeros((SLICES, SIDE, SIDE), np.int16)
    labels[4:20, 8:16, 8:20] = 17
    result = segmentation(scan.archive, to_nifti(labels, np.eye(4)), "scan-1", ENGINE)
    assert result is not None
    portrait, _ = portray(files[:1], spacing_mm=[1, 1, 1], series="T1", shift_days=0)
    scans = [pydicom.dcmread(io.BytesIO(content)) for content in files]
    identity = portrait["identity"] | {"sop_instance_uids": [s.SOPInstanceUID for s in scans]}
    # The vault keeps JSON.
    return Made(scans, result.content, json.loads(json.dumps(identity)), scan.subject_id)


def test_it_belongs_to_the_original_study_and_slices() -> None:
    back, first = made().original(), made().scans[0]
    for name in (
        *("StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "IssuerOfPatientID"),
        *("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber", "StudyID"),
    ):
        assert back[name].value == first[name].value, name
    (series,) = back.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == first.SeriesInstanceUID
    referenced = {item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence}
    assert referenced <= {scan.SOPInstanceUID for scan in made().scans}
    places = {s.SOPInstanceUID: list(s.ImagePositionPatient) for s in made().scans}
    for frame in back.PerFrameFunctionalGroupsSequence:
        (source,) = frame.DerivationImageSequence[0].SourceImageSequence
        place = frame.PlanePositionSequence[0].ImagePositionPatient
        assert list(place) == places[source.ReferencedSOPInstanceUID]


def test_nothing_of_the_disguise_is_left() -> None:
    disguised, back = pydicom.dcmread(io.BytesIO(made().result)), made().original()
    before, after = uids(disguised), uids(back)
    assert before and after and before.isdisjoint(after)
    assert made().subject_id not in str(back)
    assert "PatientIdentityRemoved" not in back and "DeidentificationMethod" not in back
    assert back.SOPInstanceUID == back.file_meta.MediaStorageSOPInstanceUID
    assert (back.ContentDate, back.ContentTime) == ("20260304", "050607")
    assert back.PixelData == disguised.PixelData
    assert back.ContentDescription == disguised.ContentDescription


def uids(dataset: Dataset) -> set[str]:
    """Every UID but the standard's own."""
    found = {str(e.value) for e in dataset.iterall() if e.VR == "UI" and e.value}
    return {uid for uid in found if not uid.startswith("1.2.840.10008.")}


def test_it_is_the_same_at_every_try() -> None:
    assert made().original() == made().original()


@pytest.mark.parametrize("charset", NAMES)
def test_names_keep_their_characters(charset: str) -> None:
    back = made(charset).original()
    assert back.PatientName == made(charset).scans[0].PatientName
    assert str(back.PatientName) == NAMES[charset]


@pytest.mark.parametrize(
    "missing", ["sop_instance_uids", "study_instance_uid", None], ids=lambda name: str(name)
)
def test_what_the_vault_does_not_know_is_not_made_up(missing: str | None) -> None:
    known = {} if missing is None else {k: v for k, v in made().identity.items() if k != missing}
    with pytest.raises(Rejected, match="identity_incomplete"):
        original(made().result, known, VAULT.uid_key(made().subject_id), MADE_AT)


def test_somebody_elses_validator_finds_no_error(tmp_path: Path) -> None:
    tool = shutil.which("dciodvfy")
    if tool is None:
        pytest.skip("dciodvfy is missing (Debian: dicom3tools); see the processor's test")
    path = tmp_path / "back.dcm"
    made().original().save_as(path)
    said = subprocess.run([tool, str(path)], capture_output=True, text=True, check=False)
    lines = (said.stdout + said.stderr).splitlines()
    assert "Segmentation" in lines
    assert [line for line in lines if line.startswith("Error")] == []


# --- destinations --------------------------------------------------------------------------


@dataclass
class Pacs:
    """A DICOMweb server that answers as it is told, and keeps what it was sent."""

    status: int = 200
    answer: dict[str, Any] = field(default_factory=dict)
    got: list[tuple[str, bytes]] = field(default_factory=list)

    async def stow(self, request: web.Request) -> web.Response:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            assert part.headers["Content-Type"] == "application/dicom"
            content = await part.read()  # type: ignore[union-attr]
            self.got.append((request.headers.get("Authorization", ""), bytes(content)))
        if self.status == 302:
            raise web.HTTPFound("/elsewhere")
        return web.json_response(self.answer, status=self.status)


@asynccontextmanager
async def serving(pacs: Pacs) -> AsyncGenerator[str]:
    app = web.Application()
    app.router.add_post("/dicom-web/studies", pacs.stow)
    async with TestServer(app) as server:
        yield str(server.make_url("/dicom-web"))


async def test_an_object_is_stored_as_one_part() -> None:
    pacs = Pacs(answer={"00081198": {"vr": "SQ", "Value": []}})  # as Orthanc says "none"
    async with serving(pacs) as base:
        await Destination(base, "Basic c2VjcmV0").store(b"\r\n--dicom--\r\n")
    assert pacs.got == [("Basic c2VjcmV0", b"\r\n--dicom--\r\n")]


FAILED: dict[str, Any] = {"00081198": {"vr": "SQ", "Value": [{}]}}


@pytest.mark.parametrize(
    ("pacs", "error"),
    [
        (Pacs(503), Unavailable), (Pacs(500), Unavailable), (Pacs(429), Unavailable),
        (Pacs(401), Rejected), (Pacs(409), Rejected), (Pacs(302), Rejected),
        (Pacs(202, FAILED), Rejected),
        (Pacs(200, FAILED), Rejected),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Pacs) else value.__name__,
)  # fmt: skip
async def test_failures_are_tried_again_or_given_up(
    pacs: Pacs, error: type[MemoryGuardError]
) -> None:
    async with serving(pacs) as base:
        with pytest.raises(error, match="destination_"):
            await Destination(base, None).store(b"dicom")


async def test_a_server_that_is_away_is_tried_again() -> None:
    async with serving(Pacs()) as base:
        pass
    with pytest.raises(Unavailable, match="destination_away"):
        await Destination(base, None).store(b"dicom")


def settings(tmp_path: Path, profile: str = "development") -> PlatformSettings:
    return folder_settings(tmp_path, "postgresql://nowhere")[0].model_copy(
        update={"profile": profile}
    )


def test_destinations_are_listed_with_their_secrets(tmp_path: Path) -> None:
    listed = IngestSettings(
        results_to="https://pacs.example/dicom-web/, http://127.0.0.1:1/x",
        results_authorizations=SecretStr('{"https://pacs.example/dicom-web": "Bearer t"}'),
    )
    assert destinations(listed, settings(tmp_path, "production")) == [
        Destination("https://pacs.example/dicom-web", "Bearer t"),
        Destination("http://127.0.0.1:1/x", None),
    ]
    assert destinations(IngestSettings(), settings(tmp_path)) == []


@pytest.mark.parametrize(
    ("to", "secrets", "profile", "code"),
    [
        ("ftp://pacs.example", "", "development", "bad_destinations"),
        ("https://", "", "development", "bad_destinations"),
        ("https://u:p@pacs.example", "", "development", "bad_destinations"),
        ("https://pacs.example", "{", "development", "bad_destinations"),
        ("https://pacs.example", '{"https://other": "x"}', "development", "bad_destinations"),
        ("http://pacs.example", "", "production", "plaintext_results"),
    ],
)
def test_lists_that_cannot_be_meant_are_refused(
    tmp_path: Path, to: str, secrets: str, profile: str, code: str
) -> None:
    listed = IngestSettings(results_to=to, results_authorizations=SecretStr(secrets))
    with pytest.raises(Misconfigured, match=code):
        destinations(listed, settings(tmp_path, profile))


# --- who may be told -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("senders", "stored"),
    [
        ([("anna", True)], 1),  # a clinician or an integration said whose it is
        ([(None, False)], 1),  # a PACS said nothing: the patient's number decided
        ([("anna", False)], 0),  # her own upload may name anybody
        ([(None, False), ("anna", False)], 0),  # and hers may have been the first
        ([], 0),
    ],
)
async def test_only_what_a_hospital_sent_is_stored_back(
    ingest: Platform, senders: list[tuple[str | None, bool]], stored: int
) -> None:
    pacs = Pacs()
    event = await heard(ingest, senders)
    vault = IdentityVault(ingest.store, RING)
    async with serving(pacs) as base:
        handler = ResultHandler(ingest, vault, [Destination(base, None)])
        facts = [await handler.transform(event) for _ in range(2)]
    assert len(pacs.got) == 2 * stored
    assert len({content for _, content in pacs.got}) == stored, "tried again, it is another object"
    assert facts[0] == facts[1]
    assert [type(fact) for fact in facts[0]] == [DocumentStored] * stored
    assert await ResultHandler(ingest, vault, []).transform(event) == []


RING = KeyRing.from_setting(Fernet.generate_key().decode())


async def heard(ingest: Platform, senders: list[tuple[str | None, bool]]) -> Event:
    """A result of a scan that these accounts were named for, by who may or may not say so."""
    known = made(vault=ingest.vault)
    await IdentityVault(ingest.store, RING).put(known.subject_id, "scan-1", known.identity)
    for number, (user_id, confirms) in enumerate(senders):
        await ingest.pool.execute(
            "insert into series (series_key, study_key, subject_id, user_id, actor_id, confirms,"
            " ends, state, scan_id) values ($1, '', '', $2, '', $3, 'word', 'announced', 'scan-1')",
            *(str(number), user_id, confirms),
        )
    content = await ingest.objects.put("derived/x/s.dcm", known.subject_id, known.result)
    dicom = DicomObject(
        content=content, header=content, sop_class_uid="1", study_uid="2", series_uid="3",
        instance_uid="4", modality="SEG", series_number=1, series_description="",
    )  # fmt: skip
    fact = DocumentMade(subject_id=known.subject_id, scan_id="scan-1", engine=ENGINE, dicom=dicom)
    return new_event(fact, source="/memoryguard/processor", time=MADE_AT)
