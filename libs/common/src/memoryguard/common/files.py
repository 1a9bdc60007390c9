# SPDX-License-Identifier: Apache-2.0
"""Files that are there when they are whole, and not before."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(place: Path) -> Generator[Path]:
    """Give a place to write to beside a file, which takes the file's name when all is written."""
    part = place.with_name(f"{place.name}.part")
    try:
        yield part
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)
