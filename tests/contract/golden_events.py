# SPDX-License-Identifier: Apache-2.0
"""One valid event of every type, about a person who does not exist.

The numbers are made up to show the shape of an event; they measure nobody. What is committed in
libs/common/examples was written from here once, and must decode to these events for ever.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from contract.golden_oversight import COMPLIANCE, OPERATIONS

from memoryguard.common.contracts import events as e
from memoryguard.common.contracts.event import Event, Fact, derived_id
from memoryguard.common.contracts.parts import Calibration, ChangePoint, NormCurve, SiteOffset

SUBJECT = "5e" * 16
SCAN = derived_id("golden", "scan")
EARLIER_SCAN = derived_id("golden", "earlier scan")
ARCHIVE = f"scans/{SUBJECT}/20260301T090000Z-{'ef' * 8}"
USER = "user-synthetic-1"
CAREGIVER = "user-synthetic-2"
CLINICIAN = "user-synthetic-3"
START = datetime(2026, 3, 1, 9, 0, 0, tzinfo=UTC)
SINCE = datetime(2026, 3, 1, 8, 59, 0, tzinfo=UTC)
EXPIRES = datetime(2027, 3, 1, 9, 0, 0, tzinfo=UTC)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
EPOCH = "00000000-0000-4000-8000-000000000001"

ENGINE = e.Engine(name="headframe", version="0.1.0", weights_sha256="ab" * 32)
MODEL = e.Engine(name="risk-moca", version="0.1.0", weights_sha256="cd" * 32)
PERSON = e.Person(age_years=72.0, sex="F")
ACQUISITION = e.Acquisition(
    acquired_on=date(2025, 7, 14),
    manufacturer="SIEMENS",
    scanner_model="Prisma",
    field_strength_t=3.0,
    spacing_mm=(1.0, 1.0, 1.0),
    series="T1 MPRAGE",
)
WARNED = e.Quality(
    verdict="warned", reasons=(e.Reason(code="low_contrast", message="grey and white are close"),)
)
NOT_A_HEAD = e.Reason(code="not_a_head", message="this is not a T1-weighted image of a head")
VOLUMES_MM3 = {
    "hippocampus_left": e.Quantity(value=2900.0, error_sd=90.0, confidence=0.97),
    "hippocampus_right": e.Quantity(value=3000.0, error_sd=90.0),
    "hippocampus_total": e.Quantity(value=5900.0, error_sd=130.0),
    "intracranial": e.Quantity(value=1_400_000.0, error_sd=14_000.0),
    "total_brain": e.Quantity(value=None, reason="not_measured_by_engine"),
}
THICKNESS_MM = {"cortex_mean": e.Quantity(value=None, reason="not_measured_by_engine")}
CALIBRATION = Calibration(ratio=1.02, sd_z=0.05, n=3, data="three synthetic heads")
SITE = e.CalibratedSite(name="synthetic site", sha256="ef" * 32, signed_by="0123456789abcdef")
PACK = e.NormPack(
    version="2", sha256="ef" * 32, software="FreeSurfer 6", signed_by="0123456789abcdef"
)
SMALL = e.Summary(
    region="hippocampus_total",
    severity="mild",
    sentence="The hippocampi together: mildly low volume for age.",
)
SECONDS = {"read": 1.5, "segment": 12.0}
CURVE = NormCurve(
    age_years=(60.0, 80.0),
    p5=(6000.0, 5400.0),
    p25=(6500.0, 5900.0),
    p50=(6900.0, 6300.0),
    p75=(7300.0, 6700.0),
    p95=(7800.0, 7200.0),
)
SCORE = e.RegionScore(
    volume_mm3=5900.0,
    error_sd_mm3=130.0,
    expected_mm3=6800.0,
    median_mm3=6540.0,
    z=-1.7,
    z_sd=0.124,
    z_sd_parts={
        "pack": 0.02,
        "site": 0.0,
        "scanner": 0.0,
        "version": 0.0,
        "calibration": 0.05,
        "retest": 0.1,
        "intracranial": 0.05,
    },
    centile=4.457,
    centile_band=(3.151, 6.166),
    severity="mild",
    severity_probabilities={"none": 0.0004, "mild": 0.9918, "moderate": 0.0078, "severe": 0.0},
    direction="low",
    pack="synthetic_norm",
    calibration=CALIBRATION,
    site=SiteOffset(mean_z=0.2, sd_z=0.0, n=40),
    curve=CURVE,
)
UNSCORED = e.RegionScore(volume_mm3=None, reason="not_measured_by_engine")
UNSCORED_CORTEX = e.ThicknessScore(thickness_mm=None, reason="not_measured_by_engine")
CHANGE = e.Change(
    scans=2,
    interval_years=1.5,
    percent_per_year=-2.0,
    se_percent_per_year=1.1,
    ci95_percent_per_year=(-4.2, 0.2),
    within_measurement_noise=True,
    published_percent_per_year={"synthetic group": -1.0},
    error_source="a synthetic source",
    points=(
        ChangePoint(years=-1.5, volume_mm3=6080.0, error_sd_mm3=70.0),
        ChangePoint(years=0.0, volume_mm3=5900.0, error_sd_mm3=68.0),
    ),
)


def _objects(name: str) -> e.ObjectRef:
    uri = f"derived/{SUBJECT}/{SCAN}/headframe-abababababababab/{name}"
    return e.ObjectRef(uri=uri, sha256="ef" * 32, bytes=123_456)


INTAKE: tuple[Fact, ...] = (
    e.ScanAvailable(subject_id=SUBJECT, uri="studies/synthetic-1", user_id=USER),
    e.ScanReceived(
        subject_id=SUBJECT,
        scan_id=SCAN,
        user_id=USER,
        archive=e.ObjectRef(uri=ARCHIVE, sha256="ef" * 32, bytes=9_876_543),
        instances=176,
        person=PERSON,
        acquisition=ACQUISITION,
        received_at=START,
    ),
    e.ScanRejected(
        subject_id=SUBJECT,
        scan_id=SCAN,
        user_id=USER,
        reason=e.Reason(code="not_dicom", message="no file of the upload is DICOM"),
    ),
    e.ScanErased(subject_id=SUBJECT),
    e.HealthRecorded(
        subject_id=SUBJECT,
        user_id=USER,
        recorded_on=date(2025, 7, 1),
        metrics={"moca": 24.0, "education_years": 12.0, "apoe4_alleles": 1.0},
        provenance="synthetic",
    ),
)

MEASUREMENT: tuple[Fact, ...] = (
    e.VolumesExtracted(
        subject_id=SUBJECT,
        scan_id=SCAN,
        user_id=USER,
        engine=ENGINE,
        quality=WARNED,
        volumes_mm3=VOLUMES_MM3,
        thickness_mm=THICKNESS_MM,
        labels=_objects("labels.nii.gz"),
        picture=_objects("picture.png"),
        meshes=_objects("structures.glb"),
        stripped=_objects("brain.nii.gz"),
        archive=e.ObjectRef(uri=ARCHIVE, sha256="ef" * 32, bytes=9_876_543),
        person=PERSON,
        acquisition=ACQUISITION,
        seconds=SECONDS,
    ),
    e.VolumesRefused(
        subject_id=SUBJECT,
        scan_id=SCAN,
        user_id=USER,
        engine=ENGINE,
        quality=e.Quality(verdict="refused", reasons=(NOT_A_HEAD,)),
        seconds=SECONDS,
    ),
    e.AtrophyScored(
        subject_id=SUBJECT,
        scan_id=SCAN,
        user_id=USER,
        engine=ENGINE,
        quality=WARNED,
        volumes_mm3=VOLUMES_MM3,
        thickness_mm=THICKNESS_MM,
        person=PERSON,
        acquisition=ACQUISITION,
        regions={"hippocampus_total": SCORE, "total_brain": UNSCORED},
        thickness={"cortex_mean": UNSCORED_CORTEX},
        summaries={"hippocampal": SMALL},
        packs={"synthetic_norm": PACK},
        site=SITE,
        overall="mild",
        overall_region="hippocampus_total",
        overall_considered=("hippocampus_total",),
        overall_at_least=False,
        flags=("scanner_unknown",),
        asymmetry_percent={"hippocampus": e.Quantity(value=-3.4, error_sd=4.3)},
        ratios={"hippocampus_to_brain": e.Quantity(value=None, reason="not_measured_by_engine")},
        earlier_scans=(EARLIER_SCAN,),
        change={"hippocampus_total": CHANGE},
        archive=e.ObjectRef(uri=ARCHIVE, sha256="ef" * 32, bytes=9_876_543),
        labels=_objects("labels.nii.gz"),
        seconds={**SECONDS, "score": 0.01},
    ),
    e.RiskPredicted(
        subject_id=SUBJECT,
        scan_id=SCAN,
        user_id=USER,
        model=MODEL,
        probabilities={"CN": 0.25, "MCI": 0.25, "Dementia": 0.5},
        explained="dementia_similarity",
        base=0.25,
        output=0.5,
        contributions=(
            e.Contribution(
                feature="hippocampus_z",
                value=-1.5,
                contribution=0.125,
                group="imaging",
                sentence="A hippocampus smaller than in 9 of 10 healthy people of that age raises"
                " the similarity by 12 points.",
            ),
            e.Contribution(
                feature="moca",
                value=24.0,
                contribution=0.125,
                group="clinical",
                sentence="24 of 30 points of MoCA raise the similarity by 12 points.",
            ),
        ),
        missing={"education_years": "not_reported"},
        seconds={**SECONDS, "score": 0.01, "predict": 0.2},
        dementia_similarity=0.5,
        intervals95={"CN": (0.125, 0.375), "MCI": (0.125, 0.5), "Dementia": (0.25, 0.75)},
        interval_omits=("hippocampus_z",),
        prevalence={"CN": 0.25, "MCI": 0.5, "Dementia": 0.25},
        method="exact",
        baseline="mean over 99 drawn people (25 CN, 49 MCI, 25 Dementia), mixed by the prevalence",
        background_people=99,
        additivity_error=0.0,
        group_contributions={"imaging": 0.125, "clinical": 0.125},
        features={
            "hippocampus_z": e.Quantity(value=-1.5, error_sd=0.5),
            "moca": e.Quantity(value=24.0),
            "education_years": e.Quantity(value=None, reason="not_reported"),
        },
        health_as_of=START,
    ),
    e.RiskWithheld(
        subject_id=SUBJECT,
        scan_id=SCAN,
        user_id=USER,
        model=MODEL,
        reasons=(e.Reason(code="required_input_missing", message="the age is not known"),),
        missing={"age_years": "age_unknown"},
        seconds={**SECONDS, "score": 0.01, "predict": 0.0},
        features={"age_years": e.Quantity(value=None, reason="age_unknown")},
        health_as_of=START,
    ),
)

ACCESS: tuple[Fact, ...] = (
    e.AccessGranted(
        subject_id=SUBJECT,
        user_id=USER,
        grantee_id=CAREGIVER,
        actor_id=CAREGIVER,
        scopes=("status",),
        expires_at=EXPIRES,
    ),
    e.AccessRevoked(subject_id=SUBJECT, user_id=USER, grantee_id=CAREGIVER, actor_id=USER),
    e.AccessRead(
        subject_id=SUBJECT,
        actor_id=CAREGIVER,
        action="scan.analysis",
        service="api",
        scan_id=SCAN,
        user_id=USER,
        purpose="FAMRQT",
        basis="grant",
    ),
    e.AccessDenied(
        subject_id=SUBJECT,
        actor_id=CAREGIVER,
        action="scan.analysis",
        service="api",
        code="not_allowed",
        scan_id=SCAN,
        user_id=USER,
        times=40,
        since=SINCE,
        purpose="TREAT",
    ),
)

DELIVERIES: tuple[Fact, ...] = (
    e.DeliveryFailed(
        subject_id=SUBJECT,
        service="processor",
        topic="memoryguard.scans.v1",
        event_id=derived_id("golden", "failed"),
        event_source="/memoryguard/ingest",
        event_type=e.ScanReceived.type,
        code="bug",
        attempts=3,
        scan_id=SCAN,
    ),
    e.DeliveryConflicted(
        subject_id=SUBJECT,
        service="processor",
        topic="memoryguard.scans.v1",
        event_id=derived_id("golden", "conflicted"),
        event_source="/memoryguard/ingest",
    ),
    e.CheckpointSigned(
        subject_id="0" * 32,
        size=42,
        note="memoryguard/audit\n42\n" + "A" * 43 + "=\n\n— memoryguard/audit c3ludGhldGlj\n",
    ),
)

LATER: tuple[Fact, ...] = (
    e.AccessInvited(
        subject_id=SUBJECT,
        user_id=USER,
        grantee_id=CAREGIVER,
        scopes=("status",),
        expires_at=EXPIRES,
        actor_id=USER,
    ),
    e.AccessOverridden(
        subject_id=SUBJECT,
        user_id=USER,
        actor_id=CLINICIAN,
        reason="emergency_treatment",
        expires_at=EXPIRES,
    ),
    e.PatientLinked(subject_id=SUBJECT, user_id=USER, patient="7a" * 16, actor_id=CLINICIAN),
    e.DocumentMade(
        subject_id=SUBJECT,
        scan_id=SCAN,
        user_id=USER,
        engine=ENGINE,
        dicom=e.DicomObject(
            content=_objects("segmentation.dcm"),
            header=_objects("segmentation.json"),
            sop_class_uid="1.2.840.10008.5.1.4.1.1.66.4",
            study_uid="2.25.1001",
            series_uid="2.25.1002",
            instance_uid="2.25.1003",
            study_date=date(2025, 7, 14),
            sex="F",
            modality="SEG",
            series_number=9001,
            series_description="Brain structures. Research use, not a diagnosis",
            rows=256,
            columns=256,
            frames=1078,
            bits_allocated=1,
        ),
    ),
    e.DocumentStored(
        subject_id=SUBJECT,
        scan_id=SCAN,
        user_id=USER,
        instance_uid="2.25.1003",
        destination="https://pacs.example/dicom-web",
    ),
    *OPERATIONS,
    *COMPLIANCE,
    e.DocumentAddressed(
        subject_id=SUBJECT,
        scan_id=SCAN,
        user_id=USER,
        dicom=e.DicomObject(
            content=_objects("report-abababababababab.dcm"),
            header=_objects("report-abababababababab.json"),
            sop_class_uid="1.2.840.10008.5.1.4.1.1.88.34",
            study_uid="2.25.1001",
            series_uid="2.25.1004",
            instance_uid="2.25.1005",
            study_date=date(2025, 7, 14),
            sex="F",
            modality="SR",
            series_number=9002,
            series_description="Brain volumes. Research use, not a diagnosis",
            instance_number=2,
        ),
        made_at=START,
        destination="dicom://PACS@10.0.0.5:104",
    ),
)
"""Came later: times and numbers go by the place, and what is committed never changes."""

SOURCES = {
    e.ScanAvailable: "/synthetic/pacs",
    e.VolumesExtracted: "/memoryguard/processor",
    e.VolumesRefused: "/memoryguard/processor",
    e.DocumentMade: "/memoryguard/processor",
    e.AtrophyScored: "/memoryguard/atrophy",
    e.RiskPredicted: "/memoryguard/ml",
    e.RiskWithheld: "/memoryguard/ml",
    e.AccessInvited: "/memoryguard/api",
    e.AccessGranted: "/memoryguard/api",
    e.AccessOverridden: "/memoryguard/api",
    e.AccessRevoked: "/memoryguard/api",
    e.AccessRead: "/memoryguard/api",
    e.AccessDenied: "/memoryguard/api",
    e.DeliveryFailed: "/memoryguard/processor",
    e.DeliveryConflicted: "/memoryguard/processor",
    **{type(fact): "/memoryguard/audit" for fact in COMPLIANCE},
    e.CheckpointSigned: "/memoryguard/audit",
}


def golden_events() -> dict[str, Event]:
    """Give every golden event, by type: ids, times and trace are fixed."""
    facts = (*INTAKE, *MEASUREMENT, *ACCESS, *DELIVERIES, *LATER)
    return {fact.type: _event(fact, place) for place, fact in enumerate(facts)}


def _event(fact: Fact, place: int) -> Event:
    return Event(
        id=derived_id("golden", fact.type),
        source=SOURCES.get(type(fact), "/memoryguard/ingest"),
        type=fact.type,
        time=START + timedelta(seconds=place),
        partitionkey=fact.subject_id,
        correlationid=derived_id("golden", e.ScanAvailable.type),
        causationid=derived_id("golden", "cause") if place else None,
        traceparent=TRACE,
        producerepoch=EPOCH if place else None,
        producercounter=place or None,
        data=fact,
    )
