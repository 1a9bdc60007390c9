# SPDX-License-Identifier: Apache-2.0
"""Lives of people who do not exist: the events of one scan each, as large as real ones.

They are made of the golden examples (libs/common/examples), whose few regions can be repeated.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from memoryguard.common.contracts.event import Event, decode, derived_id
from memoryguard.common.contracts.flow import FACTS

EXAMPLES = Path(__file__).resolve().parents[1] / "libs" / "common" / "examples"
STEPS = ("scan.received", "volumes.extracted", "document.made", "atrophy.scored",
         "risk.predicted", "health.recorded")  # fmt: skip
REGIONS = 60
"""Of a score as large as the demo's: 34 regions, 7 of them with a norm's curve, have 31 kB; with
the change since an earlier scan, 53 kB. Of golden regions, which have a curve each, 60 have 42.
"""
GOLDEN = [json.loads((EXAMPLES / f"memoryguard.{step}.v1.json").read_text()) for step in STEPS]


def life(number: int, regions: int = REGIONS) -> list[Event]:
    """Say everything about one person's scan, in the order of time."""
    return [_event(golden, number, place, regions) for place, golden in enumerate(GOLDEN)]


def _event(golden: dict[str, Any], number: int, place: int, regions: int) -> Event:
    subject = derived_id("person", number).replace("-", "")
    data: dict[str, Any] = golden["data"] | {"subject_id": subject}
    for name in ("scan_id", "user_id"):
        if name in data:
            data[name] = derived_id(name, number)
    for name in ("regions", "volumes_mm3"):
        if name in data:
            data[name] = _repeated(data[name], regions)
    if "dicom" in data:
        uid = f"2.25.{number + 1}"
        data["dicom"] = data["dicom"] | {"instance_uid": uid, "series_uid": uid, "study_uid": uid}
    event = decode(
        json.dumps(
            golden
            | {"id": derived_id("life", number, place), "partitionkey": subject, "data": data}
        ).encode(),
        FACTS,
    )
    return event.model_copy(update={"time": event.time + timedelta(seconds=10 * number + place)})


def _repeated(measured: dict[str, Any], regions: int) -> dict[str, Any]:
    values = list(measured.values())
    return {f"region_{n:02}": values[n % len(values)] for n in range(regions)}
