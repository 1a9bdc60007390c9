# SPDX-License-Identifier: Apache-2.0
"""Every event of the platform, on one page and a half.

An event is named ``memoryguard.<noun>.<past>.v1``. It carries facts and references: never pixels,
never identity. Fields are only ever added within v1. Who says and hears what is in ``flow.py``.
The half is ``oversight.py``: what is said about the platform itself.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import ClassVar, Literal, TypeAlias

from pydantic import Field

from memoryguard.common.contracts.event import Fact
from memoryguard.common.contracts.parts import (
    Acquisition,
    Basis,
    CalibratedSite,
    Change,
    Contribution,
    DicomObject,
    Engine,
    NormPack,
    ObjectRef,
    Person,
    Purpose,
    Quality,
    Quantity,
    Reason,
    RegionScore,
    Summary,
    ThicknessScore,
)

Scope: TypeAlias = Literal["status", "results"]
"""What a grant lets somebody see: where scans stand, or what was measured."""

OverrideReason: TypeAlias = Literal["emergency_treatment", "patient_cannot_consent", "safety"]
"""Why somebody broke the glass. A closed vocabulary: free text would hold identities for ever."""


# --- intake --------------------------------------------------------------------------------


class ScanAvailable(Fact):
    """An integration says: a scan lies at this address."""

    type: ClassVar[str] = "memoryguard.scan.available.v1"
    uri: str = Field(
        description="A zip file or folder in the import folder; below a listed origin a DICOMweb"
        " study or series, an object or folder (s3://…); or kept: and what ingest knows it by."
    )
    user_id: str | None = Field(default=None, description="Account the scan belongs to.")


class ScanReceived(Fact):
    """A series is validated, de-identified, encrypted and stored."""

    type: ClassVar[str] = "memoryguard.scan.received.v1"
    natural_key: ClassVar[str | None] = "scan_id"
    scan_id: str
    user_id: str | None = None
    modality: Literal["MR"] = "MR"
    archive: ObjectRef = Field(description="A zip of de-identified DICOM instances.")
    instances: int = Field(ge=1)
    person: Person
    acquisition: Acquisition
    received_at: datetime


class ScanRejected(Fact):
    """What came in is not a scan we can take."""

    type: ClassVar[str] = "memoryguard.scan.rejected.v1"
    scan_id: str | None = None
    user_id: str | None = None
    reason: Reason


class PatientLinked(Fact):
    """A clinician says which account a hospital's patient number belongs to."""

    type: ClassVar[str] = "memoryguard.patient.linked.v1"
    user_id: str
    patient: str = Field(description="Keyed hash of issuer and number.")
    actor_id: str


class ScanErased(Fact):
    """The person's key is destroyed; what is left is a tombstone."""

    type: ClassVar[str] = "memoryguard.scan.erased.v1"
    natural_key: ClassVar[str | None] = "subject_id"


class HealthRecorded(Fact):
    """Health metrics of a person, as somebody entered them."""

    type: ClassVar[str] = "memoryguard.health.recorded.v1"
    user_id: str
    recorded_on: date = Field(description="Shifted like all dates of this person.")
    metrics: dict[str, float] = Field(
        description="mmse, moca, education_years, apoe4_alleles, systolic_mmhg, diastolic_mmhg"
    )
    provenance: str = Field(description="'clinical', 'self_reported' or 'synthetic'")


# --- measurement ---------------------------------------------------------------------------


class VolumesExtracted(Fact):
    """The scan is measured."""

    type: ClassVar[str] = "memoryguard.volumes.extracted.v1"
    scan_id: str
    user_id: str | None = None
    engine: Engine
    quality: Quality
    volumes_mm3: dict[str, Quantity]
    thickness_mm: dict[str, Quantity]
    labels: ObjectRef | None = Field(default=None, description="NIfTI, FreeSurfer label numbers.")
    picture: ObjectRef | None = Field(default=None, description="PNG of skull-stripped slices.")
    meshes: ObjectRef | None = Field(
        default=None, description="GLB: one surface per structure, RAS, millimetres."
    )
    stripped: ObjectRef | None = Field(
        default=None, description="NIfTI of the scan, zero outside the brain: no face."
    )
    archive: ObjectRef | None = Field(default=None, description="What was measured.")
    person: Person
    acquisition: Acquisition
    seconds: dict[str, float]


