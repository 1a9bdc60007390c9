# SPDX-License-Identifier: Apache-2.0
"""Makes a scan of a whole series: disguised, packed and stored, some images at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from typing import Any

from memoryguard.common.contracts.event import derived_id
from memoryguard.common.contracts.events import Acquisition, Person, ScanReceived
from memoryguard.common.runtime.objects import Part
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.sandbox import Sandbox
from memoryguard.ingest.archive import Packer
from memoryguard.ingest.arrived import Series
from memoryguard.ingest.domain.series import Verdict
from memoryguard.ingest.people.links import Link
from memoryguard.ingest.spool import Spool
from memoryguard.ingest.staging import BATCH_BYTES, BATCH_FILES


class Assembly:
    """Makes scans.

    Parameters
    ----------
    platform
        Of ingest.
    sandbox
        Serves `memoryguard.ingest.parsing`.
    """

    def __init__(self, platform: Platform, sandbox: Sandbox) -> None:
        self._platform = platform
        self._sandbox = sandbox

    async def portrait(
        self, series: Series, verdict: Verdict, owner: Link | None
    ) -> dict[str, Any]:
        """Tell what is kept of the person and the scan; see `parsing.portray`."""
        assert verdict.stack is not None  # noqa: S101  # it is whole
        subject_id = owner.subject_id if owner else series.holder_id
        first = series.measured(verdict)[0]
        portrait, _ = await self._sandbox.call(
            "portray",
            await self._platform.objects.get_parts([first], series.holder_id),
            spacing_mm=verdict.stack.spacing_mm,
            series=verdict.word,
            shift_days=self._platform.vault.date_shift_days(subject_id),
        )
        return portrait

    async def scan(
        self, series: Series, verdict: Verdict, owner: Link, portrait: Mapping[str, Any]
    ) -> tuple[ScanReceived, list[str]]:
        """Store the series as a scan; nobody has heard of it yet.

        Returns
        -------
        ScanReceived, list of str
            The scan, and the original UIDs of its images, which are for the vault alone.
        """
        objects = series.measured(verdict)
        with closing(Spool()) as spool:
            uids = await self._packed(series, objects, verdict, owner, portrait, spool)
            return await self._stored(series, objects, owner, portrait, spool), uids

    async def _packed(
        self,
        series: Series,
        objects: Sequence[Part],
        verdict: Verdict,
        owner: Link,
        portrait: Mapping[str, Any],
        spool: Spool,
    ) -> list[str]:
        """Write the archive of disguised images into the spool, some at a time; their old UIDs."""
        vault = self._platform.vault
        packer = Packer(spool.append)
        number = 1
        uids: list[str] = []
        for batch in _batches(objects):
            plain = await self._platform.objects.get_parts(batch, series.holder_id)
            originals, disguised = await self._sandbox.call(
                "disguise",
                plain,
                numbers=list(range(number, number + len(batch))),
                subject_id=owner.subject_id,
                uid_key=vault.uid_key(owner.subject_id).hex(),
                shift_days=vault.date_shift_days(owner.subject_id),
                series=verdict.word,
                age_years=portrait["person"]["age_years"],
            )
            number += len(batch)
            uids += originals
            await asyncio.to_thread(_add_all, packer, disguised)
        packer.finish()
        return uids

    async def _stored(
        self,
        series: Series,
        objects: Sequence[Part],
        owner: Link,
        portrait: Mapping[str, Any],
        spool: Spool,
    ) -> ScanReceived:
        scan_id = derived_id("scan", owner.subject_id, spool.sha256)
        known: datetime | None = await self._platform.pool.fetchval(
            "select received_at from scan where scan_id = $1", scan_id
        )  # pyright: ignore[reportAssignmentType]
        received_at = known or series.arrived_at
        path = f"scans/{owner.subject_id}/{received_at:%Y%m%dT%H%M%SZ}-{spool.sha256[:16]}"
        return ScanReceived(
            subject_id=owner.subject_id,
            scan_id=scan_id,
            user_id=owner.user_id,
            archive=await self._platform.objects.put(path, owner.subject_id, spool.chunks()),
            instances=len(objects),
            person=Person(**portrait["person"]),
            acquisition=Acquisition(**portrait["acquisition"]),
            received_at=received_at,
        )


def _batches(objects: Sequence[Part]) -> list[list[Part]]:
    batches: list[list[Part]] = []
    size = BATCH_BYTES
    for part in objects:
        if size + part.bytes > BATCH_BYTES or len(batches[-1]) == BATCH_FILES:
            batches.append([])
            size = 0
        batches[-1].append(part)
        size += part.bytes
    return batches


def _add_all(packer: Packer, contents: Sequence[bytes]) -> None:
    for content in contents:
        packer.add(content)
