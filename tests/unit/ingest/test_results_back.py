# SPDX-License-Identifier: Apache-2.0
"""A result under the original identity, and the servers that it is stored back to."""

from __future__ import annotations

import io
import json
import shutil
import ssl
import subprocess
from collections.abc import AsyncGenerator, Mapping
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
from highdicom.sr import srread
from ingest_samples import SIDE, SLICES, VAULT, series_files, taken
from pydantic import SecretStr
from pydicom.dataset import Dataset

from memoryguard.common.contracts.event import Event, Fact, new_event
from memoryguard.common.contracts.events import (
    Acquisition,
    AtrophyScored,
    DocumentAddressed,
    DocumentMade,
    DocumentStored,
    Person,
    Quality,
    Quantity,
)
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
from memoryguard.ingest.results.dicomweb import DicomWeb
from memoryguard.ingest.results.dimse import Node
from memoryguard.ingest.results.original import original
from memoryguard.ingest.settings import IngestSettings
from memoryguard.ingest.ways.peers import DimseSettings
from memoryguard.processor.labelmap import to_nifti
from memoryguard.processor.report import report
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
    report: bytes
    identity: dict[str, Any]
    subject_id: str

    def original(self, kind: str = "result", **changes: Any) -> Dataset:
        """The result under the original identity; or the report, or its successor."""
        key = VAULT.uid_key(self.subject_id)
        content = original(getattr(self, kind), self.identity | changes, key, MADE_AT)
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
    told = report(result.header, scored(), ["ab" * 8]).content
    return Made(scans, result.content, told, json.loads(json.dumps(identity)), scan.subject_id)


def scored() -> AtrophyScored:
    """A score that says little."""
    return AtrophyScored(
        subject_id="5e" * 16, scan_id="scan-1", engine=ENGINE, quality=Quality(verdict="accepted"),
        volumes_mm3={"hippocampus_left": Quantity(value=3000.125, error_sd=60.5)},
        thickness_mm={}, person=Person(), acquisition=Acquisition(), regions={}, overall=None,
        asymmetry_percent={}, ratios={}, seconds={},
    )  # fmt: skip


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


