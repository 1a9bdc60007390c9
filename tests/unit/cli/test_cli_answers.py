# SPDX-License-Identifier: Apache-2.0
"""What the terminal shows of a review and of a ledger."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from memoryguard.cli.answers import looks, reported

REPORT: dict[str, Any] = {
    "from": "2026-03-01T00:00:00+00:00",
    "to": "2026-03-08T00:00:00+00:00",
    "findings": {
        "break_glass": 1, "break_glass_reads": 2, "denials": 12, "denial_bursts": 1,
        "unusual_volumes": 1, "volumes_not_judged": 3, "deliveries": 0, "operations": 1,
    },
    "break_glass": {"overrides": [{"actor": "bell", "reason": "safety", "at": "2026-03-01"}]},
    "denials": [{"actor": "e\x1bvil", "count": 12, "code": "not_allowed", "burst": {"count": 11}}],
    "volumes": [
        {"actor": "nosy", "people": 40, "unusual": True},
        {"actor": "quiet", "people": 1, "unusual": False},
    ],
    "deliveries": [],
    "operations": [{"action": "log.exported", "actor": None, "count": 1}],
    "incomplete": ["denials"],
}  # fmt: skip
LOOK: dict[str, Any] = {
    "at": "2026-03-01T09:01:00Z", "what": "seen", "by": "bell", "by_yourself": False,
    "action": "imaging.analysis", "purpose": "TREAT", "basis": "role", "code": None,
}  # fmt: skip


def test_a_report_is_told_line_by_line() -> None:
    text = "\n".join(str(line) for line in reported(REPORT))
    assert "glass broken: 1, looks: 2\n  bell, safety, 2026-03-01" in text
    assert "12 × not_allowed, 11 at once" in text and "\x1b" not in text
    assert "nosy: 40 people" in text and "quiet" not in text
    assert "1 × log.exported, the platform" in text
    assert text.endswith("too much to look at all of it: denials")


def test_a_ledger_says_who_when_and_what_for() -> None:
    console = Console(width=100, file=io.StringIO(), record=True)
    console.print(looks([LOOK, LOOK | {"by_yourself": True, "what": "glass_broken", "at": None}]))
    text = console.export_text()
    assert "2026-03-01T09:01   bell" in text and "TREAT, role" in text
    assert "you" in text and "glass broken" in text
    assert "nobody" in str(looks([]))
