# SPDX-License-Identifier: Apache-2.0
"""What the API has once promised it keeps; and a change that takes something away is seen."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memoryguard.common.http.promises import breaks, promises, renewed

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
FROZEN = Path(__file__).parent / "openapi-1.txt"
"""A line for each promise of version 1. `make docs` adds lines; by hand none is taken away."""

Json = dict[str, Any]


def test_what_was_once_promised_is_kept() -> None:
    kept, now = {*FROZEN.read_text(encoding="utf-8").splitlines()}, promises(DOCUMENT)
    assert breaks(kept, now) == [], "docs/API.md says what version 1 promises; make another route"
    assert renewed(kept, now) == kept, "make docs"
    assert len(kept) > 3000


FEW = ("/imaging", "/imaging/{imaging_id}/status", "/access/grants", "/access/invitations",
       "/access/break-glass")  # fmt: skip
SMALL = DOCUMENT | {"paths": {f"/api/v1{p}": DOCUMENT["paths"][f"/api/v1{p}"] for p in FEW}}


def changed(change: Callable[[Json], object]) -> list[str]:
    new = copy.deepcopy(SMALL)
    change(new)
    return breaks(promises(SMALL), promises(new))


def operation(document: Json, path: str = "/imaging", method: str = "get") -> Json:
    return document["paths"][f"/api/v1{path}"][method]


def parameter(document: Json, name: str) -> Json:
    (found,) = [p for p in operation(document)["parameters"] if p.get("name") == name]
    return found


def form(document: Json, name: str) -> Json:
    return document["components"]["schemas"][name]


def invite(document: Json) -> Json:
    return operation(document, "/access/invitations", "post")


NEW = {"name": "new", "in": "query", "schema": {"type": "string"}}
OWN_CODE = {
    "content": {
        "application/problem+json": {
            "schema": {
                "allOf": [
                    {"$ref": "#/components/schemas/Problem"},
                    {"properties": {"code": {"enum": ["not_allowed", "new_code"]}}},
                ]
            }
        }
    }
}


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["paths"].update({"/new": {"get": operation(d)}}),
        lambda d: operation(d)["parameters"].append(NEW),
        lambda d: operation(d)["responses"].update({"202": {"description": ""}}),
        lambda d: operation(d)["responses"].update({"403": OWN_CODE}),
        lambda d: operation(d).update(summary="Said better."),
        lambda d: form(d, "ScanStatus")["properties"].update(new={"type": "string"}),
        lambda d: form(d, "ScanStatus")["properties"]["status"]["enum"].append("lost"),
        lambda d: form(d, "ScanStatus")["required"].append("error"),
        lambda d: form(d, "Offer")["properties"].update(new={"type": "string"}),
        lambda d: form(d, "Emergency")["required"].clear(),
        lambda d: invite(d)["requestBody"].update(required=False),
    ],
)
def test_what_only_adds_is_allowed(change: Callable[[Json], object]) -> None:
    assert changed(change) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["paths"].pop("/api/v1/imaging"), "vanished: GET /api/v1/imaging"),
        (
            lambda d: d["paths"]["/api/v1/access/grants"].pop("post"),
            "vanished: POST /api/v1/access/grants",
        ),
        (
            lambda d: operation(d)["parameters"].remove(parameter(d, "limit")),
            "vanished: GET /api/v1/imaging takes query limit",
        ),
        (
            lambda d: parameter(d, "status")["schema"]["enum"].remove("failed"),
            "vanished: GET /api/v1/imaging takes query status = failed",
        ),
        (
            lambda d: parameter(d, "limit")["schema"].update(type="string"),
            "vanished: GET /api/v1/imaging takes query limit: integer",
        ),
        (
            lambda d: parameter(d, "status").update(required=True),
            "was not asked for: GET /api/v1/imaging needs query status",
        ),
        (
            lambda d: operation(d)["parameters"].append(NEW | {"required": True}),
            "was not asked for: GET /api/v1/imaging needs query new",
        ),
        (
            lambda d: operation(d)["responses"].pop("304"),
            "vanished: GET /api/v1/imaging answers 304",
        ),
        (
            lambda d: operation(d)["responses"]["200"]["headers"].pop("Link"),
            "vanished: GET /api/v1/imaging answers 200 header Link",
        ),
        (
            lambda d: d["components"]["responses"]["Error401"].pop("content"),
            "vanished: GET /api/v1/imaging answers 401 application/problem+json.code"
            " = invalid_token",
        ),
        (
            lambda d: form(d, "ScanStatus")["properties"].pop("stage"),
            "vanished: answers ScanStatus.stage: string",
        ),
        (
            lambda d: form(d, "ScanStatus")["required"].remove("stage"),
            "vanished: answers ScanStatus.stage always",
        ),
        (
            lambda d: form(d, "ScanStatus")["properties"]["status"]["enum"].remove("failed"),
            "vanished: answers ScanStatus.status = failed",
        ),
        (
            lambda d: form(d, "ScanStatus")["properties"].update(stages={"type": "array"}),
            "vanished: answers ScanStatus.stages: {number}",
        ),
        (
            lambda d: form(d, "ScanStatus")["properties"].update(
                stage={"anyOf": [{"type": "string"}, {"type": "null"}]}
            ),
            "vanished: answers ScanStatus.stage: string",
        ),
        (
            lambda d: form(d, "Offer")["properties"].pop("scopes"),
            "vanished: takes Offer.scopes: [string]",
        ),
        (
            lambda d: form(d, "Offer").update(required=["expires_at"]),
            "was not asked for: takes Offer needs expires_at",
        ),
    ],
)
def test_what_takes_something_away_is_named(change: Callable[[Json], object], said: str) -> None:
    assert said in changed(change)


def test_what_breaks_is_not_frozen() -> None:
    kept = {"GET /x", "GET /x needs query a", "GET /x answers 200"}
    now = {"GET /x", "GET /x needs query b", "GET /x answers 201", "GET /y", "GET /y needs body"}
    assert renewed(kept, now) == {
        "GET /x", "GET /x answers 200", "GET /x answers 201", "GET /y", "GET /y needs body",
    }  # fmt: skip
