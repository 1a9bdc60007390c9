# SPDX-License-Identifier: Apache-2.0
"""What a witness remembers: of each log the largest checkpoint that it has signed, one file each.

A file holds the note with the witness's own cosignature, so nobody else can have written it. What
is kept is on the disk before `Memory.keep` returns. A folder belongs to one process at a time.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from memoryguard.common.errors import Corrupt, Misconfigured
from memoryguard.tlog.cosignature import WitnessKey
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.witness import Kept, remember

SUFFIX = ".checkpoint"


def name_of(origin: str) -> str:
    """What a log is called in file names and addresses: SHA-256 of its origin."""
    return hashlib.sha256(origin.encode()).hexdigest()


class Memory:
    """The memory of a witness; `kept` is what it holds, by origin. Open it with `open_memory`."""

    def __init__(self, folder: Path, key: WitnessKey) -> None:
        self._folder = folder
        self.kept = dict[str, Kept]()
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            found = _read(path, key)
            self.kept[found.checkpoint.origin] = found

    def keep(self, kept: Kept) -> None:
        """Remember a checkpoint; it is on the disk, whole, when this returns."""
        origin = kept.checkpoint.origin
        path = self._folder / f"{name_of(origin)}{SUFFIX}"
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(kept.note.encode())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        _sync(self._folder)
        self.kept = {**self.kept, origin: kept}  # whoever reads meanwhile has the one before


@contextmanager
def open_memory(folder: Path, key: WitnessKey) -> Generator[Memory]:
    """Open the memory of a witness for this process alone.

    Raises
    ------
    Misconfigured
        ``witness_running``: another process has it.
    Corrupt
        ``witness_memory``: a file in it is not what this witness has written.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Misconfigured(
                "witness_running",
                "another witness works in this folder",
                "stop it: two would not know what the other has signed",
            ) from None
        yield Memory(folder, key)


def _read(path: Path, key: WitnessKey) -> Kept:
    try:
        kept = remember(path.read_text(), key)
        if path.stem == name_of(kept.checkpoint.origin):
            return kept
    except (Unverified, UnicodeDecodeError):
        pass
    raise Corrupt(
        "witness_memory",
        "a file in the witness's folder is not what this witness has kept",
        "begin anew with a new key; a witness that forgets may sign a fork",
    )


def _sync(folder: Path) -> None:
    """Wait until the disk has the folder's names."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
