# SPDX-License-Identifier: Apache-2.0
"""Who somebody is leaves the intake nowhere: secrets are planted in all that comes in, by every
way, good or bad, and looked for in every byte that the platform writes or answers.

The platform is a process of its own with a database of its own, so that everything it and its
children leave behind can be searched: store, database cluster with its log, bus, audit log, logs,
traces, metrics, answers, exports. Names of accounts are no secrets here: the platform calls people
by them, and records whom somebody asked for.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from ingest_samples import (
    CANARY,
    ROOT,
)
from needles import leaks, needles
from witness import (
    ACCESSION,
    BORN,
    HOSPITAL,
    NUMBER,
    SCANNED,
    SECRETS,
    TESTS,
    Witness,
    arrivals,
    bad_requests,
    every_row,
    exports,
    opened,
    receives,
    secret_series,
    staged_images,
    stores,
    until_running,
    uploads,
    worklist,
)

from memoryguard.cli.home import Home
from memoryguard.common.testing.broker import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Evidence:
    """All that is left of a run."""

    places: dict[str, list[bytes]]
    senders: list[bytes]
    clinicians: list[bytes]
    identities: list[bytes]
    staged: list[bytes]


async def retrieved(request: web.Request) -> web.Response:
    """Answer like a PACS that has one study."""
    if request.match_info["study"].startswith(f"{ROOT}.404"):
        return web.Response(status=404, text=CANARY)
    with aiohttp.MultipartWriter("related", boundary=f"b{CANARY}") as body:
        for content in secret_series("9"):
            body.append(content, {"Content-Type": "application/dicom"})
        return web.Response(body=body, headers={"X-Study": ROOT})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pacs() -> AsyncGenerator[str]:
    """Address of a PACS whose studies are named by UIDs that nobody may see."""
    app = web.Application()
    app.router.add_get("/dicom-web/studies/{study:.*}", retrieved)
    async with TestServer(app) as server:
        yield str(server.make_url("/dicom-web"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def evidence(tmp_path_factory: pytest.TempPathFactory, pacs: str) -> AsyncGenerator[Evidence]:
    folder = tmp_path_factory.mktemp("canary")
    home, log, port = Home(folder / "home"), folder / "log", free_port()
    environment = os.environ | {
        "PYTHONPATH": str(TESTS), "MEMORYGUARD_LOG_LEVEL": "DEBUG",
        "MEMORYGUARD_TRACE_TO_CONSOLE": "true", "MEMORYGUARD_INGEST_QUIET_S": "0.3",
        "MEMORYGUARD_AUDIT_CHECKPOINT_S": "0.2", "MEMORYGUARD_DIMSE_PORT": str(port),
        "MEMORYGUARD_DIMSE_PEERS": "SCANNER", "MEMORYGUARD_CPU_WORKERS": "1",
        "MEMORYGUARD_INGEST_ORIGINS": pacs,
    }  # fmt: skip
    command = [sys.executable, str(TESTS / "telling_platform.py"), str(home.folder)]
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
    try:
        running = await until_running(home, process, port)
        async with aiohttp.ClientSession() as session:
            url, database_url = running["url"], running["database_url"]
            witness = Witness(home, log, session, url, database_url, port, pacs)
            yield await gathered(witness, process, folder)
    finally:
        process.kill()
        process.wait()


async def gathered(witness: Witness, process: subprocess.Popen[bytes], folder: Path) -> Evidence:
    await stores(witness)
    await receives(witness, folder)
    await uploads(witness)
    await arrivals(witness)
    await worklist(witness)
    await bad_requests(witness)
    await witness.until("risk.", 5)
    exported = await exports(witness)
    _, metrics = await witness.ask("GET", "/metrics")
    rows = await every_row(witness.database_url)
    staged = await staged_images(witness)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 60) == 0
    home = witness.home.folder

    def files(name: str) -> list[bytes]:
        found = [path for path in (home / name).rglob("*") if path.is_file()]
        return [str(path.relative_to(home)).encode() + path.read_bytes() for path in found]

    return Evidence(
        places={
            "store": files("objects"),
            "store, opened": await opened(witness.home, "scans", "encryption.key", "keys")
            + await opened(witness.home, "derived", "encryption.key", "keys"),
            "database": [rows],
            "database cluster": files("postgres"),
            "logs and traces": [witness.log.read_bytes()],
            "metrics": [metrics],
            "answers": witness.told,
            "exports": exported,
        },
        senders=witness.senders,
        clinicians=witness.clinicians,
        identities=await opened(witness.home, "identity", "identity.key", "keys/identity"),
        staged=staged,
    )


PLACES = [
    "store", "store, opened", "database", "database cluster", "logs and traces", "metrics",
    "answers", "exports",
]  # fmt: skip


@pytest.mark.control("164.514(d)", "identity")
@pytest.mark.parametrize("place", PLACES)
async def test_no_secret_is_there(evidence: Evidence, place: str) -> None:
    found: dict[str, bytes] = {}
    for each in evidence.places[place]:
        found |= leaks(each, SECRETS)
    assert found == {}


@pytest.mark.parametrize(
    ("place", "telling"),
    [
        ("store", b"objects/identity/"),
        ("store, opened", b"\x08\x00\x60\x00CS\x02\x00MR"),
        ("database", b"memoryguard.scan.received.v1"),
        ("database cluster", b"memoryguard.risk.predicted.v1"),
        ("database cluster", b"database system is ready to accept connections"),
        ("logs and traces", b"this line is searched for"),
        ("logs and traces", b"serving DIMSE"),
        ("logs and traces", b"association refused"),
        ("logs and traces", b'"trace_id": "0x'),
        ("metrics", b"memoryguard_http_request_seconds_bucket"),
        ("exports", b"\x08\x00\x60\x00CS\x02\x00MR"),
        ("exports", b"T1 MPRAGE"),
        ("exports", b"next_cursor"),
        ("exports", b"memoryguard.patient.linked.v1"),
        ("database", b'"uri":"kept:'),
    ],
)
async def test_what_is_searched_is_what_was_written(
    evidence: Evidence, place: str, telling: bytes
) -> None:
    """Control: each place holds what only a complete one holds."""
    assert any(telling in each for each in evidence.places[place])


@pytest.mark.control("164.312(a)(2)(iv)", "objects")
async def test_no_scan_lies_open(evidence: Evidence) -> None:
    """What stands in every DICOM file of a scan is in the store only once that is opened."""
    modality = b"\x08\x00\x60\x00CS\x02\x00MR"
    assert any(modality in each for each in evidence.places["store, opened"])
    assert not any(modality in each for each in evidence.places["store"])


@pytest.mark.control(
    "164.514(d)", "identity", off="the identity vault and the staging area, opened with their keys"
)
async def test_the_same_search_finds_secrets_where_they_are(evidence: Evidence) -> None:
    """Control: in the identity vault and the staging area, once they are opened."""
    assert evidence.identities
    assert evidence.staged
    for secret in (CANARY, NUMBER, ACCESSION, BORN, SCANNED, ROOT):
        assert all(leaks(each, [secret]) for each in evidence.identities)
    for each in evidence.staged:
        assert set(leaks(each, [HOSPITAL])) == {f"{HOSPITAL} as utf-8", f"{HOSPITAL} as upper case"}


async def test_who_was_discarded_is_in_no_vault(evidence: Evidence) -> None:
    people = {number for number in "12345679" for each in evidence.identities
              if leaks(each, [f"{NUMBER}-{number}"])}  # fmt: skip
    assert people == {"1", "2", "3", "6", "9"}


async def test_senders_get_their_own_names_back_and_clinicians_see_who_waits(
    evidence: Evidence,
) -> None:
    """The two exceptions."""
    assert any(f"{CANARY}-0.dcm".encode() in each for each in evidence.senders)
    assert any(f"{NUMBER}-6".encode() in each for each in evidence.clinicians)
    assert any(f"{CANARY}^A".encode() in each for each in evidence.clinicians)


@pytest.mark.control("164.514(d)", "identity", off="a secret planted in what was logged")
@pytest.mark.parametrize("form", needles(CANARY))
async def test_a_planted_line_is_found(evidence: Evidence, form: str) -> None:
    """Control: one line with a secret, in any encoding, among all that was logged."""
    log = evidence.places["logs and traces"][0]
    for before in range(4):
        line = json.dumps({"message": "x" * before}).encode()
        assert f"{CANARY} as {form}" in leaks(log + line + needles(CANARY)[form], [CANARY])
