# SPDX-License-Identifier: Apache-2.0
"""The four endpoints that were there first keep their fields; docs/API.md says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]

SCAN = {"imaging_id", "user_id", "modality", "status", "created_at"}
STATUS = SCAN | {"updated_at"}
MEASURED = {"hippocampal_volume_total", "cortical_thickness_mean", "total_brain_volume"}
FIRST = {
    ("post", "/api/v1/imaging/upload", "201"): ("Uploaded", SCAN),
    ("get", "/api/v1/imaging/{imaging_id}/status", "200"): ("ScanStatus", STATUS),
    ("get", "/api/v1/imaging/{imaging_id}/analysis", "200"): (
        "Analysis",
        STATUS | MEASURED | {"id", "atrophy_detected", "atrophy_severity", "ml_features"},
    ),
    ("get", "/api/v1/imaging/user/{user_id}", "200"): ("UserScanPage", {"items", "next_cursor"}),
}


@pytest.mark.parametrize("endpoint", FIRST)
def test_an_endpoint_keeps_its_fields(endpoint: tuple[str, str, str]) -> None:
    (method, path, status), (name, fields) = endpoint, FIRST[endpoint]
    content = DOCUMENT["paths"][path][method]["responses"][status]["content"]
    assert content["application/json"]["schema"] == {"$ref": f"#/components/schemas/{name}"}
    assert fields <= SCHEMAS[name]["properties"].keys()
    if name != "Uploaded":  # whose scan is not there until its last slice is
        assert fields <= set(SCHEMAS[name]["required"])


def test_an_uploaded_scan_has_the_fields_once_it_is_there() -> None:
    assert set(SCHEMAS["UploadedScan"]["required"]) >= SCAN


def test_a_listed_scan_has_its_status_and_if_it_may_be_seen_its_numbers() -> None:
    options = SCHEMAS["UserScanPage"]["properties"]["items"]["items"]["anyOf"]
    assert {option["$ref"].rsplit("/", 1)[1] for option in options} == {"ScanSummary", "ScanStatus"}
    assert set(SCHEMAS["ScanSummary"]["required"]) >= STATUS | MEASURED | {"atrophy_severity"}


def test_the_four_words_stay() -> None:
    words = ["uploaded", "processing", "completed", "failed"]
    assert SCHEMAS["ScanStatus"]["properties"]["status"]["enum"] == words


def test_the_page_names_every_field_that_is_promised() -> None:
    page = (ROOT / "docs" / "API.md").read_text(encoding="utf-8")
    for (_, path, _), (_, fields) in FIRST.items():
        assert path in page
        assert [name for name in fields if f"`{name}`" not in page] == []
