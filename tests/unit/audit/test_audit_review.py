# SPDX-License-Identifier: Apache-2.0
"""What a review calls a burst, and what it calls unusual."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from memoryguard.audit.domain import volume
from memoryguard.audit.domain.review import SHOWN, Looks, Refusal, burst, digest, named, refusals
from memoryguard.audit.domain.review import volumes as judged_volumes

START = datetime(2026, 3, 1, tzinfo=UTC)


def refusal(number: int, minutes: float, times: int = 1, actor: str = "a") -> Refusal:
    return Refusal(number, START + timedelta(minutes=minutes), actor, "not_allowed", "x.y", times)


def test_ten_refusals_in_ten_minutes_are_a_burst_and_nine_are_none() -> None:
    assert burst([refusal(n, n) for n in range(9)]) is None
    assert burst([refusal(n, 1.2 * n) for n in range(100)]) is None  # nine in any ten minutes
    found = burst([refusal(n, n) for n in range(5, 40)])
    assert found == {"count": 11, "from": (START + timedelta(minutes=5)).isoformat()}


def test_an_event_that_stands_for_many_refusals_counts_as_many() -> None:
    found = burst([refusal(0, 0, times=3), refusal(1, 60, times=25)])
    assert found == {"count": 25, "from": (START + timedelta(minutes=60)).isoformat()}


def test_refusals_are_told_most_first_whatever_order_they_come_in() -> None:
    mixed = [refusal(3, 3, actor="b"), refusal(1, 1), refusal(0, 0)]
    assert refusals(mixed) == refusals(mixed[::-1])
    assert [(f["actor"], f["count"], f["sequences"]) for f in refusals(mixed)] == [
        ("a", 2, [0, 1]), ("b", 1, [3]),
    ]  # fmt: skip


def test_a_count_is_unusual_above_median_and_deviation() -> None:
    # Of 1 … 9 the median is 5 and the median absolute deviation 2: 5 + 3.5 * 1.4826 * 2 = 15.378.
    others = list(range(1, 10))
    for count, unusual in ((15, False), (16, True)):
        found = volume.judged(count, others, 4, "few")
        assert (found["unusual"], found["limit"]) == (unusual, 15.378)
    # Where nothing varies, five more are needed.
    assert not volume.judged(7, [2] * 5, 4, "few")["unusual"]
    assert volume.judged(8, [2] * 5, 4, "few")["unusual"]


def test_too_few_to_compare_with_are_said_and_nothing_is_judged() -> None:
    found = volume.judged(1000, [1, 1, 1], 4, "too_little_history")
    assert found == {"unusual": None, "reason": "too_little_history", "compared_with": 3}


@pytest.mark.parametrize(
    ("earlier", "counted"),
    [((0, 0, 3, 0, 1), [3, 0, 1]), ((0, 0, 0), []), ((2, 0), [2, 0]), ((), [])],
)
def test_an_accounts_past_begins_with_its_first_look(
    earlier: tuple[int, ...], counted: list[int]
) -> None:
    assert volume.own_periods(earlier) == counted


def test_whoever_stands_out_among_peers_is_named_though_they_always_did() -> None:
    usual = [Looks(f"d{n}", 2, 2, (2, 2, 2, 2)) for n in range(6)]
    first, *others = judged_volumes([*usual, Looks("nosy", 40, 40, (40, 41, 39, 40))])
    assert (first["actor"], first["beside_own_earlier"]["unusual"]) == ("nosy", False)
    assert first["unusual"] and first["beside_peers"]["unusual"]
    assert not any(each["unusual"] for each in others)


def test_a_finding_names_some_entries_and_how_many_more() -> None:
    assert named(range(SHOWN + 5)) == {"sequences": list(range(SHOWN)), "more": 5}


def test_a_digest_depends_on_nothing_but_the_report() -> None:
    assert digest({"b": [1], "a": "é"}) == digest({"a": "é", "b": [1]}) != digest({"a": "e"})
