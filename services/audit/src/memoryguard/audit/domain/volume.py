# SPDX-License-Identifier: Apache-2.0
"""Unusual volume: whether somebody looked at many more people than before, or than others do.

A count is unusual above ``median + max(FLOOR, K * 1.4826 * MAD)``. 1.4826 makes the median absolute
deviation an estimate of a normal distribution's standard deviation (Rousseeuw & Croux, JASA 88,
1993); 3.5 of them is the limit of Iglewicz & Hoaglin (How to Detect and Handle Outliers, 1993). The
floor keeps small counts that hardly vary from being called unusual; it is a choice of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any, Final

K = 3.5
CONSISTENT = 1.4826
FLOOR = 5
PERIODS = 8
LEAST_PERIODS = 4
LEAST_PEERS = 5

METHOD: Final = {
    "unusual_above": "median + max(floor, k * 1.4826 * MAD) of distinct people seen",
    "k": K,
    "floor": FLOOR,
    "own_periods": PERIODS,
    "least_own_periods": LEAST_PERIODS,
    "least_peers": LEAST_PEERS,
    "own_periods_are": "as long as the period, just before it, from the first with any look on",
    "peers_are": "all other accounts that looked at others' data in the period, of every role",
}
"""As a report states it."""


def judged(count: int, others: Sequence[int], least: int, reason: str) -> dict[str, Any]:
    """Judge a count beside others; where they are too few, say so and judge nothing."""
    if len(others) < least:
        return {"unusual": None, "reason": reason, "compared_with": len(others)}
    middle = float(median(others))
    mad = float(median(abs(each - middle) for each in others))
    limit = middle + max(FLOOR, K * CONSISTENT * mad)
    return {
        "unusual": count > limit,
        "median": middle,
        "mad": mad,
        "limit": round(limit, 3),
        "compared_with": len(others),
    }


def own_periods(earlier: Sequence[int]) -> list[int]:
    """Earlier counts from the first period on in which the account looked at anybody.

    Parameters
    ----------
    earlier
        Counts of the periods before, the oldest first.
    """
    first = next((at for at, count in enumerate(earlier) if count), len(earlier))
    return list(earlier[first:])
