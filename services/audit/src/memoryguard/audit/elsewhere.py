# SPDX-License-Identifier: Apache-2.0
"""What has left the box: checkpoints and published tiles, in a folder or a bucket.

Read where they went, or in a copy of it: ``checkpoints/`` and ``log/`` as `publishing` lays them
out, or a folder of checkpoints alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from obstore.exceptions import BaseError

from memoryguard.common.errors import Misconfigured, Unavailable
from memoryguard.common.runtime.blobs import open_store
from memoryguard.tlog import published
from memoryguard.tlog.merkle import HASH_BYTES
from memoryguard.tlog.report import Finding
from memoryguard.tlog.tiles import (
    TILE_LEVELS,
    TILE_WIDTH,
    node_in,
    tile_of,
    tile_width,
    tiles_between,
)

_SIZE = re.compile(r"[0-9]{20}")

OwnTiles = Callable[[int, int], bytes | None]


@dataclass(frozen=True, slots=True)
class Sent:
    """Checkpoints that have left the box, as they lie there.

    Parameters
    ----------
    files
        Name and note of each, the smallest first.
    published
        The checkpoint up to which the log is published; None where it is not.
    whole
        Whether it is the platform's object store, or a copy of it; else only the checkpoints.
    """

    files: Sequence[tuple[str, str]] = ()
    published: str | None = None
    whole: bool = False

    @property
    def notes(self) -> list[str]:
        """Every checkpoint."""
        return [note for _, note in self.files] + ([self.published] if self.published else [])


class Elsewhere:
    """A folder or a bucket with what has left the box.

    Parameters
    ----------
    address
        Path or URL.

    Raises
    ------
    Misconfigured
        ``bad_object_store``, or ``no_checkpoints_there``.
    """

    def __init__(self, address: str) -> None:
        if "://" not in address and not Path(address).is_dir():
            raise Misconfigured(
                "no_checkpoints_there",
                "the folder of checkpoints is not there",
                "check --checkpoints",
            )
        self._store = open_store(address)

    def read(self) -> Sent:
        """Read the checkpoints: before the log, if that is still being written."""
        newest = self._note(published.CHECKPOINT)
        folder = published.CHECKPOINTS
        paths = sorted(self._paths(folder))
        bare = [] if paths else sorted(p for p in self._paths("") if _SIZE.fullmatch(p))
        files = [(p.removeprefix(folder), self._note(p) or "") for p in paths or bare]
        return Sent(files, newest, whole=not bare)

    def node_of(self, size: int) -> Callable[[int, int], bytes | None]:
        """Give what reads nodes from the tiles that were published for a log of that size."""

        def get(level: int, index: int) -> bytes | None:
            hashes = self.tile(*tile_of((level, index)), size)
            return None if hashes is None else node_in((level, index), hashes)

        return get

    def tile(self, level: int, index: int, size: int) -> bytes | None:
        """Give a published tile; a partial one is taken from the full one that replaced it."""
        width = tile_width(level, index, size)
        found = self._read(published.tile(level, index, width)) if width else None
        if found is None and 0 < width < TILE_WIDTH:
            found = self._read(published.tile(level, index))
            found = None if found is None else found[: width * HASH_BYTES]
        return found

    def check(self, size: int, own: OwnTiles) -> Iterator[Finding]:
        """Compare every published tile with the log's own."""
        for level, index in tiles_between(0, size):
            width = tile_width(level, index, size)
            ours = (own(level, index) or b"")[: width * HASH_BYTES]
            theirs = self.tile(level, index, size)
            if len(ours) == width * HASH_BYTES and ours != theirs:
                yield _contradiction(level, index, ours, theirs)

    def _paths(self, prefix: str) -> list[str]:
        try:
            found = [
                str(each["path"]) for part in self._store.list(prefix or None) for each in part
            ]
        except (BaseError, OSError) as error:
            raise _away() from error
        return found

    def _note(self, path: str) -> str | None:
        body = self._read(path)
        return None if body is None else body.decode("utf-8", "replace")

    def _read(self, path: str) -> bytes | None:
        try:
            return bytes(self._store.get(path).bytes())
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise _away() from error


def _contradiction(level: int, index: int, ours: bytes, theirs: bytes | None) -> Finding:
    """Say which entries lie below the first hash that differs."""
    at = 0
    while theirs is not None and theirs[at : at + HASH_BYTES] == ours[at : at + HASH_BYTES]:
        at += HASH_BYTES
    node = index * TILE_WIDTH + at // HASH_BYTES
    last = node + 1 if theirs is not None else index * TILE_WIDTH + len(ours) // HASH_BYTES
    begin, end = node << level * TILE_LEVELS, last << level * TILE_LEVELS
    what = "is not the log's own" if theirs is not None else "is missing"
    return Finding(
        "altered_tile", f"published tile {index} of level {level} {what}", begin, end - 1
    )


def _away() -> Unavailable:
    return Unavailable(
        "object_store_unavailable", "the object store did not answer", "is it running?"
    )
