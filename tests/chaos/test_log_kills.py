# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the log's writer, again and again; benchmarks/log_kills.py does it 200 times."""

from __future__ import annotations

from pathlib import Path

from log_kills import killed_again_and_again

KILLS = 20


async def test_no_gap_no_double_no_fork(database_url: str, tmp_path: Path) -> None:
    result = await killed_again_and_again(database_url, tmp_path, KILLS, seed=7)
    assert result["lives_that_appended"] >= KILLS // 2, result
