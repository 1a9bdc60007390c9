# SPDX-License-Identifier: Apache-2.0
"""docs/asyncapi.json: whole by itself, and valid by AsyncAPI's own parser where Node is there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from memoryguard.common.contracts.flow import FACTS, SERVICES, STREAMS, heard_by

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "asyncapi.json"
PARSER = "@asyncapi/parser@3.6.0"
INSTALL_S = 240

_CHECK = """
const { Parser } = require('@asyncapi/parser');
const text = require('fs').readFileSync(process.argv[1], 'utf8');
new Parser().parse(text).then(({ document, diagnostics }) => {
  console.log(JSON.stringify({
    channels: document ? document.channels().all().map((c) => c.address()) : null,
    messages: document ? document.messages().all().map((m) => m.name()) : null,
    problems: diagnostics.filter((d) => d.severity <= 1)
      .map((d) => `${d.path.join('/')}: ${d.message}`),
  }));
});
"""


def _document() -> dict[str, Any]:
    return json.loads(DOCUMENT.read_text(encoding="utf-8"))


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def test_every_reference_leads_somewhere() -> None:
    document = _document()
    references = set(_references(document))
    assert len(references) > len(FACTS)
    for reference in references:
        place: Any = document
        for name in reference.removeprefix("#/").split("/"):
            place = place[name]


def test_it_has_every_topic_event_and_listener() -> None:
    document = _document()
    assert {c["address"] for c in document["channels"].values()} == {s.topic for s in STREAMS}
    assert {m["name"] for m in document["components"]["messages"].values()} == set(FACTS)
    for service in SERVICES:
        received = {
            reference["$ref"].rsplit("/", 1)[1]
            for name, operation in document["operations"].items()
            if name.startswith(f"{service}.receives.")
            for reference in operation["messages"]
        }
        assert {fact.__name__ for fact in heard_by(service)} <= received


@pytest.fixture(scope="session")
def parser_folder() -> Path:
    """A folder outside the repository with AsyncAPI's parser, installed once."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("no node or npm: docs/asyncapi.json is not checked by AsyncAPI's parser")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = cache / "memoryguard" / PARSER.replace("/", "-").replace("@", "")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        pytest.skip("no cache folder can be made: AsyncAPI's parser is not installed")
    if not (folder / "node_modules" / "@asyncapi" / "parser").is_dir():
        quiet = ["--no-audit", "--no-fund", "--no-save", "--ignore-scripts"]
        installed = subprocess.run(
            ["npm", "install", *quiet, "--prefix", str(folder), PARSER],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=INSTALL_S,
            check=False,
        )
        if installed.returncode != 0:
            pytest.skip(f"npm could not install {PARSER}: is the network there?")
    return folder


@pytest.mark.slow
def test_asyncapis_own_parser_finds_nothing_wrong(parser_folder: Path) -> None:
    checked = subprocess.run(
        ["node", "-e", _CHECK, str(DOCUMENT)],
        cwd=parser_folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = json.loads(checked.stdout.splitlines()[-1])
    assert found["problems"] == []
    assert set(found["channels"]) == {stream.topic for stream in STREAMS}
    assert set(found["messages"]) == set(FACTS)
