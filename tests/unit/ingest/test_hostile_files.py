# SPDX-License-Identifier: Apache-2.0
"""Every hostile file ends in its code, soon, within the memory of a parser."""

from __future__ import annotations

import time
from collections.abc import Generator

import pytest
from hostile_files import hostile_files

from memoryguard.common.errors import Rejected
from memoryguard.common.runtime.sandbox import Limits, Parser
from memoryguard.ingest import parsing

LIMITS = Limits()
HOW = {
    **{"numbers": [1], "subject_id": "a" * 32, "uid_key": "00" * 32, "shift_days": 100},
    **{"series": "T1", "age_years": 70.0},
}


@pytest.fixture(scope="module")
def parser() -> Generator[Parser]:
    found = Parser(parsing.__name__, LIMITS)
    yield found
    found.close()


def outcome(parser: Parser, data: bytes) -> str:
    """Look at a file, and write it anew: the code of a refusal, or ``accepted``."""
    try:
        (described,), _ = parser.call("describe", [data])
        if refused := described.get("refused"):
            assert "SECRET" not in "".join(refused)
            return str(refused[0])
        parser.call("disguise", [data], **HOW)
    except Rejected as error:
        return error.code
    return "accepted"


def test_hostile_files(parser: Parser) -> None:
    wrong: dict[str, str] = {}
    names: set[str] = set()
    peaks: list[int] = []
    for name, data, code in hostile_files():
        start = time.monotonic()
        found = outcome(parser, data)
        if found != code or time.monotonic() - start > LIMITS.seconds:
            wrong[name] = f"{found}, not {code}"
        names.add(name)
        peaks.append(parser.peak_bytes())
    assert wrong == {}
    assert 50 << 20 < max(peaks) <= LIMITS.memory_bytes
    assert len(names) > 130
