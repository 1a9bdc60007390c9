# SPDX-License-Identifier: Apache-2.0
"""Who may do what: every route × every role × whose data it is, over HTTP, against one table.

A new route fails here until it has a line in ``TABLE``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
import pytest_asyncio
from aiohttp import FormData
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application
from built import Built, build_all
from cryptography.fernet import Fernet
from described import hold_to_its_word
from shown import shown

from memoryguard.api.fhir.elements import identity
from memoryguard.common.http.app import build_app
from memoryguard.common.http.route import Route
from memoryguard.common.security.policy import Role
from memoryguard.common.security.tokens import generate_key_pair

AT_ONCE = 40
ROLES: tuple[Role, ...] = get_args(Role)

ME = "me"
OWNERS: Mapping[str, str | None] = {
    "own": ME, "other": "other", "granted": "giver", "status only": "giver-of-status",
    "results only": "giver-of-results", "nobody": None,
}  # fmt: skip
"""Whose data there is: mine, somebody's, what three people have let me see, and nobody's yet."""
GRANTS = {"giver": ["status", "results"], "giver-of-status": ["status"],
          "giver-of-results": ["results"]}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """What a route should do.

    Attributes
    ----------
    roles
        Who may use it at all, separated by spaces; everybody else gets 403. Empty: it is public.
    of
        What in the request says whose data it is about: nothing, a scan, or an account.
    to
        What is done with that data: see its ``status`` or its ``results``, or ``write``.
    otherwise
        The status that somebody gets to whom this data is closed.
    body
        What is sent; ``{user}`` is the account.
    """

    roles: str = ""
    of: str = ""
    to: str = ""
    otherwise: int = 404
    body: Any = None


PEOPLE, ALL = "patient caregiver clinician", " ".join(ROLES)
HEALTH = {"recorded_on": "2026-01-01", "provenance": "synthetic", "metrics": {"moca": 25}}
GLASS = {"user_id": "somebody-else-still", "reason": "safety"}
UPLOAD, NO_CODE = "multipart", {"code": "no such code"}
FILES = {"user_id": "{user}", "sha256": []}

STUDY = "/dicom-web/results/studies/{study_uid}"
SERIES = f"{STUDY}/series/{{series_uid}}"
INSTANCE = f"{SERIES}/instances/{{instance_uid}}"
DICOM = (
    *(STUDY, SERIES, INSTANCE, f"{STUDY}/series", f"{STUDY}/instances", f"{SERIES}/instances"),
    *(f"{place}/metadata" for place in (STUDY, SERIES, INSTANCE)),
)

# fmt: off
TABLE: Mapping[str, Mapping[str, Rule]] = {
    "ingest": {
        "POST /api/v1/imaging/upload":                   Rule("patient clinician", "account", "write", 403, UPLOAD),
        "PUT /api/v1/users/{user_id}/health-metrics":    Rule("patient clinician", "account", "write", 403, HEALTH),
        "POST /api/v1/imaging/upload/missing":           Rule("patient clinician", "account", "write", 403, FILES),
        "POST /dicom-web/studies":                       Rule("clinician integration"),
        "POST /dicom-web/studies/{study_uid}":           Rule("clinician integration"),
        "GET /api/v1/worklist":                          Rule("clinician"),
        "POST /api/v1/worklist/{patient}":               Rule("clinician", body={"user_id": ME}),
        "DELETE /api/v1/worklist/{patient}":             Rule("clinician"),
        "DELETE /api/v1/users/{user_id}":                Rule("admin"),
        "POST /api/v1/events":                           Rule("integration"),
    },
    "audit": {
        "GET /api/v1/audit/key":                         Rule(),
        "GET /api/v1/audit/checkpoint":                  Rule("compliance"),
        "GET /api/v1/audit/scans/{scan_id}":             Rule("compliance"),
        "GET /api/v1/audit/entries/{sequence}":          Rule("compliance"),
        "GET /api/v1/audit/entries":                     Rule("compliance"),
        "GET /api/v1/audit/entries/{sequence}/proof":    Rule("compliance"),
        "GET /api/v1/audit/entries/{sequence}/event":    Rule("compliance"),
        "GET /api/v1/audit/consistency":                 Rule("compliance"),
        "GET /api/v1/audit/export":                      Rule("compliance"),
        "GET /api/v1/audit/review":                      Rule("compliance"),
        "POST /api/v1/audit/review":                     Rule("compliance", body={}),
        "GET /api/v1/audit/ledger":                      Rule("patient"),
        "GET /api/v1/audit/holds":                       Rule("compliance"),
        "POST /api/v1/audit/holds":                      Rule("compliance", body={}),
        "DELETE /api/v1/audit/holds/{hold_id}":          Rule("compliance"),
    },
    "api": {
        "GET /api/v1/imaging/user/{user_id}":            Rule(PEOPLE, "account", "status"),
        "GET /api/v1/imaging/{imaging_id}/status":       Rule(PEOPLE, "scan", "status"),
        "GET /api/v1/imaging/{imaging_id}/events":       Rule(PEOPLE, "scan", "status"),
        "GET /api/v1/imaging/{imaging_id}/analysis":     Rule(PEOPLE, "scan", "results"),
        "GET /api/v1/imaging/{imaging_id}/fhir":         Rule(PEOPLE, "scan", "results"),
        "GET /api/v1/imaging/{imaging_id}/fhir/metadata": Rule(),
        "GET /api/v1/imaging/{imaging_id}/fhir/{resource_type}/{resource_id}": Rule(PEOPLE, "scan", "results"),
        "GET /api/v1/imaging/{imaging_id}/measurements.csv": Rule(PEOPLE, "scan", "results"),
        "GET /api/v1/measurements.csv":                  Rule(PEOPLE),
        "GET /api/v1/imaging/{imaging_id}/picture":      Rule(PEOPLE, "scan", "results"),
        "GET /api/v1/imaging/{imaging_id}/structures.glb": Rule(PEOPLE, "scan", "results"),
        "GET /api/v1/imaging/{imaging_id}/brain.nii.gz":   Rule(PEOPLE, "scan", "results"),
        "GET /api/v1/imaging/{imaging_id}/labels.nii.gz":  Rule(PEOPLE, "scan", "results"),
        "GET /api/v1/imaging/{imaging_id}/report.pdf":    Rule(PEOPLE, "scan", "results"),
        "GET /dicom-web/results/studies":               Rule(PEOPLE),
        "GET /dicom-web/results/series":                Rule(PEOPLE),
        "GET /dicom-web/results/instances":             Rule(PEOPLE),
        **{f"GET {path}": Rule(PEOPLE, "scan", "results") for path in DICOM},
        "GET /api/v1/imaging":                           Rule(PEOPLE),
        "GET /api/v1/sessions":                          Rule(ALL),
        "GET /":                                         Rule(),
        "GET /upload":                                   Rule(),
        "GET /imaging":                                  Rule(),
        "GET /imaging/{imaging_id}":                     Rule(),
        "GET /imaging/{imaging_id}/compare/{other}":     Rule(),
        "GET /sharing":                                  Rule(),
        "GET /log":                                      Rule(),
        "GET /api/v1/sign-in":                           Rule(),
        "GET /sign-in/oidc":                             Rule(),
        "GET /sign-in/callback":                         Rule(),
        "GET /assets/{name}":                            Rule(),
        "GET /static/{name}":                            Rule(),
        "GET /s/{code}":                                 Rule(),
        "GET /api":                                      Rule(),
        "GET /api/v1/openapi.json":                      Rule(),
        "GET /sign-out":                                 Rule(ALL),
        "POST /api/v1/sessions":                         Rule(ALL, body={}),
        "DELETE /api/v1/sessions":                       Rule(ALL),
        "GET /api/v1/access/grants":                     Rule(PEOPLE),
        "POST /api/v1/access/grants":                    Rule("caregiver clinician", body=NO_CODE),
        "DELETE /api/v1/access/grants/{grantee_id}":     Rule("patient"),
        "POST /api/v1/access/invitations":               Rule("patient", body={}),
        "DELETE /api/v1/access/invitations/{invitation_id}": Rule("patient"),
        "POST /api/v1/access/break-glass":               Rule("clinician", body=GLASS),
    },
}
REACH: Mapping[str, Mapping[str, Mapping[str, set[str]]]] = {
    "everybody": {
        "patient":   {"status": {"own"}, "results": {"own"}, "write": {"own"}},
        "caregiver": {"status": {"granted", "status only"}, "results": {"granted", "results only"}},
        "clinician": {"status": set(OWNERS), "results": set(OWNERS), "write": set(OWNERS)},
    },
    "granted": {
        "patient":   {"status": {"own"}, "results": {"own"}, "write": {"own"}},
        "caregiver": {"status": {"granted", "status only"}, "results": {"granted", "results only"}},
        "clinician": {"status": {"granted", "status only", "nobody"},
                      "results": {"granted", "results only", "nobody"}, "write": set(OWNERS)},
    },
}
"""Whose data each role reaches, by whom clinicians see. Roles that are not named reach nobody's."""
# fmt: on


