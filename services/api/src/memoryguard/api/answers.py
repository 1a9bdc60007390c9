# SPDX-License-Identifier: Apache-2.0
"""The form of what is answered about scans, sessions and consent.

These models describe: the documents are made elsewhere, and tests hold every one of them to its
model. What a fact says and is passed on as it is has its form in `memoryguard.common.contracts`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from memoryguard.api.status import Stage, Status
from memoryguard.common.contracts.events import OverrideReason, Scope
from memoryguard.common.contracts.parts import (
    CalibratedSite,
    Change,
    Contribution,
    Engine,
    NormPack,
    Person,
    Quality,
    Quantity,
    Reason,
    RegionScore,
    Summary,
    ThicknessScore,
)
from memoryguard.common.security.policy import Role

Severity: TypeAlias = Literal["none", "mild", "moderate", "severe", "uncertain"]
Numbers: TypeAlias = dict[str, float | None]
Codes: TypeAlias = dict[str, str]


class Described(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# --- scans ---------------------------------------------------------------------------------


class ScanError(Described):
    """Why a scan failed."""

    code: str
    message: str
    hint: str = Field(description="What to do about it; may be empty.")


class ScanStatus(Described):
    """Where a scan stands."""

    imaging_id: str
    user_id: str | None
    modality: str | None = Field(description="MRI; null while the scan is not heard of.")
    status: Status = Field(description="The last two are final.")
    stage: Stage = Field(description="The furthest stage with nothing missing before it.")
    created_at: datetime
    updated_at: datetime
    stages: dict[str, float] = Field(description="Seconds from each stage to the next, and total.")
    error: ScanError | None = Field(default=None, description="There when the scan failed.")


class ScanSummary(ScanStatus):
    """Status and the few numbers that a list shows."""

    hippocampal_volume_total: float | None = Field(description="mm³")
    cortical_thickness_mean: float | None = Field(description="mm")
    total_brain_volume: float | None = Field(description="mm³")
    atrophy_severity: Severity | None = Field(description="Low for age; never loss over time.")


class ShownAcquisition(Described):
    """How the scan was made, as far as it is shown."""

    manufacturer: str | None
    scanner_model: str | None
    field_strength_t: float | None
    spacing_mm: tuple[float, float, float] | None
    series: str | None


class Atrophy(Described):
    """The measurements beside healthy people of that age, sex and head size."""

    regions: dict[str, RegionScore]
    thickness: dict[str, ThicknessScore]
    summaries: dict[str, Summary]
    packs: dict[str, NormPack]
    site: CalibratedSite | None
    overall: Severity | None
    overall_region: str | None
    overall_at_least: bool = Field(description="The truth may be worse.")
    flags: tuple[str, ...]
    change: dict[str, Change]
    earlier_scans: tuple[str, ...]
    asymmetry_percent: Numbers
    ratios: Numbers


class Features(Described):
    """The numbers that a model can be given."""

    volumes_mm3: Numbers
    thickness_mm: Numbers
    asymmetry_percent: Numbers
    ratios: Numbers


class Risk(Described):
    """How similar the person is to diagnosed groups today, and why the model says so."""

    model: Engine
    probabilities: dict[str, float]
    explained: str
    base: float
    output: float
    contributions: tuple[Contribution, ...]
    missing: Codes | None
    dementia_similarity: float | None
    intervals95: dict[str, tuple[float, float]] | None
    interval_omits: tuple[str, ...] | None
    prevalence: dict[str, float] | None
    method: Literal["exact", "permutation"] | None
    baseline: str | None
    background_people: int | None
    additivity_error: float | None
    group_contributions: dict[str, float] | None
    features: dict[str, Quantity] | None


class RiskWithheld(Described):
    """That the model says nothing, and why."""

    model: Engine
    reasons: tuple[Reason, ...]
    missing: Codes


class HealthValue(Described):
    """The latest value of a health metric."""

    value: float
    provenance: str = Field(description="clinical, self_reported or synthetic")


class Artifact(Described):
    """A file that was made of the scan."""

    path: str
    sha256: str
    bytes: int


class Errors(Described):
    """One standard deviation of each value there is, in its unit."""

    volumes_mm3: Numbers
    thickness_mm: Numbers


class Reasons(Described):
    """Why something is null, by its name: a stable code."""

    volumes_mm3: Codes
    thickness_mm: Codes
    asymmetry_percent: Codes
    ratios: Codes
    atrophy: Codes
    risk: tuple[Reason, ...]
    quality: str | None = None
    engine: str | None = None
    person: str | None = None
    acquisition: str | None = None
    picture: str | None = None


class Unproved(Described):
    """An event that cannot be proved yet, or no more."""

    type: str
    reason: str


class ProvedEvent(Described):
    """An event that the log holds, with what opens and proves it (base64)."""

    type: str
    sequence: int
    entry: str
    opening: str | None
    proof: tuple[str, ...]


class ProvedScan(Described):
    """The archive that the numbers come from."""

    sha256: str
    instances: int


class Proof(Described):
    """That the audit log holds what the result rests on; ``memoryguard result verify`` checks."""

    status: Literal["complete", "pending"]
    pending: tuple[Unproved, ...]
    checkpoint: str | None = Field(description="A C2SP tlog-checkpoint.")
    events: tuple[ProvedEvent, ...]
    scan: ProvedScan | None
    engine: Engine | None
    packs: dict[str, NormPack] | None
    model: Engine | None
    reasons: Codes


class Analysis(ScanSummary):
    """Everything that is known about a scan; what is null has its reason in ``reasons``."""

    id: str
    atrophy_detected: dict[str, bool | None] | None = Field(
        description="By region: low (a ventricle: large) for age; null: that cannot be told."
    )
    ml_features: Features | None
    quality: Quality | None
    engine: Engine | None
    person: Person | None
    acquisition: ShownAcquisition | None
    volumes_mm3: Numbers
    thickness_mm: Numbers
    errors_sd: Errors
    atrophy: Atrophy
    risk: Risk | None
    risk_withheld: RiskWithheld | None
    health: dict[str, HealthValue]
    seconds: dict[str, float]
    picture: str | None = Field(description="Path of the picture.")
    artifacts: dict[str, Artifact]
    disclaimer: str
    reasons: Reasons
    proof: Proof | None = Field(default=None, description="There when proof=1 asks for it.")


class ScanPage(Described):
    """Scans whose results the caller may see, newest first."""

    items: tuple[ScanSummary, ...]
    next_cursor: str | None


class UserScanPage(Described):
    """Scans of an account, newest first; with numbers, if the caller may see results."""

    items: tuple[Annotated[ScanSummary | ScanStatus, Field(union_mode="left_to_right")], ...]
    next_cursor: str | None


# --- sessions ------------------------------------------------------------------------------


class Session(Described):
    """Who is signed in, and by which token."""

    user_id: str
    roles: tuple[Role, ...]
    token: str = Field(description="The bearer token: a session's cookie itself only reads.")
    idle_minutes: int = Field(description="A session ends when unused for so long.")


class SessionLink(Described):
    """A link that opens a session once."""

    url_path: str
    expires_at: datetime


class SessionsEnded(Described):
    """How many sessions were ended."""

    ended: int


class WaysIn(Described):
    """How one signs in, beside links and tokens: at an identity provider, or not."""

    oidc: str | None


# --- consent -------------------------------------------------------------------------------


class InvitationMade(Described):
    """What was offered."""

    invitation_id: str
    code: str | None = Field(description="For whoever has it; null when an account is named.")
    grantee_id: str | None
    scopes: tuple[Scope, ...]
    accept_until: datetime
    grant_expires_at: datetime


class InvitationWithdrawn(Described):
    """That an invitation is closed."""

    invitation_id: str
    open: Literal[False]


class GrantAccepted(Described):
    """What the caller may see now."""

    user_id: str
    grantee_id: str
    scopes: tuple[Scope, ...]
    expires_at: datetime | None
    granted: Literal[True]


class GrantRevoked(Described):
    """That an account may see nothing more."""

    user_id: str
    grantee_id: str
    granted: Literal[False]


class Granted(Described):
    """Whom the caller lets see their data."""

    grantee_id: str
    scopes: tuple[Scope, ...]
    expires_at: datetime | None


class Received(Described):
    """Who lets the caller see, or offers it."""

    user_id: str
    scopes: tuple[Scope, ...]
    expires_at: datetime | None


class InvitationOpen(Described):
    """What the caller has offered, and nobody has accepted yet."""

    invitation_id: str
    grantee_id: str | None
    scopes: tuple[Scope, ...]
    expires_at: datetime


class Grants(Described):
    """Everything that the caller grants, offers, and was granted and offered."""

    items: tuple[Granted, ...]
    received: tuple[Received, ...]
    invitations: tuple[InvitationOpen, ...]
    invited_by: tuple[Received, ...]


class GlassBroken(Described):
    """Whose data is open to the caller, and until when."""

    user_id: str
    reason: OverrideReason
    expires_at: datetime
