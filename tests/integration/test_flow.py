# SPDX-License-Identifier: Apache-2.0
"""The whole flow through the services on real PostgreSQL; only the measuring is a stand-in."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import stub_measure
from logged import logged_documents
from series import small_series

from memoryguard.atrophy.service import RECIPE as ATROPHY
from memoryguard.audit.service import RECIPE as AUDIT
from memoryguard.cli.audit import Known, verify_known
from memoryguard.cli.home import Home, make_home
from memoryguard.cli.up import Running, platform
from memoryguard.client import ApiError, AsyncClient
from memoryguard.common.contracts.events import ScanAvailable
from memoryguard.common.runtime.database import connect
from memoryguard.common.testing.databases import fresh_database
from memoryguard.ingest.service import RECIPE as INGEST
from memoryguard.ml.service import RECIPE as ML
from memoryguard.processor.service import recipe as processor
from memoryguard.tlog.note import VerifierKey
from memoryguard.tlog.proof import EntryProof

PROCESSOR = processor(stub_measure.constant, stub_measure.drawn, stub_measure.told)
RECIPES = [
    INGEST,
    PROCESSOR,
    ATROPHY,
    ML,
    AUDIT,
]

# One platform for the whole file: its worker processes take seconds to load shap.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Bench:
    """A running platform, and one new person on it."""

    home: Home
    running: Running
    user: str
    patient: AsyncClient
    officer: AsyncClient
    integration: AsyncClient

    async def events(self) -> list[dict[str, Any]]:
        """Events in the audit log that concern this person's account."""
        connection = await connect(self.running.database_url)
        try:
            events = await logged_documents(connection, self.home)
        finally:
            await connection.close()
        return [event for event in events if event["data"].get("user_id") == self.user]

    async def until(self, kind: str, count: int = 1, seconds: float = 60) -> list[dict[str, Any]]:
        """Wait for so many events of a kind in the audit log."""
        async with asyncio.timeout(seconds):
            while True:
                found = [e for e in await self.events() if kind in e["type"]]
                if len(found) >= count:
                    return found
                await asyncio.sleep(0.05)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str
) -> AsyncGenerator[tuple[Home, Running]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMORYGUARD_AUDIT_CHECKPOINT_S", "0.1")
        home = make_home(tmp_path_factory.mktemp("flow") / "home")
        async with (
            fresh_database(postgres_url) as url,
            platform(home, database_url=url, recipes=RECIPES) as running,
        ):
            yield home, running


@pytest_asyncio.fixture(loop_scope="module")
async def bench(place: tuple[Home, Running]) -> AsyncGenerator[Bench]:
    home, running = place
    user = f"person-{uuid.uuid4().hex[:8]}"
    async with AsyncExitStack() as stack:

        async def of(user: str, role: str) -> AsyncClient:
            token = home.issuer().issue(user, [role])
            return await stack.enter_async_context(AsyncClient(running.url, token))

        yield Bench(
            home,
            running,
            user,
            await of(user, "patient"),
            await of("officer", "compliance"),
            await of("pacs", "integration"),
        )


async def test_two_scans_are_measured_scored_explained_and_provable(
    bench: Bench, tmp_path: Path
) -> None:
    await bench.patient.send(
        "PUT",
        f"/api/v1/users/{bench.user}/health-metrics",
        {"recorded_on": "2022-03-01", "provenance": "synthetic", "metrics": {"moca": 24}},
    )
    first = await bench.patient.upload(small_series(tmp_path / "a", seed=1, patient=bench.user))
    await bench.until("risk.predicted")
    later = small_series(tmp_path / "b", seed=2, patient=bench.user, on=date(2023, 9, 1))
    second = await bench.patient.upload(later)
    predicted = await bench.until("risk.predicted", 2)
    assert [p["data"]["scan_id"] for p in predicted] == [first["imaging_id"], second["imaging_id"]]
    risk = predicted[-1]["data"]
    total = risk["base"] + sum(c["contribution"] for c in risk["contributions"])
    assert total == pytest.approx(risk["output"], abs=1e-6)
    assert {c["feature"]: c["value"] for c in risk["contributions"]}["moca"] == 24
    scored = (await bench.until("atrophy.scored", 2))[-1]["data"]
    assert scored["regions"]["hippocampus_total"]["z"] < 0
    assert scored["regions"]["total_brain"]["reason"] == "not_measured_by_engine"
    assert scored["change"]["hippocampus_total"]["interval_years"] == pytest.approx(1.5, abs=0.01)
    await _provable(bench, str(second["imaging_id"]))


async def _provable(bench: Bench, scan_id: str) -> None:
    key = VerifierKey.parse((await bench.officer.get_bytes("/api/v1/audit/key")).decode().strip())
    listed = (await bench.officer.get(f"/api/v1/audit/scans/{scan_id}"))["entries"]
    assert {"risk.predicted", "scan.received"} <= {
        e["type"].split("memoryguard.")[1][:-3] for e in listed
    }
    sequence = listed[-1]["sequence"]
    body = await bench.officer.get_bytes(f"/api/v1/audit/entries/{sequence}")

    async def proved() -> bool:
        try:
            text = await bench.officer.get_bytes(f"/api/v1/audit/entries/{sequence}/proof")
        except ApiError:
            return False
        proof = EntryProof.parse(text.decode())
        proof.verify(body, key)
        return True

    await _until(proved)
    report = await verify_known(bench.running.database_url, Known(key))
    assert report.intact and report.complete


async def _until(condition: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.05)


async def test_the_same_upload_twice_is_one_scan(bench: Bench, tmp_path: Path) -> None:
    folder = small_series(tmp_path / "a", patient=bench.user)
    answers = [await bench.patient.upload(folder) for _ in range(2)]
    assert answers[0]["imaging_id"] == answers[1]["imaging_id"]
    await bench.until("risk.")
    assert len(await bench.until("scan.received")) == 1


async def test_an_integration_announces_a_folder(bench: Bench) -> None:
    small_series(bench.home.folder / "import" / "study", patient=bench.user)
    event: dict[str, Any] = {
        "specversion": "1.0", "id": bench.user, "source": "/pacs", "type": ScanAvailable.type,
        "time": "2026-01-01T00:00:00Z", "datacontenttype": "application/json",
        "partitionkey": "x", "correlationid": "1",
        "data": {"subject_id": "x", "uri": "study", "user_id": bench.user},
    }  # fmt: skip
    first = await bench.integration.send("POST", "/api/v1/events", event)
    assert await bench.integration.send("POST", "/api/v1/events", event) == first
    await bench.until("risk.")
    await bench.integration.send(
        "POST",
        "/api/v1/events",
        {**event, "id": f"{bench.user}-2", "data": {**event["data"], "uri": "../x"}},
    )
    (rejected,) = await bench.until("scan.rejected")
    assert rejected["data"]["reason"]["code"] == "forbidden_address"
    assert len(await bench.until("scan.received")) == 1


@pytest.mark.parametrize(
    ("content", "code"), [(b"", "empty"), (b"not a dicom at all", "not_dicom")]
)
async def test_what_is_no_scan_is_refused_with_a_code(
    bench: Bench, tmp_path: Path, content: bytes, code: str
) -> None:
    place = tmp_path / "file.dcm"
    place.write_bytes(content)
    with pytest.raises(ApiError) as refused:
        await bench.patient.upload(place)
    assert refused.value.code.startswith(code)
    (rejected,) = await bench.until("scan.rejected")
    assert rejected["data"]["reason"]["code"] == refused.value.code


async def test_another_persons_patient_number_is_refused(bench: Bench, tmp_path: Path) -> None:
    await bench.patient.upload(small_series(tmp_path / "a", patient=bench.user))
    token = bench.home.issuer().issue("person-2", ["patient"])
    async with AsyncClient(bench.running.url, token) as other:
        with pytest.raises(ApiError, match="patient_mismatch"):
            await other.upload(small_series(tmp_path / "b", seed=3, patient=bench.user))
