# SPDX-License-Identifier: Apache-2.0
"""What each route of audit takes and answers, for docs/openapi.json."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from memoryguard.audit.bodies import Holding, SignOff
from memoryguard.common.contracts.oversight import HoldReason, ReviewNote
from memoryguard.common.contracts.parts import Basis
from memoryguard.common.http.operation import PERIOD, Answer, Body, Operation, Parameter, paged
from memoryguard.common.http.purpose import PURPOSES
from memoryguard.tlog.entry import Outcome

AUDIT: Final = "Audit"
TEXT: Final = ("text/plain",)
_SIZE: Final = {"type": "integer", "minimum": 1}
_FILTERS: Final = (
    Parameter("subject", "Whom it is about: a pseudonym.", {"pattern": "^[0-9a-f]{32}$"}),
    Parameter("user", "Whom it is about: an account."),
    Parameter("actor", "Who did it: an account."),
    Parameter("scan", "Which scan it is about."),
    Parameter("action", "What was done; the beginning of it and * for all that begin so."),
    Parameter("outcome", "How it ended.", {"enum": [*get_args(Outcome)]}),
    Parameter("purpose", "What for.", {"type": "string", "examples": [*PURPOSES]}),
    Parameter("type", "Type of the event, for instance memoryguard.access.read.v1."),
    *PERIOD,
)


class Described(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# --- entries and proofs --------------------------------------------------------------------


class ScanEntry(Described):
    """What the log holds about a scan."""

    sequence: int
    type: str
    source: str
    event_id: str
    subject_id: str
    logged_at: datetime


class ScanEntries(Described):
    """The first 500 entries about a scan."""

    entries: tuple[ScanEntry, ...]


class EntryPage(Described):
    """Headers of entries, newest first."""

    entries: tuple[dict[str, Any], ...] = Field(
        description="As docs/AUDIT.md describes an entry's header, times in UTC."
    )
    next_cursor: str | None


class Consistency(Described):
    """That the log of one size is the beginning of the log of another."""

    older: int = Field(alias="from")
    newer: int = Field(alias="to")
    hashes: tuple[str, ...]
    from_checkpoint: str | None
    to_checkpoint: str | None


KEY: Final = Operation(
    "Give the key that checkpoints are signed with",
    AUDIT,
    {200: Answer("A C2SP verifier key.", None, TEXT)},
)
CHECKPOINT: Final = Operation(
    "Give the newest checkpoint",
    AUDIT,
    {200: Answer("A C2SP checkpoint, with the cosignatures of witnesses.", None, TEXT)},
    errors={404: "not_found"},
)
SCAN: Final = Operation(
    "List what the log holds about a scan", AUDIT, {200: Answer("Entries.", ScanEntries)}
)
ENTRIES: Final = Operation(
    "Find entries by whom, by what and by when",
    AUDIT,
    {200: Answer("A page of headers, newest first.", EntryPage)},
    parameters=(*_FILTERS, *paged(usual=100, most=500)),
    errors={422: "bad_filter bad_cursor query_too_wide"},
)
ENTRY: Final = Operation(
    "Give an entry: the bytes that the tree covers",
    AUDIT,
    {200: Answer("The leaf.", None, ("application/octet-stream",))},
    errors={404: "not_found"},
)
EVENT: Final = Operation(
    "Give an entry's event, byte for byte",
    AUDIT,
    {200: Answer("The event, opened where it is sealed.", {"type": "object"})},
    errors={404: "not_found", 410: "entry_shredded"},
)
PROOF: Final = Operation(
    "Prove that the log holds an entry",
    AUDIT,
    {200: Answer("A C2SP tlog-proof; it verifies offline.", None, TEXT)},
    errors={404: "not_found"},
)
CONSISTENCY: Final = Operation(
    "Prove that the log only grew",
    AUDIT,
    {200: Answer("A proof of consistency (RFC 9162), in base64.", Consistency)},
    parameters=(
        Parameter("from", "Size of the older log.", _SIZE, required=True),
        Parameter("to", "Size of the newer log.", _SIZE, required=True),
    ),
    errors={404: "not_found", 422: "bad_filter"},
)
EXPORT: Final = Operation(
    "Export entries, each with what verifies it offline",
    AUDIT,
    {
        200: Answer(
            "Every entry under the newest checkpoint that the filters let through.", None,
            ("application/jsonl", "text/csv", "application/fhir+ndjson"), tagged=False,
        )
    },
    parameters=(*_FILTERS, Parameter("format", "How.", {"enum": ["jsonl", "csv", "fhir"]})),
    errors={422: "bad_filter query_too_wide", 503: "exports_busy not_signed_yet"},
)  # fmt: skip

# --- the person's own ----------------------------------------------------------------------


class LedgerEntry(Described):
    """Who did what with the caller's data."""

    sequence: int
    at: datetime | None
    what: Literal["seen", "refused", "glass_broken", "invited", "granted", "revoked"]
    by: str | None
    by_yourself: bool
    action: str | None
    scan_id: str | None
    purpose: str | None
    basis: Basis | None
    code: str | None
    grantee: str | None


