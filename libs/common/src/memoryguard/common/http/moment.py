# SPDX-License-Identifier: Apache-2.0
"""Moments of time in a request's parameters (RFC 3339, section 5.6)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from memoryguard.common.errors import Rejected

# `datetime` reads more than that.
_MOMENT = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


def read_moment(text: str, name: str) -> datetime:
    """Read a moment of time, as the parameter of this name says it; in UTC.

    Raises
    ------
    Rejected
        ``bad_filter``.
    """
    try:
        if not _MOMENT.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Rejected(
            "bad_filter",
            f"{name} is not a moment of time (RFC 3339)",
            "for instance 2026-03-01T09:00:00Z; a + is written %2B in an address",
        ) from None
