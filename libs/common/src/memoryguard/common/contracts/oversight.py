# SPDX-License-Identifier: Apache-2.0
"""Events about the platform itself: its keys, its settings, and what is done with the audit log.

The rules are those of ``events.py``. Most concern nobody in particular; their key is then
``NOBODY``. An operator is the user of the operating system who ran a command, as that system names
it: no proof of who sat there, but what a reader of the machine's own log can follow up.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal, TypeAlias

from pydantic import Field

from memoryguard.common.contracts.event import Fact
from memoryguard.common.contracts.parts import Purpose

ReviewNote: TypeAlias = Literal["nothing_unusual", "followed_up", "incident_opened"]
"""What came of a review. A closed vocabulary, as everywhere: free text would hold identities."""

HoldReason: TypeAlias = Literal["litigation", "investigation", "patient_request", "other"]
"""Why entries may not be pruned, nor their person erased."""

ExportFormat: TypeAlias = Literal["csv", "jsonl", "fhir"]
"""What an export of the log is written as: CSV, JSON Lines, or FHIR AuditEvent."""


# --- operations ----------------------------------------------------------------------------


class KeysRotated(Fact):
    """People's keys were wrapped anew under the current key of a ring."""

    type: ClassVar[str] = "memoryguard.keys.rotated.v1"
    ring: str
    fingerprint: str = Field(description="Of the ring's current key: names it, tells nothing.")
    rewrapped: int = Field(
        ge=0, description="Keys wrapped anew by this run; one that was cut short says nothing."
    )
    operator: str


class KeysRetired(Fact):
    """Old keys were removed from a ring: what is wrapped with them opens no more."""

    type: ClassVar[str] = "memoryguard.keys.retired.v1"
    ring: str
    fingerprints: tuple[str, ...] = Field(description="Of the keys that were removed.")
    operator: str


class SettingsChanged(Fact):
    """A service has started with other settings, or another version, than the last time."""

    type: ClassVar[str] = "memoryguard.settings.changed.v1"
    service: str
    version: str = Field(description="Version of the software that starts.")
    changed: tuple[str, ...] = Field(
        description="Environment variables whose value is another one; values are never said."
    )
    first: bool = Field(description="Whether nothing is known of an earlier start.")


# --- compliance ----------------------------------------------------------------------------


class ReviewSigned(Fact):
    """An officer has reviewed a period's activity, and signed the report."""

    type: ClassVar[str] = "memoryguard.review.signed.v1"
    actor_id: str
    since: datetime = Field(description="Begin of the period.")
    until: datetime = Field(description="End of the period.")
    report_sha256: str = Field(description="Of the report that was signed, hexadecimal.")
    log_size: int = Field(ge=0, description="Entries that the log had when the report was made.")
    findings: dict[str, int] = Field(description="How many findings of each kind the report has.")
    note_code: ReviewNote


class HoldPlaced(Fact):
    """Entries of the log must be kept, and readable, until the hold is lifted."""

    type: ClassVar[str] = "memoryguard.hold.placed.v1"
    hold_id: str
    held_subject_id: str | None = None
    actor_id: str
    reason: HoldReason = Field(description="Why; from a closed vocabulary, never free text.")


class HoldLifted(Fact):
    """A hold has ended."""

    type: ClassVar[str] = "memoryguard.hold.lifted.v1"
    hold_id: str
    held_subject_id: str | None = None
    actor_id: str
    reason: HoldReason = Field(description="Why it was placed.")


class LogPruned(Fact):
    """Old entries were dropped from the log; their hashes stay, and proofs stay valid."""

    type: ClassVar[str] = "memoryguard.log.pruned.v1"
    first: int = Field(ge=0, description="Sequence number of the first entry that was dropped.")
    last: int = Field(ge=0, description="Sequence number of the last one.")
    entries: int = Field(ge=0, description="How many were dropped.")
    newest_logged_at: datetime = Field(description="When the newest of them was logged.")
    operator: str
    size: int = Field(ge=0, description="Entries of the whole tree at that moment.")


class LogExported(Fact):
    """Entries of the log were handed out."""

    type: ClassVar[str] = "memoryguard.log.exported.v1"
    actor_id: str
    format: ExportFormat
    entries: int = Field(ge=0, description="How many were handed out.")
    filters: tuple[str, ...] = Field(
        description="Names of the filters that were used; their values are never said."
    )
    sha256: str = Field(description="Of what was handed out, hexadecimal.")
    purpose: Purpose | None = None
