# SPDX-License-Identifier: Apache-2.0
"""What the platform answers with, as far as a program decides by it; the rest is in docs/API."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

State = Literal["uploaded", "processing", "completed", "failed"]
Form = Literal["pdf", "clinician", "plain", "fhir", "csv"]
"""Of a result as a document: a PDF by one's role, for clinicians or in plain words; or data."""
FINAL: frozenset[str] = frozenset({"completed", "failed"})


class Problem(TypedDict):
    """Why something failed."""

    code: str
    message: str


class Status(TypedDict):
    """Where a scan stands."""

    imaging_id: str
    status: State
    stage: str | None
    stages: dict[str, float]
    error: NotRequired[Problem | None]


class Artifact(TypedDict):
    """A file that was made of a scan."""

    path: str
    sha256: str
    bytes: int


class Analysis(TypedDict):
    """The result of a scan. Every number may be None, with a reason beside it."""

    imaging_id: str
    status: State
    volumes_mm3: dict[str, float | None]
    thickness_mm: dict[str, float | None]
    quality: dict[str, Any] | None
    atrophy: dict[str, Any] | None
    risk: dict[str, Any] | None
    reasons: dict[str, Any]
    artifacts: dict[str, Artifact]
    proof: NotRequired[dict[str, Any]]


class Taken(TypedDict):
    """A scan that an upload became."""

    imaging_id: str
    instances: int


class Receipt(TypedDict):
    """What became of an upload."""

    imaging_id: NotRequired[str | None]
    scans: list[Taken]
    series: list[dict[str, Any]]
    files: list[dict[str, Any]]
    counts: dict[str, int]


class Invitation(TypedDict):
    """An offer to see one's data; with a code, unless an account is named."""

    invitation_id: str
    code: str | None
    grantee_id: str | None
    scopes: list[str]
    accept_until: str
    grant_expires_at: str


class Link(TypedDict):
    """A link that signs a browser in, once."""

    url_path: str
    expires_at: str
