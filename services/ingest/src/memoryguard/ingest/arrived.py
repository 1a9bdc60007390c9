# SPDX-License-Identifier: Apache-2.0
"""Series on their way in, as the database knows them, and what became of them."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from memoryguard.common.contracts.events import Reason
from memoryguard.common.errors import MemoryGuardError, Unavailable
from memoryguard.common.runtime.database import Connection, Pool
from memoryguard.common.runtime.objects import Part
from memoryguard.ingest.domain.header import Header
from memoryguard.ingest.domain.series import Verdict


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a series.

    ``arriving``: slices are missing so far. ``unassigned``: whole, but nobody knows whose it is.
    ``announced``: it is the scan ``scan_id``.
    """

    state: str
    code: str = ""
    message: str = ""
    hint: str = ""
    images: int = 0
    scan_id: str | None = None
    received_at: datetime | None = None
    notes: tuple[Reason, ...] = ()
    new: bool = False

    @classmethod
    def because(cls, state: str, reason: MemoryGuardError, images: int = 0) -> Outcome:
        """Give the outcome of a series that is no scan, and why."""
        return cls(state, reason.code, reason.message, reason.hint, images)


@dataclass(frozen=True, slots=True)
class Series:
    """A series with its images, in no order."""

    key: str
    holder_id: str
    alias: str | None
    user_id: str | None
    actor_id: str
    confirms: bool
    arrived_at: datetime
    headers: tuple[Header, ...]
    objects: tuple[Part, ...]

    def blobs(self) -> set[str]:
        """Give the paths of the blobs that its images lie in, and nothing else."""
        return {part.uri for part in self.objects}

    def measured(self, verdict: Verdict) -> list[Part]:
        """Give the images that are measured, by place; an enhanced object holds all of its own."""
        kept = [
            part
            for header, part in zip(self.headers, self.objects, strict=True)
            if not header.localizer
        ]
        if len(kept) == 1 or verdict.stack is None:
            return kept
        return [kept[place] for place in verdict.stack.order]


async def arriving_series(
    connection: Connection, series_keys: Collection[str]
) -> dict[str, Series]:
    """Give those of the series that have arrived and are no scan, with their images."""
    rows = await connection.fetch(
        "select s.series_key, s.subject_id, s.alias, s.user_id, s.actor_id, s.confirms,"
        " s.arrived_at,"
        " array_agg(i.header order by i.image_key) as headers,"
        " array_agg(i.object order by i.image_key) as objects"
        " from series s join image i using (series_key)"
        " where s.series_key = any($1) and s.state in ('arriving', 'unassigned')"
        " group by s.series_key order by s.series_key",
        list(series_keys),
    )
    return {row["series_key"]: _series(row) for row in rows}


def _series(row: asyncpg.Record) -> Series:
    return Series(
        key=row["series_key"],
        holder_id=row["subject_id"],
        alias=row["alias"],
        user_id=row["user_id"],
        actor_id=row["actor_id"],
        confirms=row["confirms"],
        arrived_at=row["arrived_at"],
        headers=tuple(Header.from_document(json.loads(header)) for header in row["headers"]),
        objects=tuple(Part(**json.loads(part)) for part in row["objects"]),
    )


async def announced_before(pool: Pool, series_keys: Collection[str]) -> dict[str, Outcome]:
    """Give the outcomes of those of the series that are scans."""
    rows = await pool.fetch(
        "select s.series_key, s.scan_id, scan.received_at, count(*) as images"
        " from series s join scan using (scan_id) join image using (series_key)"
        " where s.series_key = any($1) and s.state = 'announced'"
        " group by s.series_key, s.scan_id, scan.received_at",
        list(series_keys),
    )
    return {
        row["series_key"]: Outcome(
            "announced",
            images=row["images"],
            scan_id=row["scan_id"],
            received_at=row["received_at"],
        )
        for row in rows
    }


async def hold(connection: Connection, series: Series) -> None:
    """Hold the series, and see that no image was added since it was judged."""
    await connection.execute("select from series where series_key = $1 for update", series.key)
    count = await connection.fetchval(
        "select count(*) from image where series_key = $1 and object is not null", series.key
    )
    if count != len(series.objects):
        raise changed()


def changed() -> Unavailable:
    """Say that others sent images of the same series at this moment."""
    return Unavailable("series_changed", "more images arrived meanwhile", "try again")


def swept() -> Unavailable:
    """Say that what a try found stored was cleared away before it was named."""
    return Unavailable("object_swept", "a stored object was cleared away meanwhile", "try again")
