# SPDX-License-Identifier: Apache-2.0
"""Answer ``volumes.extracted``: remember the scan, score it beside the person's earlier ones.

Scans may arrive in any order. One that is older than others already known changes what was said of
those: they are scored again, and say so with events of their own that this one has caused.
"""

from __future__ import annotations

from collections.abc import Sequence

from memoryguard.atrophy.answer import answer
from memoryguard.common.contracts.event import Event, Fact
from memoryguard.common.contracts.events import AtrophyScored, VolumesExtracted
from memoryguard.common.runtime.database import Connection


async def score(event: Event, transaction: Connection) -> Sequence[Fact]:
    """Answer with ``atrophy.scored``, for this scan and for every later one of the person.

    Inside the transaction, since scans of a person come one at a time.
    """
    scan = event.data
    assert isinstance(scan, VolumesExtracted)  # noqa: S101  # the type the handler is for
    await transaction.execute(
        "insert into measurement (scan_id, subject_id, acquired_on, fact)"
        " values ($1, $2, $3, $4) on conflict (scan_id) do update"
        " set acquired_on = excluded.acquired_on, fact = excluded.fact"
        " where measurement.subject_id = excluded.subject_id",
        scan.scan_id,
        scan.subject_id,
        scan.acquisition.acquired_on,
        scan.model_dump_json(),
    )
    rows = await transaction.fetch(
        "select fact from measurement where subject_id = $1 and acquired_on is not null"
        " order by acquired_on, scan_id",
        scan.subject_id,
    )
    return scored(scan, [VolumesExtracted.model_validate_json(row["fact"]) for row in rows])


def scored(scan: VolumesExtracted, dated: Sequence[VolumesExtracted]) -> list[AtrophyScored]:
    """Score a scan that has just arrived, and again those that were made after it.

    Parameters
    ----------
    scan
        What has arrived.
    dated
        All scans of the person whose date is known, this one among them, the oldest first.
    """
    later = [each for each in dated if _is_before(scan, each)]
    return [
        answer(each, [before for before in dated if _is_before(before, each)])
        for each in (scan, *later)
    ]


def _is_before(one: VolumesExtracted, other: VolumesExtracted) -> bool:
    made, then = one.acquisition.acquired_on, other.acquisition.acquired_on
    return made is not None and then is not None and made < then


async def forget(event: Event, transaction: Connection) -> Sequence[Fact]:
    """Delete an erased person's history."""
    await transaction.execute("delete from measurement where subject_id = $1", event.partitionkey)
    return []