@dataclass(frozen=True, slots=True)
class House:
    """The platform on a socket, with scans of everybody in ``OWNERS``."""

    client: TestClient
    built: Built
    scans: Mapping[str, str]

    def bearer(self, user_id: str, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.built.issuer.issue(user_id, [role])}"}


@pytest_asyncio.fixture(params=REACH)
async def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MEMORYGUARD_AUDIT_SIGNING_KEY", generate_key_pair()[0].decode())
    monkeypatch.setenv("MEMORYGUARD_IDENTITY_KEY", Fernet.generate_key().decode())
    monkeypatch.setenv("MEMORYGUARD_API_CLINICIANS_SEE", request.param)
    return request.param


@pytest_asyncio.fixture
async def house(tmp_path: Path, database_url: str, mode: str) -> AsyncGenerator[House]:
    async with (
        build_all(tmp_path, database_url) as built,
        TestClient(TestServer(held(built))) as client,
    ):
        scans = {whose: f"scan-{n}" for n, whose in enumerate(OWNERS)}
        house = House(client, built, scans)
        for whose, user_id in OWNERS.items():
            await shown(built, scans[whose], user_id)
        for giver, scopes in GRANTS.items():
            await let(house, giver, scopes)
        yield house


def held(built: Built) -> Application:
    app = build_app(built.running, asyncio.Event())
    return hold_to_its_word(app, *(service for _, service in built.running))


