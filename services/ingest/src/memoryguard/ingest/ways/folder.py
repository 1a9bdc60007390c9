# SPDX-License-Identifier: Apache-2.0
"""Fetches scans from the import folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

from memoryguard.common.errors import Rejected, Unavailable
from memoryguard.ingest.archive import is_zip
from memoryguard.ingest.delivery import File
from memoryguard.ingest.settings import IngestSettings
from memoryguard.ingest.spool import Spool

READ_BYTES = 1 << 20


async def fetched(
    root: Path | None, place: str, settings: IngestSettings
) -> AsyncGenerator[tuple[str, File]]:
    """Give the files of a folder, or one file, below the import folder.

    Raises
    ------
    Rejected
        ``no_import_store``, ``forbidden_address``, ``too_large``, ``too_many_files``.
    Unavailable
        ``not_there``: announced before it was written; tried again.
    """
    for path in await asyncio.to_thread(_paths, root, place, settings):
        yield path.name, await asyncio.to_thread(_read, path)


def _paths(root: Path | None, uri: str, settings: IngestSettings) -> list[Path]:
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


def _read(path: Path) -> File:
    """Read a file; a zip goes into a spool."""
    with path.open("rb") as file:
        if not is_zip(start := file.read(READ_BYTES)):
            return start + file.read()
        spool = Spool()
        while start:
            spool.append(start)
            start = file.read(READ_BYTES)
        return spool