def test_a_report_names_the_segmentation_that_is_stored_beside_it() -> None:
    seg, back, first = made().original(), made().original("report"), made().scans[0]
    for name in ("StudyInstanceUID", "PatientID", "PatientName", "PatientBirthDate", "StudyDate"):
        assert back[name].value == first[name].value, name
    (study,) = back.CurrentRequestedProcedureEvidenceSequence
    assert study.StudyInstanceUID == first.StudyInstanceUID
    named = {
        (series.SeriesInstanceUID, item.ReferencedSOPInstanceUID)
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    own = {(seg.SeriesInstanceUID, seg.SOPInstanceUID)}
    assert named - own == {(scan.SeriesInstanceUID, scan.SOPInstanceUID) for scan in made().scans}
    assert named >= own
    (group,) = srread(io.BytesIO(written(back))).content.get_volumetric_roi_measurement_groups()
    items = {item.ConceptNameCodeSequence[0].CodeValue: item for item in group[0].ContentSequence}
    assert items["121191"].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == seg.SOPInstanceUID
    assert first.SeriesInstanceUID == items["121232"].UID
    (volume,) = group.get_measurements()
    assert volume.value == 3000.125


def test_a_report_names_its_predecessor_as_that_is_stored() -> None:
    (study,) = made().original("report").PredecessorDocumentsSequence
    (series,) = study.ReferencedSeriesSequence
    (item,) = series.ReferencedSOPSequence
    before = uids(pydicom.dcmread(io.BytesIO(made().report)))
    assert series.SeriesInstanceUID == made().original("report").SeriesInstanceUID
    assert item.ReferencedSOPInstanceUID not in before


def written(dataset: Dataset) -> bytes:
    target = io.BytesIO()
    dataset.save_as(target)
    return target.getvalue()


@pytest.mark.parametrize("kind", ["result", "report"])
def test_nothing_of_the_disguise_is_left(kind: str) -> None:
    disguised = pydicom.dcmread(io.BytesIO(getattr(made(), kind)))
    back = made().original(kind)
    before, after = uids(disguised), uids(back)
    assert before and after and before.isdisjoint(after)
    assert made().subject_id not in str(back)
    assert "PatientIdentityRemoved" not in back and "DeidentificationMethod" not in back
    assert back.SOPInstanceUID == back.file_meta.MediaStorageSOPInstanceUID
    assert (back.ContentDate, back.ContentTime) == ("20260304", "050607")
    assert back.get("PixelData") == disguised.get("PixelData")
    assert back.SeriesDescription == disguised.SeriesDescription


def uids(dataset: Dataset) -> set[str]:
    """Every UID but the standard's own."""
    found = {str(e.value) for e in dataset.iterall() if e.VR == "UI" and e.value}
    return {uid for uid in found if not uid.startswith("1.2.840.10008.")}


@pytest.mark.parametrize("kind", ["result", "report"])
def test_it_is_the_same_at_every_try(kind: str) -> None:
    assert made().original(kind) == made().original(kind)


@pytest.mark.parametrize("charset", NAMES)
def test_names_keep_their_characters(charset: str) -> None:
    back = made(charset).original()
    assert back.PatientName == made(charset).scans[0].PatientName
    assert str(back.PatientName) == NAMES[charset]


@pytest.mark.parametrize("kind", ["result", "report"])
@pytest.mark.parametrize(
    "missing", ["sop_instance_uids", "study_instance_uid", None], ids=lambda name: str(name)
)
def test_what_the_vault_does_not_know_is_not_made_up(missing: str | None, kind: str) -> None:
    known = {} if missing is None else {k: v for k, v in made().identity.items() if k != missing}
    with pytest.raises(Rejected, match="identity_incomplete"):
        original(getattr(made(), kind), known, VAULT.uid_key(made().subject_id), MADE_AT)


@pytest.mark.parametrize(
    ("kind", "seen"), [("result", "Segmentation"), ("report", "Comprehensive3DSR")]
)
def test_somebody_elses_validator_finds_no_error(tmp_path: Path, kind: str, seen: str) -> None:
    tool = shutil.which("dciodvfy")
    if tool is None:
        pytest.skip("dciodvfy is missing (Debian: dicom3tools); see the processor's test")
    path = tmp_path / "back.dcm"
    made().original(kind).save_as(path)
    said = subprocess.run([tool, str(path)], capture_output=True, text=True, check=False)
    lines = (said.stdout + said.stderr).splitlines()
    assert seen in lines
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
        await DicomWeb(base, "Basic c2VjcmV0").store(b"\r\n--dicom--\r\n")
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
            await DicomWeb(base, None).store(b"dicom")


async def test_a_server_that_is_away_is_tried_again() -> None:
    async with serving(Pacs()) as base:
        pass
    with pytest.raises(Unavailable, match="destination_away"):
        await DicomWeb(base, None).store(b"dicom")


def settings(tmp_path: Path, profile: str = "development") -> PlatformSettings:
    return folder_settings(tmp_path, "postgresql://nowhere")[0].model_copy(
        update={"profile": profile}
    )


def listed(
    folder: Path, to: str, secrets: str = "", profile: str = "development", **dimse: Any
) -> Mapping[str, Destination]:
    chosen = IngestSettings(results_to=to, results_authorizations=SecretStr(secrets))
    return destinations(chosen, settings(folder, profile), DimseSettings(**dimse))


def test_destinations_are_listed_with_their_secrets(tmp_path: Path) -> None:
    found = listed(
        tmp_path,
        "https://pacs.example/dicom-web/, http://127.0.0.1:1/x, dicom://PACS@127.0.0.1:104",
        '{"https://pacs.example/dicom-web": "Bearer t"}',
        "production",
        ae_title="OURS",
    )
    assert list(found.values()) == [
        DicomWeb("https://pacs.example/dicom-web", "Bearer t"),
        DicomWeb("http://127.0.0.1:1/x", None),
        Node("dicom://PACS@127.0.0.1:104", "127.0.0.1", 104, "PACS", "OURS"),
    ]
    assert list(found) == [each.address for each in found.values()]
    assert listed(tmp_path, "") == {}


def test_a_node_with_tls_is_checked(tmp_path: Path) -> None:
    (node,) = listed(tmp_path, "dicoms://MY%20PACS@pacs.example:2762", "", "production").values()
    assert isinstance(node, Node) and node.called == "MY PACS"
    assert node.tls and node.tls.verify_mode == ssl.CERT_REQUIRED and node.tls.check_hostname
    with pytest.raises(Misconfigured, match="bad_results_tls"):
        listed(tmp_path, "dicoms://P@pacs.example:2762", tls_ca_file=tmp_path / "none.pem")


@pytest.mark.parametrize(
    ("to", "secrets", "profile", "code"),
    [
        ("ftp://pacs.example", "", "development", "bad_destinations"),
        ("https://", "", "development", "bad_destinations"),
        ("https://u:p@pacs.example", "", "development", "bad_destinations"),
        ("https://pacs.example", "{", "development", "bad_destinations"),
        ("https://pacs.example", '{"https://other": "x"}', "development", "bad_destinations"),
        ("dicom://pacs.example:104", "", "development", "bad_destinations"),
        ("dicom://PACS@pacs.example", "", "development", "bad_destinations"),
        ("dicom://PACS@pacs.example:port", "", "development", "bad_destinations"),
        ("dicom://PACS:p@pacs.example:104", "", "development", "bad_destinations"),
        ("dicom://A-TITLE-TOO-LONG-@pacs.example:104", "", "development", "bad_destinations"),
        ("dicom://PACS@pacs.example:104/x", "", "development", "bad_destinations"),
        ("dicom://P@h:1", '{"dicom://P@h:1": "x"}', "development", "bad_destinations"),
        ("http://pacs.example", "", "production", "plaintext_results"),
        ("dicom://PACS@pacs.example:104", "", "production", "plaintext_results"),
    ],
)
def test_lists_that_cannot_be_meant_are_refused(
    tmp_path: Path, to: str, secrets: str, profile: str, code: str
) -> None:
    with pytest.raises(Misconfigured, match=code):
        listed(tmp_path, to, secrets, profile)


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
        handler = ResultHandler(ingest, vault, {base: DicomWeb(base, None)})
        addressed = [await handler.address(event) for _ in range(2)]
        facts = [await handler.store(said(fact)) for each in addressed for fact in each]
    assert addressed[0] == addressed[1]
    assert [type(fact) for fact in addressed[0]] == [DocumentAddressed] * stored
    assert len(pacs.got) == 2 * stored
    assert len({content for _, content in pacs.got}) == stored, "tried again, it is another object"
    assert [type(fact) for (fact,) in facts] == [DocumentStored] * 2 * stored
    assert await ResultHandler(ingest, vault, {}).address(event) == []


def said(fact: Fact) -> Event:
    return new_event(fact, source="/memoryguard/ingest")


async def test_an_archive_that_fails_hides_no_other(ingest: Platform) -> None:
    good, refusing, gone = Pacs(), Pacs(403), Pacs()
    event = await heard(ingest, [("anna", True)])
    async with serving(gone) as away:
        pass
    async with serving(good) as one, serving(refusing) as two:
        each = {base: DicomWeb(base, None) for base in (away, two, one)}
        handler = ResultHandler(ingest, IdentityVault(ingest.store, RING), each)
        addressed = await handler.address(event)
        outcomes = [await outcome(handler, fact) for fact in addressed]
    assert [fact.destination for fact in addressed] == [away, two, one]  # type: ignore[attr-defined]
    assert outcomes == ["destination_away", "destination_refused", "stored"]
    assert len(good.got) == 1


async def test_nothing_goes_to_an_archive_that_is_not_listed_any_more(ingest: Platform) -> None:
    pacs, vault = Pacs(), IdentityVault(ingest.store, RING)
    event = await heard(ingest, [("anna", True)])
    async with serving(pacs) as base:
        (fact,) = await ResultHandler(ingest, vault, {base: DicomWeb(base, None)}).address(event)
        assert await outcome(ResultHandler(ingest, vault, {}), fact) == "destination_unlisted"
    assert pacs.got == []


async def test_a_person_whom_the_vault_does_not_know_is_told_to_nobody(ingest: Platform) -> None:
    pacs = Pacs()
    event = await heard(ingest, [("anna", True)])
    await IdentityVault(ingest.store, RING).forget(event.data.subject_id, "scan-1")
    async with serving(pacs) as base:
        handler = ResultHandler(
            ingest, IdentityVault(ingest.store, RING), {base: DicomWeb(base, None)}
        )
        (fact,) = await handler.address(event)
        assert await outcome(handler, fact) == "identity_incomplete"
    assert pacs.got == []


async def outcome(handler: ResultHandler, fact: Fact) -> str:
    """What comes of a delivery: the code it fails with."""
    try:
        (stored,) = await handler.store(said(fact))
    except (Rejected, Unavailable) as error:
        return error.code
    assert isinstance(stored, DocumentStored)
    return "stored"


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
