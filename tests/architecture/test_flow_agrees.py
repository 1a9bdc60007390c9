# SPDX-License-Identifier: Apache-2.0
"""``flow.py`` and the services agree, both ways: what is heard is handled, what is said is said."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from built import Built
from layout import LIBRARIES, SERVICES, parsed

from memoryguard.common.contracts import events, flow, oversight
from memoryguard.common.contracts.event import Fact
from memoryguard.common.contracts.flow import EVERY_SERVICE, FACTS, STREAMS
from memoryguard.common.runtime.service import Handler

RUNTIME = LIBRARIES / "common/src/memoryguard/common"
COMMANDS = LIBRARIES / "cli/src/memoryguard/cli"
SAID_BY_COMMANDS: set[type[Fact]] = {oversight.LogPruned}
"""What an operator's command says in a service's name."""


async def test_every_service_handles_what_it_hears_and_nothing_else(built: Built) -> None:
    assert {service.name for _, service in built.running} == set(flow.SERVICES)
    for _, service in built.running:
        assert set(service.handlers) == set(flow.heard_by(service.name)), service.name


async def test_every_handler_does_something_or_says_why_not(built: Built) -> None:
    """Only an erasure may be heard without a handler: the runtime's tombstone answers it."""
    for _, service in built.running:
        idle = {f for f, h in service.handlers.items() if h == Handler(version=h.version)}
        assert idle <= {events.ScanErased}, service.name


def test_listeners_are_services() -> None:
    named = {
        n for stream in STREAMS for hearers in stream.heard_by.values() for n in hearers.split()
    }
    producers = {stream.producer for stream in STREAMS}
    assert named <= set(flow.SERVICES)
    assert producers <= {*flow.SERVICES, EVERY_SERVICE, "integrations"}


def test_an_event_travels_on_one_topic() -> None:
    said = [fact for stream in STREAMS for fact in stream.heard_by]
    assert len(said) == len(set(said)) == len(FACTS)
    assert len({stream.topic for stream in STREAMS}) == len(STREAMS)


def test_every_event_is_in_the_flow_and_well_named() -> None:
    defined = {
        item
        for item in (*vars(events).values(), *vars(oversight).values())
        if isinstance(item, type) and issubclass(item, Fact) and item is not Fact
    }
    assert defined == set(FACTS.values())
    for fact in defined:
        assert re.fullmatch(r"memoryguard\.[a-z]+\.[a-z]+\.v1", fact.type)
        noun, past = fact.type.split(".")[1:3]
        assert fact.__name__ == f"{noun.title()}{past.title()}"


def test_audit_hears_every_topic_but_its_own_checkpoints() -> None:
    audited = {s.topic for s in STREAMS if re.match(flow.AUDITED_TOPICS, s.topic)}
    assert {s.topic for s in STREAMS} - audited == {"memoryguard.checkpoints.v1"}


@pytest.mark.parametrize("service", flow.SERVICES)
def test_a_service_says_what_the_flow_says_it_says(service: str) -> None:
    made = _made_in(SERVICES / service / "src")
    own = {f for s in STREAMS if s.producer == service for f in s.heard_by}
    anybodys = {f for s in STREAMS if s.producer == EVERY_SERVICE for f in s.heard_by}
    assert made <= own | anybodys
    assert own - made == own & SAID_BY_COMMANDS
    assert _made_in(COMMANDS) >= SAID_BY_COMMANDS


def test_somebody_says_what_every_service_may_say() -> None:
    made = _made_in(
        RUNTIME,
        COMMANDS,  # operators' commands write into ingest's outbox
        *(SERVICES / service / "src" for service in flow.SERVICES),
    )
    assert {f for s in STREAMS if s.producer == EVERY_SERVICE for f in s.heard_by} <= made


def _made_in(*folders: Path) -> set[type[Fact]]:
    """Facts that code makes: called, or chosen to be called."""
    by_name = {fact.__name__: fact for fact in FACTS.values()}
    names: set[str] = set()
    for path in (path for folder in folders for path in folder.rglob("*.py")):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call):
                names.add(ast.unparse(node.func).rsplit(".", 1)[-1])
            elif isinstance(node, ast.IfExp):
                names |= {ast.unparse(n).rsplit(".", 1)[-1] for n in (node.body, node.orelse)}
    return {by_name[name] for name in names & by_name.keys()}
