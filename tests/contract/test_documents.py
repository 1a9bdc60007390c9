# SPDX-License-Identifier: Apache-2.0
"""Generated pages are fresh, and say what a reader needs."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from memoryguard.cli.__main__ import app
from memoryguard.common.contracts.flow import FACTS, SERVICES, STREAMS

ROOT = Path(__file__).resolve().parents[2]


def _page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def _rows(page: str) -> list[list[str]]:
    """Cells of every row of every table, heads left out."""
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in page.splitlines() if line[:1] == "|"]
    return [[cell.strip() for cell in row] for row in rows if row[0].strip() != "---"]


@pytest.mark.control("164.316(b)(2)(iii)", "pages")
def test_every_generated_file_is_fresh() -> None:
    command = [sys.executable, str(ROOT / "tools" / "documents.py"), "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, f"run tools/documents.py\n{checked.stdout}{checked.stderr}"


def test_the_flow_page_shows_every_stream_and_service() -> None:
    page = _page("FLOW.md")
    for stream in STREAMS:
        assert f"`{stream.topic}`" in page
    assert "```mermaid" in page
    assert "```text" in page
    assert all(service in page for service in SERVICES)


def test_links_of_the_pages_lead_somewhere() -> None:
    for name in ("FLOW.md", "EVENTS.md", "COMPLIANCE.md"):
        for file, anchor in re.findall(r"\]\(([\w.]*)#?([\w-]*)\)", _page(name)):
            target = file or name
            assert (ROOT / "docs" / target).exists(), target
            heads = re.findall(r"^#+ (.+)$", _page(target), re.MULTILINE) if anchor else []
            slugs = {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}
            assert not anchor or anchor in slugs, f"{name}: {target}#{anchor}"


def test_the_events_page_has_every_event_with_an_example() -> None:
    page = _page("EVENTS.md")
    for name in FACTS:
        section = page.split(f"## {'.'.join(name.split('.')[1:3])}\n", 1)[1].split("\n## ", 1)[0]
        assert f"`{name}`" in section
        assert "```json" in section


def test_every_setting_says_what_it_is() -> None:
    rows = [row for row in _rows(_page("CONFIG.md")) if row[0].startswith("`")]
    assert len(rows) >= 20
    assert all(re.fullmatch(r"`[A-Z][A-Z0-9_]+`", row[0]) and row[-1] for row in rows)


def test_every_setting_is_used() -> None:
    """A knob that turns nothing is a lie. Its name must stand in code beside its declaration."""
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("libs", "services")
        for path in (ROOT / folder).glob("*/src/memoryguard/**/*.py")
    )
    settings = [row[0] for row in _rows(_page("CONFIG.md")) if len(row) == 4]
    names = re.findall(
        r"`MEMORYGUARD_(?:INGEST_|PROCESSOR_|ATROPHY_|ML_|AUDIT_|API_|KAFKA_|OIDC_)?(\w+)`",
        " ".join(settings),
    )
    assert len(names) >= 15
    assert [name for name in names if not re.search(rf"\.{name.lower()}\b", code)] == []


def test_hints_name_commands_that_exist() -> None:
    hinted = {
        command
        for row in _rows(_page("ERRORS.md"))
        for command in re.findall(r"(?:^|[:`(]\s?)memoryguard ([a-z]+)", row[4] if row[5:] else "")
    }
    assert "up" in hinted
    assert hinted <= set(app)


def test_error_codes_are_stable_names_with_one_status() -> None:
    rows = [row for row in _rows(_page("ERRORS.md")) if row[0].startswith("`")]
    statuses: dict[str, set[str]] = defaultdict(set)
    for code, _, status, message, *_ in rows:
        assert re.fullmatch(r"`[a-z][a-z0-9]*(_[a-z0-9]+)*`", code)
        assert message or code in {"`http_error`", "`no_such_route`"}, code
        statuses[code].add(status)
    assert len(statuses) >= 60
    assert {code: found for code, found in statuses.items() if len(found) > 1} == {}
