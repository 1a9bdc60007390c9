# SPDX-License-Identifier: Apache-2.0
"""One valid event of every type of ``oversight.py``; nobody did any of this."""

from __future__ import annotations

from datetime import UTC, datetime

from memoryguard.common.contracts import oversight as o
from memoryguard.common.contracts.event import NOBODY, Fact

OFFICER = "officer-synthetic-1"
OPERATOR = "operator-synthetic"
HOLD = "hold-synthetic-1"
HELD = "5e" * 16
BEGIN = datetime(2026, 2, 1, tzinfo=UTC)
END = datetime(2026, 3, 1, tzinfo=UTC)

OPERATIONS: tuple[Fact, ...] = (
    o.KeysRotated(
        subject_id=NOBODY, ring="scans", fingerprint="0a1b2c3d", rewrapped=12, operator=OPERATOR
    ),
    o.KeysRetired(subject_id=NOBODY, ring="scans", fingerprints=("4e5f6a7b",), operator=OPERATOR),
    o.SettingsChanged(
        subject_id=NOBODY,
        service="ingest",
        version="0.1.0",
        changed=("IMAGING_ENCRYPTION_KEY", "MEMORYGUARD_PORT"),
        first=False,
    ),
)

COMPLIANCE: tuple[Fact, ...] = (
    o.ReviewSigned(
        subject_id=NOBODY,
        actor_id=OFFICER,
        since=BEGIN,
        until=END,
        report_sha256="ab" * 32,
        log_size=1024,
        findings={"break_glass": 1, "denials": 7},
        note_code="followed_up",
    ),
    o.HoldPlaced(
        subject_id=NOBODY,
        hold_id=HOLD,
        held_subject_id=HELD,
        actor_id=OFFICER,
        reason="litigation",
    ),
    o.HoldLifted(
        subject_id=NOBODY,
        hold_id=HOLD,
        held_subject_id=HELD,
        actor_id=OFFICER,
        reason="litigation",
    ),
    o.LogPruned(
        subject_id=NOBODY,
        first=0,
        last=511,
        entries=512,
        newest_logged_at=BEGIN,
        operator=OPERATOR,
        size=1024,
    ),
    o.LogExported(
        subject_id=NOBODY,
        actor_id=OFFICER,
        format="jsonl",
        entries=40,
        filters=("actor", "since"),
        sha256="cd" * 32,
        purpose="HCOMPL",
    ),
)
