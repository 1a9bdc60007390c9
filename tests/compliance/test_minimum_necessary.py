# SPDX-License-Identifier: Apache-2.0
"""45 CFR 164.514(d): who needs what. A grant opens what it names, a role what is its business."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clinic import ANALYSIS, ANNA, STATUS, Clinic, Open, open_clinic, opened, showing

from memoryguard.api.access import Access
from memoryguard.common.contracts.parts import Basis
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.service import Service
from memoryguard.common.security.policy import Principal

CARL = ("carl", "caregiver")


async def a_grant_for_the_status_opens_no_result(clinic: Clinic) -> None:
    offer = {"grantee_id": "carl", "scopes": ["status"]}
    await clinic.ask("POST", "/api/v1/access/invitations", (ANNA, "patient"), json=offer)
    await clinic.ask("POST", "/api/v1/access/grants", CARL, json={"user_id": ANNA})
    assert await clinic.status(STATUS, CARL) == 200
    assert await clinic.status(ANALYSIS, CARL) == 404


@pytest.mark.control("164.514(d)", "scopes")
async def test_a_grant_for_the_status_opens_no_result(tmp_path: Path, database_url: str) -> None:
    async with open_clinic(tmp_path, database_url) as clinic:
        await a_grant_for_the_status_opens_no_result(clinic)


class Scopeless(Access):
    """Lets whoever may see anything see everything."""

    async def basis(self, principal: Principal, user_id: str | None, scope: Any) -> Basis | None:
        return await super().basis(principal, user_id, "status")


@pytest.mark.control("164.514(d)", "scopes", off="grants whose scopes nobody looks at")
async def test_scopes_switched_off_are_noticed(tmp_path: Path, database_url: str) -> None:
    async with open_clinic(tmp_path, database_url, service=_with(Scopeless)) as clinic:
        with pytest.raises(AssertionError, match="200 == 404"):
            await a_grant_for_the_status_opens_no_result(clinic)


async def who_keeps_the_house_sees_nobody(clinic: Clinic) -> None:
    """Who watches over access, runs the machines or sends scans in needs no result for it."""
    for role in ("compliance", "admin", "integration"):
        assert await clinic.status(ANALYSIS, ("eve", role)) == 403


@pytest.mark.control("164.514(d)", "roles")
async def test_who_keeps_the_house_sees_nobody(tmp_path: Path, database_url: str) -> None:
    async with open_clinic(tmp_path, database_url) as clinic:
        await who_keeps_the_house_sees_nobody(clinic)


@pytest.mark.control("164.514(d)", "roles", off="policies that allow every role to see everybody")
async def test_roles_that_see_all_are_noticed(tmp_path: Path, database_url: str) -> None:
    async with open_clinic(tmp_path, database_url, service=_with(Open)) as clinic:
        with pytest.raises(AssertionError, match="200 == 403"):
            await who_keeps_the_house_sees_nobody(clinic)


def _with(access: type[Access]) -> Any:
    def swapped(platform: Platform, service: Service) -> Service:
        shown = showing(access)(platform, service)
        return replace(shown, routes=opened(shown.routes))

    return swapped
