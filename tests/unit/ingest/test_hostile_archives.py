# SPDX-License-Identifier: Apache-2.0
"""Every hostile archive ends in its code, soon, and within little memory."""

from __future__ import annotations

import io
import time
import tracemalloc

import pytest
from hostile_archives import hostile_archives

from memoryguard.common.errors import Rejected
from memoryguard.ingest.archive import unpack


@pytest.mark.parametrize(
    ("data", "code"), [pytest.param(data, code, id=name) for name, data, code in hostile_archives()]
)
def test_hostile_archives(data: bytes, code: str) -> None:
    tracemalloc.start()
    start = time.monotonic()
    try:
        for _ in unpack(io.BytesIO(data)):
            pass
        found = "accepted"
    except Rejected as error:
        found = error.code
    taken, peak = time.monotonic() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == code
    assert taken < 5
    assert peak < 32 << 20
