# SPDX-License-Identifier: Apache-2.0
"""Answer ``volumes.extracted``: remember the scan, score it beside the person's earlier ones."""

from __future__ import annotations

from collections.abc import Sequence

from memoryguard.atrophy.answer import answer
from memoryguard.common.contracts.event import Event, Fact
from memoryguard.common.contracts.events import VolumesExtracted
from memoryguard.common.runtime.database import Connection


async def score(event: Event, transaction: Connection) -> Sequence[Fact]:
    """Answer with ``atrophy.scored``; inside the transaction, since scans come in order."""
    scan = event.data
    assert isinstance(scan, VolumesExtracted)  # noqa: S101  # the type the handler is for
    await transaction.execute(
        "insert into measurement (scan_id, subject_id, acquired_on, fact)"
        " values ($1, $2, $3, $4) on conflict (scan_id) do update set fact = excluded.fact",
        scan.scan_id,
        scan.subject_id,
        scan.acquisition.acquired_on,
        scan.model_dump_json(),
    )
    rows = await transaction.fetch(
        "select fact from measurement where subject_id = $1 and scan_id <> $2"
        " and acquired_on < $3 order by acquired_on",
        scan.subject_id,
        scan.scan_id,
        scan.acquisition.acquired_on,
    )
    return [answer(scan, [VolumesExtracted.model_validate_json(row["fact"]) for row in rows])]


async def forget(event: Event, transaction: Connection) -> Sequence[Fact]:
    """Delete an erased person's history."""
    await transaction.execute("delete from measurement where subject_id = $1", event.partitionkey)
    return []