async def let(house: House, giver: str, scopes: list[str]) -> None:
    """Somebody lets me see what they choose: they invite, I accept."""
    offer, path = {"grantee_id": ME, "scopes": scopes}, "/api/v1/access"
    invited = await house.client.post(
        f"{path}/invitations", json=offer, headers=house.bearer(giver, "patient")
    )
    assert invited.status == 201
    accepted = await house.client.post(
        f"{path}/grants", json={"user_id": giver}, headers=house.bearer(ME, "caregiver")
    )
    assert accepted.status == 200


@dataclass(frozen=True, slots=True)
class Case:
    """One cell: a route, asked by me in a role, about somebody's data."""

    route: Route
    rule: Rule
    role: Role | None
    whose: str

    def expected(self, mode: str) -> set[int] | None:
        """The statuses that are right; None stands for being let in."""
        if not self.rule.roles:
            return None
        if self.role is None:
            return {401}
        if self.role not in self.rule.roles.split():
            return {403}
        reached = REACH[mode].get(self.role, {}).get(self.rule.to, set())
        return None if not self.rule.of or self.whose in reached else {self.rule.otherwise}


def cases(house: House) -> list[Case]:
    found: list[Case] = []
    for _, service in house.built.running:
        for route in service.routes:
            rule = TABLE[service.name][name_of(route)]
            whose = (
                ["own"] if not rule.of else [w for w in OWNERS if rule.of == "scan" or OWNERS[w]]
            )
            found += [Case(route, rule, role, w) for role in (None, *ROLES) for w in whose]
    return found


