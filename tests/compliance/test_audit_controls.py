# SPDX-License-Identifier: Apache-2.0
"""45 CFR 164.312(b): what is looked at and what is refused is recorded, and nothing else is served.

That the record itself cannot be altered unnoticed is tested with the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from clinic import ANALYSIS, ANNA, STATUS, Clinic, forgets, open_clinic, unaudited

from memoryguard.common.contracts.event import Fact
from memoryguard.common.runtime.outbox import Outbox
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.service import Service

ASKED = [
    (STATUS, (ANNA, "patient"), "read"),
    (ANALYSIS, ("dora", "clinician"), "read"),
    (ANALYSIS, ("berta", "patient"), "denied"),
    (ANALYSIS, ("root", "admin"), "denied"),
    (ANALYSIS, None, "denied"),
]


async def every_look_is_one_event(clinic: Clinic) -> None:
    for path, who, _ in ASKED:
        await clinic.status(path, who)
    assert await clinic.told() == [(word, who[0] if who else "anonymous") for _, who, word in ASKED]


@pytest.mark.control("164.312(b)", "looks")
async def test_every_look_is_one_event(tmp_path: Path, database_url: str) -> None:
    async with open_clinic(tmp_path, database_url) as clinic:
        await every_look_is_one_event(clinic)


@pytest.mark.control("164.312(b)", "looks", off="an outbox that writes nothing")
async def test_looks_that_are_forgotten_are_noticed(tmp_path: Path, database_url: str) -> None:
    async with open_clinic(tmp_path, database_url, platform=forgets) as clinic:
        with pytest.raises(AssertionError, match=r"\[\] == "):
            await every_look_is_one_event(clinic)


@pytest.mark.control("164.312(b)", "looks", off="routes whose policy is not audited")
async def test_looks_that_are_not_audited_are_noticed(tmp_path: Path, database_url: str) -> None:
    async with open_clinic(tmp_path, database_url, service=_unaudited) as clinic:
        with pytest.raises(AssertionError, match=r"\('denied', 'berta'\) != \('read', 'anna'\)"):
            await every_look_is_one_event(clinic)


class Full(Outbox):
    """Cannot write: the database is away just then."""

    async def append(self, transaction: Any, facts: Sequence[Fact], **_: Any) -> list[Any]:
        raise asyncpg.CannotConnectNowError


def cannot_write(platform: Platform) -> Platform:
    return replace(platform, outbox=Full(platform.name))


def _unaudited(_: Platform, service: Service) -> Service:
    return replace(service, routes=unaudited(service.routes))


async def what_cannot_be_recorded_is_not_served(clinic: Clinic) -> None:
    status, body = await clinic.ask("GET", ANALYSIS, (ANNA, "patient"))
    assert status == 503
    assert "volume" not in body


@pytest.mark.control("164.312(b)", "recorded-first")
async def test_what_cannot_be_recorded_is_not_served(tmp_path: Path, database_url: str) -> None:
    async with open_clinic(tmp_path, database_url, platform=cannot_write) as clinic:
        await what_cannot_be_recorded_is_not_served(clinic)


@pytest.mark.control("164.312(b)", "recorded-first", off="routes whose policy is not audited")
async def test_serving_without_a_record_is_noticed(tmp_path: Path, database_url: str) -> None:
    async with open_clinic(
        tmp_path, database_url, platform=cannot_write, service=_unaudited
    ) as clinic:
        with pytest.raises(AssertionError, match="200 == 503"):
            await what_cannot_be_recorded_is_not_served(clinic)