class DocumentMade(Fact):
    """A result as a DICOM object, for the systems of a hospital."""

    type: ClassVar[str] = "memoryguard.document.made.v1"
    scan_id: str
    user_id: str | None = None
    engine: Engine
    dicom: DicomObject


class DocumentAddressed(Fact):
    """A result is to be stored back at this archive; each is tried until it is there or refused."""

    type: ClassVar[str] = "memoryguard.document.addressed.v1"
    scan_id: str
    user_id: str | None = None
    dicom: DicomObject
    made_at: datetime = Field(description="When it was said that the object was made, UTC.")
    destination: str = Field(description="Address of a DICOMweb server or DICOM node.")


class DocumentStored(Fact):
    """A result was stored back at a hospital's archive, under the original identity."""

    type: ClassVar[str] = "memoryguard.document.stored.v1"
    scan_id: str
    user_id: str | None = None
    instance_uid: str = Field(description="Of the object that was made; there it has another one.")
    destination: str = Field(description="Address of a DICOMweb server or DICOM node.")


class VolumesRefused(Fact):
    """The scan cannot be measured."""

    type: ClassVar[str] = "memoryguard.volumes.refused.v1"
    scan_id: str
    user_id: str | None = None
    engine: Engine
    quality: Quality
    seconds: dict[str, float]


class AtrophyScored(Fact):
    """The volumes, set beside healthy people and beside earlier scans."""

    type: ClassVar[str] = "memoryguard.atrophy.scored.v1"
    scan_id: str
    user_id: str | None = None
    engine: Engine
    quality: Quality
    volumes_mm3: dict[str, Quantity]
    thickness_mm: dict[str, Quantity]
    person: Person
    acquisition: Acquisition
    regions: dict[str, RegionScore]
    thickness: dict[str, ThicknessScore] = Field(
        default_factory=dict, description="Each thickness against healthy people."
    )
    summaries: dict[str, Summary] = Field(
        default_factory=dict, description="Hippocampi, cortex, ventricles, whole brain."
    )
    packs: dict[str, NormPack] = Field(
        default_factory=dict, description="The norms behind every z, by name."
    )
    site: CalibratedSite | None = Field(
        default=None, description="Null where the scanner has no healthy controls of its own."
    )
    overall: Literal["none", "mild", "moderate", "severe", "uncertain"] | None
    overall_region: str | None = Field(default=None, description="Where the word comes from.")
    overall_considered: tuple[str, ...] = Field(
        default=(), description="Regions that could be scored; the word speaks of no other."
    )
    overall_at_least: bool = Field(
        default=False, description="A region beside it is uncertain: the truth may be worse."
    )
    overall_reason: str | None = None
    flags: tuple[str, ...] = Field(
        default=(), description="What a reader should know that forbids no score."
    )
    asymmetry_percent: dict[str, Quantity]
    ratios: dict[str, Quantity]
    earlier_scans: tuple[str, ...] = ()
    change: dict[str, Change] = Field(default_factory=dict)
    change_reason: str | None = Field(default=None, description="Why there is no change.")
    archive: ObjectRef | None = Field(default=None, description="What was measured.")
    labels: ObjectRef | None = Field(default=None, description="NIfTI, FreeSurfer label numbers.")
    seconds: dict[str, float]


class RiskPredicted(Fact):
    """How similar this person is to diagnosed groups today, and why the model says so."""

    type: ClassVar[str] = "memoryguard.risk.predicted.v1"
    scan_id: str
    user_id: str | None = None
    model: Engine
    probabilities: dict[str, float] = Field(description="Per group; they add up to 1.")
    explained: str = Field(description="Which output the contributions add up to.")
    base: float
    output: float
    contributions: tuple[Contribution, ...]
    missing: dict[str, str] = Field(default_factory=dict, description="Feature -> reason code.")
    health_as_of: datetime | None = Field(
        default=None, description="When the latest health metrics that were known were said."
    )
    seconds: dict[str, float]
    dementia_similarity: float | None = Field(
        default=None, description="Probability of the dementia group today; no forecast."
    )
    intervals95: dict[str, tuple[float, float]] = Field(
        default_factory=dict, description="95 % interval of each group's probability."
    )
    interval_omits: tuple[str, ...] = Field(
        default=(), description="Inputs of the scan whose own error is not wholly known."
    )
    prevalence: dict[str, float] = Field(
        default_factory=dict, description="Shares of the groups that the probabilities assume."
    )
    method: Literal["exact", "permutation"] | None = Field(
        default=None, description="How the contributions were computed."
    )
    baseline: str | None = Field(default=None, description="Whose mean the base is.")
    background_people: int | None = None
    additivity_error: float | None = Field(
        default=None, description="|base + contributions - output|; at most 1e-6."
    )
    group_contributions: dict[str, float] = Field(
        default_factory=dict, description="Contributions added up: imaging, clinical."
    )
    features: dict[str, Quantity] = Field(
        default_factory=dict, description="All that was gathered, used or not, with reasons."
    )


