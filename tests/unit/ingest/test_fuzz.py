# SPDX-License-Identifier: Apache-2.0
"""A fixed sample of the fuzzer's files (benchmarks/fuzz.py)."""

from __future__ import annotations

from fuzz import LARGEST_BYTES, SLOWEST_S, Fuzzer

FILES = 500


def test_damaged_files_end_in_a_code_or_keep_their_pixels() -> None:
    with Fuzzer(seed=5) as fuzzer:
        tally = fuzzer.run(FILES)
    assert tally.wrong == []
    assert tally.slowest_s < SLOWEST_S
    assert 20 << 20 < tally.largest_bytes < LARGEST_BYTES
    assert sum(tally.outcomes.values()) == FILES
    assert tally.outcomes["accepted"] > 30
    assert len(tally.outcomes) > 8
    assert tally.decoded["decoded"] > 5
