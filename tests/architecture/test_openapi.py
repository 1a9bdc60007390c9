# SPDX-License-Identifier: Apache-2.0
"""The API is described, the description is sound, and the API does what it says."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
import pytest_asyncio
import requests
import schemathesis
from aiohttp.test_utils import TestServer
from built import Built
from hypothesis import HealthCheck, Phase, given, settings
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import Case, checks
from schemathesis.core.failures import FailureGroup
from shown import shown

from memoryguard.api.fhir.elements import identity
from memoryguard.common.http import openapi
from memoryguard.common.http.app import build_app
from memoryguard.common.http.operation import ANY_OTHER
from memoryguard.common.http.route import Route
from memoryguard.common.security.policy import Role

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
OPERATIONS = [
    (method, path, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]
EXAMPLES = 5
ME, SCAN = "me", "scan-0"
KNOWN = {
    "imaging_id": SCAN, "user_id": ME, "scan_id": SCAN, "study_uid": f"{SCAN}-study",
    "series_uid": "series", "instance_uid": SCAN, "sequence": "0", "name": "page.css",
    "resource_type": "ImagingStudy", "resource_id": str(identity("ImagingStudy", f"{SCAN}/")),
}  # fmt: skip
WAITS = "/api/v1/imaging/{imaging_id}/events"
"""It gives a scan that nobody knows a moment to arrive."""
EMPTY = {"not_signed_yet"}
"""What the log answers while nothing is in it."""

CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


def every_route(built: Built) -> list[tuple[str, Route]]:
    return [(service.name, route) for _, service in built.running for route in service.routes]


# --- the description -----------------------------------------------------------------------


async def test_every_route_is_described(built: Built) -> None:
    bare = [f"{r.method} {r.path}" for _, r in every_route(built) if r.doc is None]
    assert bare == [], "give it doc=Operation(…), see common/http/operation.py"
    assert len(OPERATIONS) == len(every_route(built))
    parameters = {
        name for _, path, _ in OPERATIONS for name in re.findall(r"{(\w+)}", path)
    }  # fmt: skip
    assert parameters <= openapi.PLACES.keys()


def test_somebody_elses_validator_accepts_the_description() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert [*OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []
    broken = json.loads(json.dumps(DOCUMENT))
    broken["paths"]["/api"]["get"]["operationId"] = OPERATIONS[-1][2]["operationId"]
    assert [*OpenAPIV31SpecValidator(broken).iter_errors()], "it looks at what it is given"


def test_every_code_that_is_described_is_raised_somewhere_with_that_status(built: Built) -> None:
    page = (ROOT / "docs" / "ERRORS.md").read_text(encoding="utf-8")
    raised = {
        (code, int(status))
        for code, status in re.findall(r"^\| `(\w+)` \| \w+ \| (\d+) ", page, re.MULTILINE)
    }
    by_http = {("invalid_token", 401), ("body_too_large", 413)}
    described = {
        (code, status)
        for _, route in every_route(built)
        if route.doc
        for status, codes in route.doc.errors.items()
        for code in codes.replace(ANY_OTHER, "").split()
    }
    assert len(described) > 40
    assert described - raised - by_http == set()


@pytest.mark.parametrize("path", sorted({path for _, path, _ in OPERATIONS}))
def test_an_operation_says_who_may_and_what_is_recorded(path: str) -> None:
    for operation in DOCUMENT["paths"][path].values():
        assert operation["summary"][0].isupper()
        assert bool(operation["security"]) == bool(operation["x-roles"])
        assert re.search("Roles: |Public: ", operation["description"])


# --- the API, held to it -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asking:
    """Somebody with every role, who asks what the description allows."""

    url: str
    headers: dict[str, str]
    session: requests.Session
    served: set[str]

    def ask(self, operation: Any, **fixed: Any) -> str | None:
        """Ask a few times; what was wrong with the first answer that was not as described."""
        try:
            self._ask(operation, **fixed)
        except (checks.Failure, FailureGroup) as failure:
            return f"{operation.label}: {failure}"
        return None

    def _ask(self, operation: Any, **fixed: Any) -> None:
        strategy = operation.as_strategy(**fixed)

        @settings(
            max_examples=EXAMPLES, derandomize=True, database=None, deadline=None,
            suppress_health_check=[*HealthCheck], phases=[Phase.generate],
        )  # fmt: skip
        @given(case=strategy)
        def asked(case: Case) -> None:
            response = case.call(base_url=self.url, headers=self.headers, session=self.session)
            case.validate_response(response, checks=CHECKS)
            if response.status_code < 300:
                self.served.add(operation.label)
            elif response.status_code >= 500:
                assert response.json()["code"] in EMPTY, case.as_curl_command()

        asked()


@pytest_asyncio.fixture
async def asking(built: Built) -> AsyncGenerator[Asking]:
    await shown(built, SCAN, ME)
    async with TestServer(build_app(built.running, asyncio.Event())) as server:
        token = built.issuer.issue(ME, get_args(Role))
        with requests.Session() as session:
            url = str(server.make_url("")).rstrip("/")
            yield Asking(url, {"Authorization": f"Bearer {token}"}, session, set())


async def test_whatever_the_description_allows_is_answered_as_it_says(asking: Asking) -> None:
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    operations = [each.ok() for each in schema.get_all_operations()]
    asked = [
        each for each in operations
        if each.method.upper() in ("GET", "POST", "PUT")
        and "multipart/related" not in each.get_request_payload_content_types()
    ]  # fmt: skip
    assert len(asked) > 50
    wrong = list[str | None]()
    for operation in asked:
        names = re.findall(r"{(\w+)}", operation.path)
        if names and set(names) <= KNOWN.keys():
            known = {name: KNOWN[name] for name in names}
            wrong.append(await asyncio.to_thread(asking.ask, operation, path_parameters=known))
        if operation.path != WAITS:
            wrong.append(await asyncio.to_thread(asking.ask, operation))
    assert [each for each in wrong if each] == []
    assert len(asking.served) > 30, f"only these were served: {sorted(asking.served)}"
