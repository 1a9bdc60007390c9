# SPDX-License-Identifier: Apache-2.0
"""From files to a stored scan: one path behind every way in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from memoryguard.common.contracts.events import ScanReceived
from memoryguard.common.errors import Rejected
from memoryguard.common.runtime.database import Pool
from memoryguard.common.runtime.platform import Platform
from memoryguard.ingest.intake import Intake, intake

Files = Sequence[tuple[str, bytes]]


async def take_in(platform: Platform, files: Files, user_id: str | None) -> ScanReceived:
    """Check, de-identify, encrypt and store a scan; nothing is visible until it is announced.

    Parameters
    ----------
    platform
        Of ingest.
    files
        Names and bytes: DICOM instances, or one zip of them.
    user_id
        Account that the scan belongs to, when known.

    Raises
    ------
    Rejected
        With the reason; see ``intake`` and ``patient_mismatch``.
    """
    subject_id = platform.vault.user_subject_id(user_id) if user_id else None
    taken = await asyncio.to_thread(intake, files, vault=platform.vault, subject_id=subject_id)
    owner = await _owner(platform.pool, taken)
    if owner != taken.subject_id:
        if user_id:
            raise Rejected(
                "patient_mismatch",
                "this patient number belongs to somebody else here",
                "check the account, or ask a clinician to resolve it",
            )
        taken = await asyncio.to_thread(intake, files, vault=platform.vault, subject_id=owner)
    return await _store(platform, taken, user_id)


async def _owner(pool: Pool, taken: Intake) -> str:
    """Person a patient number belongs to; the first scan decides."""
    if taken.patient_alias is None:
        return taken.subject_id
    await pool.execute(
        "insert into alias (alias, subject_id) values ($1, $2) on conflict do nothing",
        taken.patient_alias,
        taken.subject_id,
    )
    return str(
        await pool.fetchval("select subject_id from alias where alias = $1", taken.patient_alias)
    )


async def _store(platform: Platform, taken: Intake, user_id: str | None) -> ScanReceived:
    received_at = await _first_received(platform.pool, taken, user_id)
    path = f"scans/{taken.subject_id}/{received_at:%Y%m%dT%H%M%SZ}-{taken.sha256[:16]}"
    archive = await platform.objects.put(path, taken.subject_id, taken.archive)
    return ScanReceived(
        subject_id=taken.subject_id,
        scan_id=taken.scan_id,
        user_id=user_id,
        archive=archive,
        instances=taken.instances,
        person=taken.person,
        acquisition=taken.acquisition,
        received_at=received_at,
    )


async def _first_received(pool: Pool, taken: Intake, user_id: str | None) -> datetime:
    """When this scan first came: it names the object, so the same scan is the same object."""
    await pool.execute(
        "insert into scan (scan_id, subject_id, user_id, sha256) values ($1, $2, $3, $4)"
        " on conflict do nothing",
        taken.scan_id,
        taken.subject_id,
        user_id,
        taken.sha256,
    )
    received_at: datetime = await pool.fetchval(  # pyright: ignore[reportAssignmentType]
        "select received_at from scan where scan_id = $1", taken.scan_id
    )
    return received_at
