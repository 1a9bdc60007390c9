# SPDX-License-Identifier: Apache-2.0
"""Answer ``scan.available``: fetch what an integration named, and take it in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from memoryguard.common.contracts.event import Event, Fact
from memoryguard.common.contracts.events import Reason, ScanAvailable, ScanRejected
from memoryguard.common.errors import Rejected, Unavailable
from memoryguard.common.runtime.platform import Platform
from memoryguard.ingest.answers import Refused
from memoryguard.ingest.archive import is_zip
from memoryguard.ingest.delivery import Delivery
from memoryguard.ingest.settings import IngestSettings
from memoryguard.ingest.settling import Settling
from memoryguard.ingest.spool import Spool
from memoryguard.ingest.staging import Sender, Staging

READ_BYTES = 1 << 20


class ArrivalHandler:
    """Takes scans in that lie in the import folder."""

    def __init__(
        self, platform: Platform, staging: Staging, settling: Settling, settings: IngestSettings
    ) -> None:
        self._platform = platform
        self._staging = staging
        self._settling = settling
        self._settings = settings

    async def transform(self, event: Event) -> Sequence[Fact]:
        """Answer with ``scan.received`` or ``scan.rejected``.

        What becomes of a series is said together with its rows; only that nothing was a series is
        left to be said here.
        """
        arrival = event.data
        assert isinstance(arrival, ScanAvailable)  # noqa: S101  # the type the handler is for
        sender = Sender(event.source, arrival.user_id, confirms=True)
        delivery = Delivery(self._staging, self._settling, sender, self._settings)
        try:
            for path in await asyncio.to_thread(
                import_paths, self._platform.settings.import_root, arrival.uri, self._settings
            ):
                await delivery.add(path.name, await asyncio.to_thread(read_import, path))
            await delivery.finish(cause=event)
        except Rejected as error:
            if isinstance(error, Refused) and error.said:
                return []
            reason = Reason(code=error.code, message=error.message)
            return [
                ScanRejected(subject_id=arrival.subject_id, user_id=arrival.user_id, reason=reason)
            ]
        finally:
            await delivery.stop()
        return []


def import_paths(root: Path | None, uri: str, settings: IngestSettings) -> list[Path]:
    """Find the files of a folder, or a zip, below the import folder.

    Raises
    ------
    Rejected
        ``no_import_store``, ``forbidden_address``, ``too_large``, ``too_many_files``.
    Unavailable
        ``not_there``: announced before it was written; tried again.
    """
    if root is None:
        raise Rejected(
            "no_import_store", "no import folder is configured", "set MEMORYGUARD_IMPORT_ROOT"
        )
    place = (root / uri).resolve()
    if not place.is_relative_to(root.resolve()):
        raise Rejected("forbidden_address", "the address leaves the import folder")
    if not place.exists():
        raise Unavailable("not_there", "nothing lies at the announced address yet")
    paths = sorted(p for p in place.rglob("*") if p.is_file()) if place.is_dir() else [place]
    if len(paths) > settings.max_upload_files:
        raise Rejected("too_many_files", "the folder has too many files")
    if sum(path.stat().st_size for path in paths) > settings.max_upload_bytes:
        raise Rejected("too_large", "the folder is too large")
    if any(not path.resolve().is_relative_to(root.resolve()) for path in paths):
        raise Rejected("forbidden_address", "a link leaves the import folder")
    return paths


def read_import(path: Path) -> bytes | Spool:
    """Read a file; a zip goes into a spool."""
    with path.open("rb") as file:
        if not is_zip(start := file.read(READ_BYTES)):
            return start + file.read()
        spool = Spool()
        while start:
            spool.append(start)
            start = file.read(READ_BYTES)
        return spool