class LedgerPage(Described):
    """Who did what with the caller's data, newest first."""

    entries: tuple[LedgerEntry, ...]
    patient_numbers: int = Field(description="How many hospital numbers lead to this account.")
    next_cursor: str | None


LEDGER: Final = Operation(
    "List who has looked at one's own data",
    AUDIT,
    {200: Answer("A page, newest first.", LedgerPage)},
    parameters=paged(usual=100, most=500),
    errors={422: "bad_filter bad_cursor query_too_wide"},
)

# --- review --------------------------------------------------------------------------------


class Report(Described):
    """What happened in a period that an officer should look at; docs/AUDIT.md says how."""

    since: datetime = Field(alias="from")
    until: datetime = Field(alias="to")
    findings: dict[str, int]
    break_glass: dict[str, Any]
    denials: tuple[dict[str, Any], ...]
    volumes: tuple[dict[str, Any], ...]
    deliveries: tuple[dict[str, Any], ...]
    operations: tuple[dict[str, Any], ...]
    incomplete: tuple[str, ...]
    method: dict[str, Any]


class Reviewed(Described):
    """A report, and what a signature of it speaks of."""

    report: Report
    report_sha256: str
    log_size: int


class Signed(Described):
    """That a report is signed."""

    signed: str = Field(description="Id of the event.")
    conclusion: ReviewNote


REVIEW: Final = Operation(
    "Report on a period's activity",
    AUDIT,
    {200: Answer("The report; of the last seven days, where no period is named.", Reviewed)},
    parameters=PERIOD,
    errors={422: "bad_filter query_too_wide"},
)
SIGN: Final = Operation(
    "Sign a report off",
    AUDIT,
    {201: Answer("It is signed.", Signed)},
    body=Body(SignOff),
    errors={409: "review_outdated", 422: "bad_json bad_filter query_too_wide"},
)

# --- holds ---------------------------------------------------------------------------------


class Hold(Described):
    """A hold; lifted, once somebody has lifted it."""

    hold_id: str
    subject_id: str | None = Field(description="Whose entries; null: everybody's.")
    reason: HoldReason
    placed_by: str
    placed_at: datetime
    lifted_by: str | None
    lifted_at: datetime | None


class Holds(Described):
    """Holds, those placed last first; the newest 1000."""

    holds: tuple[Hold, ...]


class HoldPlaced(Described):
    """A hold that begins."""

    hold_id: str
    subject_id: str | None


class HoldLifted(Described):
    """A hold that has ended."""

    hold_id: str
    lifted: Literal[True]


HOLDS: Final = Operation("List legal holds", AUDIT, {200: Answer("Holds.", Holds)})
PLACE: Final = Operation(
    "Place a legal hold",
    AUDIT,
    {201: Answer("It holds.", HoldPlaced)},
    body=Body(Holding),
    errors={422: "bad_json"},
)
LIFT: Final = Operation(
    "Lift a legal hold",
    AUDIT,
    {200: Answer("It has ended.", HoldLifted)},
    errors={404: "not_found", 409: "already_lifted"},
)