def name_of(route: Route) -> str:
    return f"{route.method} {plain(route.path)}"


def plain(path: str) -> str:
    """Path without the patterns of its parameters: ``{code:[a-z]+}`` is ``{code}``."""
    return "/".join(f"{p.split(':')[0]}}}" if ":" in p else p for p in path.split("/"))


async def answered(house: House, case: Case) -> int:
    user_id = OWNERS[case.whose] or ""
    named = user_id if case.rule.of else "somebody-else-still"
    words = {"imaging_id": house.scans[case.whose], "user_id": named, "sequence": "0",
             "study_uid": f"{house.scans[case.whose]}-study", "series_uid": "series",
             "instance_uid": house.scans[case.whose], "name": "page.css", "code": "x" * 24, "invitation_id": "x",
             "resource_type": "ImagingStudy",
             "resource_id": str(identity("ImagingStudy", f"{house.scans[case.whose]}/"))}  # fmt: skip
    path = re.sub(r"{(\w+)}", lambda m: words.get(m[1], "x"), plain(case.route.path))
    body = case.rule.body
    if body is FILES:
        body = FILES | {"user_id": user_id}
    form = FormData({"user_id": user_id}, default_to_multipart=True)
    options: dict[str, Any] = {"data": form} if body == UPLOAD else {"json": body}
    headers = house.bearer(ME, case.role) if case.role else {}
    async with house.client.request(
        case.route.method, path, headers=headers, allow_redirects=False, **options
    ) as response:
        await response.read()
        return response.status


async def test_every_route_is_in_the_table_and_nothing_else(house: House) -> None:
    there = {s.name: {name_of(r) for r in s.routes} for _, s in house.built.running if s.routes}
    assert there == {service: set(rules) for service, rules in TABLE.items()}


@pytest.mark.control("164.312(a)(1)", "roles")
async def test_every_policy_names_just_the_roles_of_the_table(house: House) -> None:
    for _, service in house.built.running:
        for route in service.routes:
            rule = TABLE[service.name][name_of(route)]
            assert route.policy.roles == set(rule.roles.split()), name_of(route)
            assert bool(route.policy.public) == (not rule.roles), name_of(route)
            if service.name != "api":
                assert "caregiver" not in route.policy.roles, "consent is checked by the api alone"


@pytest.mark.control("164.312(b)", "looks")
async def test_every_route_that_asks_who_is_there_is_audited(house: House) -> None:
    routes = [route for _, service in house.built.running for route in service.routes]
    silent = {name_of(r) for r in routes if not (r.policy.public or r.policy.audited)}
    assert silent == set()


@pytest.mark.control("164.312(a)(1)", "roles")
@pytest.mark.control("164.312(a)(1)", "people")
async def test_every_route_lets_in_whom_it_should_and_nobody_else(house: House, mode: str) -> None:
    gate = asyncio.Semaphore(AT_ONCE)
    every = cases(house)

    async def walk(case: Case) -> str | None:
        async with gate:
            status = await answered(house, case)
        expected = case.expected(mode)
        let_in = status not in (401, 403) and (status != 404 or not case.rule.of)
        if let_in if expected is None else status in expected:
            return None
        return f"{name_of(case.route)} as {case.role}, {case.whose}: {status}"

    wrong = [each for each in await asyncio.gather(*map(walk, every)) if each]
    assert wrong == []
    assert len(every) > 300, "the walk has become short without anybody noticing"
    assert {case.role for case in every} == {None, *ROLES}
