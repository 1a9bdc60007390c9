# SPDX-License-Identifier: Apache-2.0
"""45 CFR 164.316(b)(2)(iii): documentation follows the software, or somebody is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from memoryguard.common.contracts import artifacts

ROOT = Path(__file__).resolve().parents[2]


def every_page_is_as_written_from_the_code(folder: Path, pages: Mapping[Path, str]) -> None:
    assert artifacts.stale(folder, pages) == []


@pytest.mark.control("164.316(b)(2)(iii)", "pages")
def test_every_page_is_as_written_from_the_code() -> None:
    every_page_is_as_written_from_the_code(ROOT, artifacts.render(ROOT))


@pytest.mark.control("164.316(b)(2)(iii)", "pages", off="pages that are not written again")
def test_a_page_of_yesterday_is_noticed(tmp_path: Path) -> None:
    """The code has changed since: an event is there that the page does not know."""
    pages = artifacts.render(ROOT)
    for path in pages:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(pages[path], encoding="utf-8")
    every_page_is_as_written_from_the_code(tmp_path, pages)
    flow = Path("docs/FLOW.md")
    changed = dict(pages) | {flow: pages[flow] + "| another event |\n"}
    with pytest.raises(AssertionError, match="FLOW"):
        every_page_is_as_written_from_the_code(tmp_path, changed)