class RiskWithheld(Fact):
    """The model says nothing, and why."""

    type: ClassVar[str] = "memoryguard.risk.withheld.v1"
    scan_id: str
    user_id: str | None = None
    model: Engine
    reasons: tuple[Reason, ...]
    missing: dict[str, str] = Field(default_factory=dict)
    health_as_of: datetime | None = Field(
        default=None, description="When the latest health metrics that were known were said."
    )
    seconds: dict[str, float]
    features: dict[str, Quantity] = Field(
        default_factory=dict, description="All that was gathered, with reasons."
    )


# --- access --------------------------------------------------------------------------------


class AccessInvited(Fact):
    """A person invites somebody to see their data; nothing is granted before it is accepted."""

    type: ClassVar[str] = "memoryguard.access.invited.v1"
    user_id: str
    grantee_id: str | None = None
    scopes: tuple[Scope, ...]
    expires_at: datetime
    actor_id: str


class AccessGranted(Fact):
    """Somebody has accepted a person's invitation, and may see their data."""

    type: ClassVar[str] = "memoryguard.access.granted.v1"
    user_id: str
    grantee_id: str
    actor_id: str
    scopes: tuple[Scope, ...] = ("status", "results")
    expires_at: datetime | None = None


class AccessRevoked(Fact):
    """A person takes that back."""

    type: ClassVar[str] = "memoryguard.access.revoked.v1"
    user_id: str
    grantee_id: str
    actor_id: str


class AccessOverridden(Fact):
    """A clinician has broken the glass: sees a person's data in an emergency, without a grant."""

    type: ClassVar[str] = "memoryguard.access.overridden.v1"
    user_id: str
    actor_id: str
    reason: OverrideReason = Field(description="Why; from a closed vocabulary, never free text.")
    expires_at: datetime


class AccessRead(Fact):
    """Something was served."""

    type: ClassVar[str] = "memoryguard.access.read.v1"
    actor_id: str
    action: str
    service: str
    scan_id: str | None = None
    user_id: str | None = None
    purpose: Purpose | None = None
    basis: Basis | None = Field(
        default=None, description="By what it was permitted; null: not about one person's data."
    )


class AccessDenied(Fact):
    """Something was refused."""

    type: ClassVar[str] = "memoryguard.access.denied.v1"
    actor_id: str
    action: str
    service: str
    code: str
    scan_id: str | None = None
    user_id: str | None = None
    times: int = Field(default=1, ge=1, description="Refusals alike that this event stands for.")
    since: datetime | None = Field(default=None, description="The first of them, if several.")
    purpose: Purpose | None = None


# --- deliveries ----------------------------------------------------------------------------


class DeliveryFailed(Fact):
    """A service gave an event up: its dead letter."""

    type: ClassVar[str] = "memoryguard.delivery.failed.v1"
    service: str
    topic: str
    event_id: str
    event_source: str
    event_type: str
    code: str
    attempts: int
    scan_id: str | None = None


class DeliveryConflicted(Fact):
    """An event came again under the same id with other bytes: somebody forges or is broken."""

    type: ClassVar[str] = "memoryguard.delivery.conflicted.v1"
    service: str
    topic: str
    event_id: str
    event_source: str


class CheckpointSigned(Fact):
    """The audit log's size and root, signed. Travels on a topic that is not itself audited."""

    type: ClassVar[str] = "memoryguard.checkpoint.signed.v1"
    size: int
    note: str = Field(description="A C2SP tlog-checkpoint.")
