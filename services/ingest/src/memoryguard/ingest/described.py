# SPDX-License-Identifier: Apache-2.0
"""What each route of ingest takes and answers, for docs/openapi.json."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from memoryguard.common.contracts.parts import Reason
from memoryguard.common.http.operation import ANY_OTHER, Answer, Body, Operation, Parameter
from memoryguard.ingest.bodies import Digests, HealthMetrics, Resolution


class Described(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# --- uploads -------------------------------------------------------------------------------


class State(Described):
    """What became of a file or series, and why."""

    state: str
    code: str | None = None
    message: str | None = None
    hint: str | None = None


class FileState(State):
    """What became of a file: kept, duplicate, left_out or refused."""

    name: str


class SeriesState(State):
    """What became of a series: arriving, unassigned, announced, left_out or refused."""

    images: int | None = None
    imaging_id: str | None = None
    notes: tuple[Reason, ...] = ()


class UploadedScan(Described):
    """A series that is a scan now."""

    imaging_id: str
    user_id: str | None
    modality: Literal["MR"]
    status: Literal["uploaded"]
    instances: int
    created_at: datetime | None
    status_url: str


class Uploaded(Described):
    """What became of a delivery: the fields of the first scan, then all scans, series, files."""

    status: Literal["arriving", "uploaded"] = Field(
        description="arriving: no scan is whole yet; slices are missing."
    )
    user_id: str | None
    imaging_id: str | None = None
    modality: Literal["MR"] | None = None
    instances: int | None = None
    created_at: datetime | None = None
    status_url: str | None = None
    scans: tuple[UploadedScan, ...]
    series: tuple[SeriesState, ...]
    counts: dict[str, int] = Field(description="Files by what became of them.")
    files: tuple[FileState, ...]


class Missing(Described):
    """Which of the named files are not here yet."""

    missing: tuple[str, ...]


SCANS: Final = "Scans"
_FORM: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "user_id": {
            "type": "string",
            "description": "Whose scan it is; else the caller's.",
        },
        "complete": {
            "enum": ["true", "false"],
            "description": "false: more files of the same series follow in another upload.",
        },
        "sha256": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Digest of a file that is here already, under the file's name.",
        },
        "file": {
            "type": "array",
            "items": {"type": "string", "contentMediaType": "application/octet-stream"},
            "description": "DICOM files, zips of them, or both. Fields come before files.",
        },
    },
}
UPLOAD: Final = Operation(
    "Upload a scan",
    SCANS,
    {
        201: Answer("There is a scan that was not here before.", Uploaded),
        200: Answer("Nothing new, or nothing whole yet.", Uploaded),
    },
    more=(
        "To upload the same files again changes nothing: a scan is known by its content. With an"
        " `Idempotency-Key` a repeat within a day gets the first answer without being read."
    ),
    body=Body(_FORM, "multipart/form-data"),
    parameters=(
        Parameter("Idempotency-Key", "A name for this upload, made by the caller.",
                  {"type": "string", "minLength": 1, "maxLength": 200}, "header"),
    ),
    errors={
        422: f"not_multipart no_user bad_idempotency_key subject_erased {ANY_OTHER}",
        503: "object_store_unavailable",
    },
)  # fmt: skip
MISSING: Final = Operation(
    "Ask which files are not here yet, to resume an upload",
    SCANS,
    {200: Answer("Their digests.", Missing)},
    body=Body(Digests),
    errors={422: "bad_digests no_user"},
)

# --- people --------------------------------------------------------------------------------


class HealthTaken(Described):
    """What was recorded."""

    user_id: str
    recorded: tuple[str, ...]


class Erased(Described):
    """What was deleted, and what remains."""

    user_id: str
    objects_deleted: int
    remains: tuple[str, ...]


PEOPLE: Final = "People"
HEALTH: Final = Operation(
    "Record health metrics",
    PEOPLE,
    {202: Answer("They are recorded, and risk is estimated anew.", HealthTaken)},
    body=Body(HealthMetrics),
    errors={422: "bad_health_metrics subject_erased"},
)
ERASE: Final = Operation(
    "Erase a person",
    PEOPLE,
    {200: Answer("What was deleted, and what remains.", Erased)},
    more="It can be asked for again: an erasure that was cut short is completed then.",
    errors={409: "legal_hold", 422: "bad_user_id", 503: "object_store_unavailable"},
)

# --- worklist ------------------------------------------------------------------------------


class Identity(Described):
    """Who a patient is, as the scan says; empty where it says nothing."""

    patient_name: str
    patient_id: str
    issuer_of_patient_id: str
    patient_birth_date: str
    study_date: str


class Waiting(Described):
    """Scans of a patient whom nobody has linked to an account."""

    patient: str
    series: int
    images: int
    arrived_at: datetime
    claimed_by: str | None = Field(description="An account whose own upload bears this number.")
    identity: Identity


class Worklist(Described):
    """Patients who wait, those who wait longest first."""

    items: tuple[Waiting, ...]


class Discarded(Described):
    """How many series were forgotten."""

    discarded: int


WORKLIST: Final = "Worklist"
LISTED: Final = Operation(
    "List patients whom nobody has linked to an account",
    WORKLIST,
    {200: Answer("At most 200 of them.", Worklist)},
)
LINK: Final = Operation(
    "Say whose a patient's number is",
    WORKLIST,
    {200: Answer("What waited is the account's now.", Uploaded)},
    more="A repeat finds nobody waiting, and changes nothing.",
    body=Body(Resolution),
    errors={404: "not_waiting", 422: f"bad_resolution patient_mismatch {ANY_OTHER}"},
)
DISCARD: Final = Operation(
    "Forget what waits under a patient's number",
    WORKLIST,
    {200: Answer("It is gone.", Discarded)},
    errors={404: "not_waiting"},
)

# --- integrations --------------------------------------------------------------------------


class Published(Described):
    """The platform's own id of an event."""

    id: str


_EVENT: Final = {
    "type": "object",
    "required": ["specversion", "id", "source", "type", "data"],
    "description": "See docs/EVENTS.md, scan.available.",
}
INTEGRATIONS: Final = "Integrations"
PUBLISH: Final = Operation(
    "Say that a scan lies at an address",
    INTEGRATIONS,
    {202: Answer("It will be fetched.", Published)},
    more="A CloudEvent is known by its source and id: a repeat changes nothing.",
    body=Body(_EVENT, "application/cloudevents+json"),
    errors={
        422: "malformed_event event_too_large forged_source forbidden_address subject_erased",
        503: "object_store_unavailable",
    },
)
_DICOM_JSON: Final = ("application/dicom+json",)
_ATTRIBUTES: Final = {"type": "object"}
STOW: Final = Operation(
    "Store DICOM instances (STOW-RS)",
    "DICOMweb",
    {
        200: Answer("All are stored.", _ATTRIBUTES, _DICOM_JSON),
        202: Answer("Some are stored.", _ATTRIBUTES, _DICOM_JSON),
        409: Answer("None is stored.", _ATTRIBUTES, _DICOM_JSON),
    },
    more="Instances are known by their content: to store them again changes nothing.",
    body=Body(None, "multipart/related"),
    parameters=(Parameter("user_id", "Account that the instances belong to."),),
    errors={
        406: "not_acceptable",
        415: "unsupported_media_type",
        422: f"subject_erased {ANY_OTHER}",
        503: "object_store_unavailable",
    },
)
