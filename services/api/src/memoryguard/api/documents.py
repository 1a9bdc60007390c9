# SPDX-License-Identifier: Apache-2.0
"""DICOM objects out of the read model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from memoryguard.api.scans import SEEN, seen_by
from memoryguard.common.contracts.parts import DicomObject
from memoryguard.common.runtime.database import Pool
from memoryguard.common.security.policy import Principal

Level: TypeAlias = Literal["study", "series", "instance"]
LEVELS: tuple[Level, ...] = ("study", "series", "instance")

_ROWS = """
select jsonb_agg(jsonb_build_object('scan_id', d.scan_id, 'subject_id', d.subject_id,
    'user_id', s.user_id, 'dicom', d.data) order by d.study_uid, d.series_uid, d.instance_uid
)::text as documents
from document d join scan s using (scan_id, subject_id)
"""
_AT = (
    _ROWS
    + "where d.study_uid = $1 and ($2::text is null or d.series_uid = $2)"
    + " and ($3::text is null or d.instance_uid = $3)"
)
_OF_SCAN = _ROWS + "where d.scan_id = $1"
MATCHED = ("study_uid", "series_uid", "instance_uid", "modality", "subject_id")
"""Columns that a search can name values for; these follow the parameters of `SEEN`."""
_MATCHING = "".join(
    f" and (${place}::text[] is null or d.{column} = any(${place}))"
    for place, column in enumerate(MATCHED, 6)
)
_SEARCH: Mapping[Level, str] = {
    level: f"{_ROWS} where ({SEEN}){_MATCHING} group by d.{level}_uid"
    f" order by max(d.at) desc, d.{level}_uid limit $11 offset $12"
    for level in LEVELS
}


@dataclass(frozen=True, slots=True)
class Document:
    """A DICOM object, and whose it is."""

    scan_id: str
    subject_id: str
    user_id: str | None
    dicom: DicomObject


async def lying_at(
    pool: Pool, study_uid: str, series_uid: str | None, instance_uid: str | None
) -> list[Document]:
    """Give the objects of a study, of one of its series, or one object; in an order that stays."""
    return _documents(await pool.fetchval(_AT, study_uid, series_uid, instance_uid))


async def of_scan(pool: Pool, scan_id: str) -> list[Document]:
    """Give the objects that were made of a scan, in an order that stays."""
    return _documents(await pool.fetchval(_OF_SCAN, scan_id))


async def search(
    pool: Pool,
    principal: Principal,
    level: Level,
    matches: Mapping[str, Sequence[str]],
    *,
    everybody: bool,
    limit: int,
    offset: int,
) -> list[list[Document]]:
    """Give studies, series or objects whose results a caller may see, newest first.

    Parameters
    ----------
    pool, principal, everybody
        As `scans.visible_to`.
    level
        What is searched; each answer is a list of the objects in it.
    matches
        Values by column of `MATCHED`.
    limit, offset
        How many, and how many to leave out before.
    """
    named = [list(matches[column]) if column in matches else None for column in MATCHED]
    rows = await pool.fetch(
        _SEARCH[level], *seen_by(principal, everybody=everybody), *named, limit, offset
    )
    return [_documents(row["documents"]) for row in rows]


def _documents(text: object) -> list[Document]:
    found: list[dict[str, Any]] = json.loads(str(text)) if text else []
    return [
        Document(
            scan_id=each["scan_id"],
            subject_id=each["subject_id"],
            user_id=each["user_id"],
            dicom=DicomObject.model_validate_json(json.dumps(each["dicom"])),
        )
        for each in found
    ]
