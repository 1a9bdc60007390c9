# SPDX-License-Identifier: Apache-2.0
"""From events to the read model: SQL only, and the same rows whatever the order."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import cast

from memoryguard.api.status import FAILED
from memoryguard.common.contracts import events as e
from memoryguard.common.contracts.event import Event, Fact
from memoryguard.common.errors import Rejected
from memoryguard.common.runtime.database import Connection
from memoryguard.common.runtime.service import Handler

logger = logging.getLogger(__name__)

CHANNEL = "memoryguard_api_scan"
"""Where a change of a scan's rows is notified; the payload is the scan's id."""

# Answers that say where a scan stands, and the kind they are kept under (see status.py).
KINDS: Mapping[type[Fact], str] = {
    e.ScanReceived: "received",
    e.ScanRejected: "rejected",
    e.VolumesExtracted: "extracted",
    e.VolumesRefused: "refused",
    e.AtrophyScored: "scored",
    e.RiskPredicted: "predicted",
    e.RiskWithheld: "withheld",
}

# A scan belongs to one subject: an event that says otherwise changes nothing and returns no row.
# One statement for many events: every event of every scan passes here.
_SCAN_FACTS = """
with said as (
    select * from unnest(
        $1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[]
    ) as said (scan_id, subject_id, user_id, at, kind, data)
), known as (
    insert into scan (scan_id, subject_id, user_id, created_at, updated_at)
    select scan_id, subject_id, user_id, at, at from said
    on conflict (scan_id) do update set
        user_id = coalesce(scan.user_id, excluded.user_id),
        created_at = least(scan.created_at, excluded.created_at),
        updated_at = greatest(scan.updated_at, excluded.updated_at)
    where scan.subject_id = excluded.subject_id
    returning scan_id
), kept as (
    insert into scan_fact (scan_id, kind, at, first_at, data)
    select scan_id, kind, at, at, data::jsonb from said join known using (scan_id)
    on conflict (scan_id, kind) do update set
        first_at = least(scan_fact.first_at, excluded.at),
        at = greatest(scan_fact.at, excluded.at),
        data = case when scan_fact.at < excluded.at then excluded.data else scan_fact.data end
    where scan_fact.at < excluded.at or excluded.at < scan_fact.first_at
)
select pg_notify($7, scan_id) from known
"""
_HEALTH = """
insert into health (user_id, metric, subject_id, value, recorded_on, provenance, at)
select * from unnest(
    $1::text[], $2::text[], $3::text[], $4::float8[], $5::date[], $6::text[], $7::timestamptz[])
on conflict (user_id, metric) do update set
    subject_id = excluded.subject_id, value = excluded.value, at = excluded.at,
    recorded_on = excluded.recorded_on, provenance = excluded.provenance
where (health.recorded_on, health.at) < (excluded.recorded_on, excluded.at)
"""
# An object is of one subject, as a scan is.
_DOCUMENT = """
insert into document (instance_uid, series_uid, study_uid, scan_id, subject_id, modality, at, data)
select instance_uid, series_uid, study_uid, scan_id, subject_id, modality, at, data::jsonb
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
    $7::timestamptz[], $8::text[])
    as d (instance_uid, series_uid, study_uid, scan_id, subject_id, modality, at, data)
on conflict (instance_uid) do update set at = excluded.at, data = excluded.data
where (document.subject_id, document.scan_id) = (excluded.subject_id, excluded.scan_id)
    and document.at < excluded.at
"""
_GRANT = """
insert into access_grant (user_id, grantee_id, subject_id, granted, at, scopes, expires_at)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (user_id, grantee_id) do update set
    subject_id = excluded.subject_id, granted = excluded.granted, at = excluded.at,
    scopes = excluded.scopes, expires_at = excluded.expires_at
