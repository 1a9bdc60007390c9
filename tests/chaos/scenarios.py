# SPDX-License-Identifier: Apache-2.0
"""What each service is given to do: small, deterministic, and with every kind of answer in it.

The services are run in the order of the flow; what one says is what the next one hears.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from runs import Run, Script
from series import small_series
from stub_processor import REFUSED_SLICES

from memoryguard.cli.home import Home
from memoryguard.client import ApiError, AsyncClient
from memoryguard.common.contracts.event import derived_id
from memoryguard.common.contracts.events import ScanAvailable
from memoryguard.common.runtime.bus import Record

ANNA, BERT, CARER = "anna", "bert", "carer"
RETRY_S = 0.02


async def nothing(_: Run) -> None:
    """Nobody talks to this service; all it does comes from the bus."""


async def ask(
    run: Run, user: str, role: str, question: Callable[[AsyncClient], Awaitable[Any]]
) -> None:
    """Ask until there is an answer: a lost answer makes us ask again."""
    token = run.home.issuer().issue(user, [role])
    while True:
        assert run.child
        try:
            url = await asyncio.shield(run.child.url)
            async with AsyncClient(url, token) as asking:
                await question(asking)
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current and current.cancelling():
                raise
            await asyncio.sleep(RETRY_S)
        except ApiError as error:
            if error.is_away:
                await asyncio.sleep(RETRY_S)
                continue
            run.answered.append(error.code)
            return
        else:
            run.answered.append("ok")
            return


def intake(folder: Path, home: Home) -> Script:
    """Two scans of one person, the later one first; health; what is no scan; an integration."""
    later = small_series(folder / "later", seed=1, patient="A", on=date(2023, 3, 1), slices=20)
    earlier = small_series(folder / "earlier", seed=2, patient="A", on=date(2021, 3, 1), slices=20)
    noise = folder / "noise.dcm"
    noise.write_bytes(b"this is no DICOM file")
    small_series(home.folder / "import" / "study", seed=3, patient="B", slices=REFUSED_SLICES)
    health = {
        "recorded_on": "2022-03-01", "provenance": "synthetic",
        "metrics": {"moca": 24, "education_years": 12},
    }  # fmt: skip
    announced = {
        "specversion": "1.0", "id": "1", "source": "/pacs", "type": ScanAvailable.type,
        "time": "2026-01-01T00:00:00Z", "datacontenttype": "application/json",
        "partitionkey": "x", "correlationid": "1",
        "data": {"subject_id": "x", "uri": "study", "user_id": BERT},
    }  # fmt: skip

    async def script(run: Run) -> None:
        await ask(run, "pacs", "integration", lambda c: c.send("POST", "/api/v1/events", announced))
        await ask(run, ANNA, "patient", lambda c: c.upload(later, pause_s=RETRY_S))
        path = f"/api/v1/users/{ANNA}/health-metrics"
        await ask(run, ANNA, "patient", lambda c: c.send("PUT", path, health))
        await ask(run, ANNA, "patient", lambda c: c.upload(earlier, pause_s=RETRY_S))
        await ask(run, ANNA, "patient", lambda c: c.upload(noise, pause_s=RETRY_S))
        assert run.answered == ["ok", "ok", "ok", "ok", "not_dicom"]

    return script


async def grants(run: Run) -> None:
    """Two people may see Anna's results, she takes it back from one, and looks at what is left."""
    path = "/api/v1/access/grants"
    for grantee in (CARER, BERT):
        offer, taken = {"grantee_id": grantee}, {"user_id": ANNA}
        invitations = "/api/v1/access/invitations"
        await ask(run, ANNA, "patient", lambda c, o=offer, p=invitations: c.send("POST", p, o))
        await ask(run, grantee, "caregiver", lambda c, t=taken: c.send("POST", path, t))
    await ask(run, ANNA, "patient", lambda c: c.send("DELETE", f"{path}/{BERT}", {}))
    await ask(run, ANNA, "patient", lambda c: c.get(path))
    await ask(run, CARER, "compliance", lambda c: c.get(path))
    assert run.answered == ["ok"] * 6 + ["not_allowed"]


def health_first(scored: Sequence[Record]) -> Script:
    """Scores come when the health metrics are known: between topics no order is promised."""

    async def script(run: Run) -> None:
        await run.quiet()
        await run.publish(scored)

    return script


def disturbed(record: Record, *, poison: bool) -> list[Record]:
    """Give a record twice, then with other bytes, one that no service can read, and poison.

    Poison is an event whose envelope is sound and whose data no handler can use.
    """
    event = json.loads(record.body)
    other = event | {"data": event["data"] | {"user_id": "somebody else"}}
    bad = event | {"id": derived_id("chaos", "poison"), "data": {}}
    bodies = [record.body, record.body, _encoded(other), b"no event at all"]
    return [replace(record, body=b) for b in (*bodies, *([_encoded(bad)] if poison else []))]


def _encoded(event: dict[str, Any]) -> bytes:
    return json.dumps(event, sort_keys=True).encode()


def types_said(records: Sequence[Record], source: str) -> frozenset[str]:
    """Types of the readable events of a source."""
    events = []
    for record in records:
        try:
            events.append(json.loads(record.body))
        except ValueError:
            continue
    return frozenset(
        e["type"].removeprefix("memoryguard.") for e in events if e["source"] == source
    )
