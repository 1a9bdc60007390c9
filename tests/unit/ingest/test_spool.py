# SPDX-License-Identifier: Apache-2.0
"""A spool gives back what was written, in whatever pieces it is read; the disk holds noise."""

from __future__ import annotations

import hashlib
import io
import random
import zipfile
from collections.abc import Generator

import pytest

from memoryguard.ingest.archive import unpack
from memoryguard.ingest.spool import BLOCK_BYTES, Spool

CONTENT = random.Random(1).randbytes(2 * BLOCK_BYTES + 500)
LOCAL_HEADER_BYTES = 30


@pytest.fixture
def spool() -> Generator[Spool]:
    with Spool() as opened:
        yield opened


def written(spool: Spool, content: bytes) -> Spool:
    for at in range(0, len(content), 70_000):
        spool.append(content[at : at + 70_000])
    return spool


def test_it_gives_back_what_was_written(spool: Spool) -> None:
    written(spool, CONTENT)
    assert spool.size == len(CONTENT)
    assert spool.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert b"".join(spool.chunks()) == CONTENT
    assert spool.read() == CONTENT


@pytest.mark.parametrize("start", [0, BLOCK_BYTES - 3, BLOCK_BYTES, 2 * BLOCK_BYTES - 1])
@pytest.mark.parametrize("size", [1, 10, BLOCK_BYTES + 10, 4 * BLOCK_BYTES])
def test_a_read_is_short_only_at_the_end(spool: Spool, start: int, size: int) -> None:
    written(spool, CONTENT).seek(start)
    assert spool.read(size) == CONTENT[start : start + size]
    assert spool.tell() == min(start + size, len(CONTENT))


@pytest.mark.parametrize("before_border", [1, 15, LOCAL_HEADER_BYTES + 2])
@pytest.mark.parametrize("what", ["header of a file", "directory"])
def test_headers_of_a_zip_may_lie_across_blocks(
    spool: Spool, what: str, before_border: int
) -> None:
    filler = bytes(BLOCK_BYTES - before_border - LOCAL_HEADER_BYTES - len("filler"))
    files = {"filler": filler, "another": b"2"} if what != "directory" else {"filler": filler}
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    assert dict(unpack(written(spool, target.getvalue()))) == files


def test_the_disk_holds_noise(spool: Spool) -> None:
    written(spool, b"SECRETNAME" * BLOCK_BYTES)
    file = spool._file  # pyright: ignore[reportPrivateUsage]
    file.seek(0)
    assert b"SECRET" not in file.read()