where access_grant.at < excluded.at
"""


def handlers() -> dict[type[Fact], Handler]:
    """Everything that this service hears, and how it is recorded."""
    return {
        **dict.fromkeys(KINDS, Handler(record_all=_record_scans)),
        e.DocumentMade: Handler(record_all=_record_documents),
        e.DeliveryFailed: Handler(record=_record_failure),
        e.HealthRecorded: Handler(record_all=_record_health),
        e.AccessGranted: Handler(record=_record_grant),
        e.AccessRevoked: Handler(record=_record_grant),
        e.ScanErased: Handler(record=_erase),
    }


async def _record_scans(events: Sequence[Event], transaction: Connection) -> None:
    if not await _keep([(KINDS[type(event.data)], event) for event in events], transaction):
        raise Rejected("subject_mismatch", "the event names a scan of another subject")


async def _record_failure(event: Event, transaction: Connection) -> Sequence[Fact]:
    """Keep a dead letter about a scan. Never refuses: its own dead letter would come back here."""
    fact = cast("e.DeliveryFailed", event.data)
    if fact.scan_id and not await _keep([(FAILED + fact.service, event)], transaction):
        logger.warning("dead letter of another subject's scan", extra={"from": fact.service})
    return ()


async def _keep(said: Sequence[tuple[str, Event]], transaction: Connection) -> bool:
    """Keep what events of these kinds say about scans; False when a scan is another subject's."""
    rows = [
        (scan_id, event.data.subject_id, getattr(event.data, "user_id", None), event.time, kind,
         event.data.model_dump_json())
        for kind, event in said
        # Without one it was refused before it had a name: the sender has its answer.
        if (scan_id := getattr(event.data, "scan_id", None)) is not None
    ]  # fmt: skip
    if not rows:
        return True
    known = await transaction.fetch(_SCAN_FACTS, *_columns(rows), CHANNEL)
    return len(known) == len(rows)


async def _notify(transaction: Connection, scan_id: str) -> None:
    await transaction.execute("select pg_notify($1, $2)", CHANNEL, scan_id)


async def _record_health(events: Sequence[Event], transaction: Connection) -> None:
    rows = [
        (fact.user_id, metric, fact.subject_id, value, fact.recorded_on, fact.provenance,
         event.time)
        for event in events
        for fact in [cast("e.HealthRecorded", event.data)]
        for metric, value in sorted(fact.metrics.items())
    ]  # fmt: skip
    if rows:
        await transaction.execute(_HEALTH, *_columns(rows))


async def _record_documents(events: Sequence[Event], transaction: Connection) -> None:
    rows = [
        (dicom.instance_uid, dicom.series_uid, dicom.study_uid, fact.scan_id, fact.subject_id,
         dicom.modality, event.time, dicom.model_dump_json())
        for event in events
        for fact in [cast("e.DocumentMade", event.data)]
        for dicom in [fact.dicom]
    ]  # fmt: skip
    await transaction.execute(_DOCUMENT, *_columns(rows))


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    """Turn rows into what ``unnest`` takes."""
    return [list(column) for column in zip(*rows, strict=True)]


async def _record_grant(event: Event, transaction: Connection) -> Sequence[Fact]:
    """Record what ``consent.py`` has written already, in case this database does not know it."""
    fact = cast("e.AccessGranted | e.AccessRevoked", event.data)
    granted = fact if isinstance(fact, e.AccessGranted) else None
    await transaction.execute(
        _GRANT,
        fact.user_id,
        fact.grantee_id,
        fact.subject_id,
        granted is not None,
        event.time,
        list(granted.scopes) if granted else [],
        granted.expires_at if granted else None,
    )
    return ()


async def _erase(event: Event, transaction: Connection) -> Sequence[Fact]:
    """Delete all rows of a person; the runtime's tombstone keeps late events out."""
    subject_id = event.data.subject_id
    scans = await transaction.fetch(
        "delete from scan where subject_id = $1 returning scan_id", subject_id
    )
    for table in ("document", "health", "access_invitation", "access_grant", "access_override"):
        await transaction.execute(f"delete from {table} where subject_id = $1", subject_id)  # noqa: S608
    for row in scans:
        await _notify(transaction, row["scan_id"])
    return ()
