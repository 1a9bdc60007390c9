# SPDX-License-Identifier: Apache-2.0
"""The demo: a synthetic person's two scans through the whole platform, then two attacks on it.

Everything goes through the public REST API with bearer tokens, exactly as a client's calls do;
only the last act reaches into the database, since that is what it is about.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.padding import Padding

from memoryguard.cli.audit import Known, key_of, sent_checkpoints, verify_as_seen, verify_home
from memoryguard.cli.home import Home, make_home
from memoryguard.cli.operate import show_report
from memoryguard.cli.sample import make_noise, make_sample
from memoryguard.cli.show import show
from memoryguard.cli.use import describe, upload_with_progress
from memoryguard.client import ApiError, AsyncClient
from memoryguard.client.wire import Document
from memoryguard.common.errors import MemoryGuardError, Unavailable
from memoryguard.common.runtime.database import Connection, connect
from memoryguard.tlog.proof import EntryProof

PERSON = "synthetic-person"
START_S = 60.0
PROOF_S = 30.0
POLL_S = 0.1


async def run_demo(folder: Path, *, keep: bool, port: int, out: Console) -> None:
    """Run every act.

    Parameters
    ----------
    folder
        Home of the demo's platform. Scans that an earlier run left there are taken up again.
    keep
        Leave the platform running.
    port
        Where to listen; 0 takes a free port.
    out
        Where to print.
    """
    began = time.perf_counter()
    home = make_home(folder)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(_started(home, port, keep, out))
        out.print(f"  serves at [bold]{url}[/] after {time.perf_counter() - began:.1f} s")
        issuer = home.issuer()

        async def acts_as(user: str, role: str) -> AsyncClient:
            return await stack.enter_async_context(AsyncClient(url, issuer.issue(user, [role])))

        person = await acts_as(PERSON, "patient")
        officer = await acts_as("compliance-officer", "compliance")
        sample = await _make_sample(folder, out)
        scan_id = await _first_act(person, sample, folder, url, out, began)
        await _prove(officer, home, scan_id, out)
        await _refuse_noise(person, folder, out)
        await _tamper(home, out)
        if keep:
            out.print(f"\nStill running at [bold]{url}[/]; stop it with: make stop")


@asynccontextmanager
async def _started(home: Home, port: int, keep: bool, out: Console) -> AsyncGenerator[str]:
    """Run the platform as a process of its own; one that runs already is used."""
    out.rule("[bold]Starting the platform")
    running = home.running()
    if running:
        out.print("  it runs already")
        yield running["url"]
        return
    process = _spawn(home, port)
    try:
        yield await _ready(home, process)
    finally:
        if not keep:
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.wait)


def _spawn(home: Home, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "memoryguard.cli", "up", "--home", str(home.folder)]
    with (home.folder / "up.log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603  # ourselves
            [*command, "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C ends the demo, and the demo ends the platform
        )


async def _ready(home: Home, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        running = home.running()
        if running and int(running["pid"]) == process.pid:
            return running["url"]
        await asyncio.sleep(POLL_S)
    raise Unavailable("not_started", "the platform does not start", f"see {home.folder / 'up.log'}")


async def _make_sample(folder: Path, out: Console) -> Document:
    out.rule("[bold]Making a synthetic person")
    person = await asyncio.to_thread(make_sample, folder / "sample")
    document: Document = person.document
    out.print(f"  {document['what']}")
    out.print(
        f"  From {document['sources']['head']};\n  the second scan"
        f" {document['interval_years']:.1f} years later is a known deformation of the first."
    )
    return document


async def _first_act(
    person: AsyncClient, sample: Document, folder: Path, url: str, out: Console, began: float
) -> str:
    """Upload both scans, follow them, and show the later one's result."""
    health = sample["health"]
    await person.record_health(PERSON, **health)
    scan_id = ""
    for number, scan in enumerate(sample["scans"]):
        out.rule(f"[bold]Scan of {scan['study_date']}")
        scan_id = await _take_in(person, folder / "sample" / scan["folder"], out)
        if number == 0:
            out.print(f"  first result {time.perf_counter() - began:.0f} s after the start")
        status = await person.status(scan_id)
        _expect(status["status"] == "completed", "a good scan was not measured")
    document = await person.analysis(scan_id)
    out.rule("[bold]Result of the second scan")
    out.print(show(document | {"truth": sample["truth"] | {"years": sample["interval_years"]}}))
    link = await person.session_link(f"/imaging/{scan_id}")
    out.print(
        Padding(f"See it in a browser (works once, for ten minutes):\n{url}{link['url_path']}", 1)
    )
    return scan_id


async def _take_in(person: AsyncClient, folder: Path, out: Console) -> str:
    """Upload one scan and print each change of its status."""
    answer = await upload_with_progress(person, [folder], None, out)
    (scan,) = answer["scans"]
    scan_id = scan["imaging_id"]
    out.print(f"  taken in as {scan_id} ({scan['instances']} instances, encrypted)")
    with out.status("measuring", spinner="dots") as spinner:
        async for status in person.watch(scan_id):
            out.print(describe(status))
            spinner.update(f"{status['status']}: {status.get('stage') or ''}")
    return scan_id


async def _prove(officer: AsyncClient, home: Home, scan_id: str, out: Console) -> None:
    """Fetch the proof of the scan's last event and verify it here, offline."""
    out.rule("[bold]Is it in the audit log?")
    entries, last = await _answered(officer, scan_id)
    body = await officer.entry(last["sequence"])
    proof = EntryProof.parse(await _proof_text(officer, last["sequence"]))
    checkpoint = proof.verify(body, key_of(home))
    out.print(
        f"  {len(entries)} events about this scan; entry {last['sequence']} ({last['type']})\n"
        f"  is proved by {len(proof.hashes)} hashes under the signed checkpoint of"
        f" {checkpoint.size} entries. [green]verified[/]"
    )
    out.print("  ", show_report(await verify_home(home)))


async def _answered(officer: AsyncClient, scan_id: str) -> tuple[list[Document], Document]:
    """Ask until the log has the scan's last event: it hears of it when everybody else does."""
    deadline = time.monotonic() + PROOF_S
    while True:
        entries = (await officer.entries_of_scan(scan_id))["entries"]
        for entry in entries:
            if ".risk." in entry["type"]:
                return entries, entry
        _expect(time.monotonic() < deadline, "the scan's answer is not in the audit log")
        await asyncio.sleep(POLL_S)


async def _proof_text(officer: AsyncClient, sequence: int) -> str:
    """Ask until a checkpoint covers the entry: the log is signed every few seconds."""
    deadline = time.monotonic() + PROOF_S
    while True:
        try:
            return await officer.entry_proof(sequence)
        except ApiError as error:
            if error.code != "not_signed_yet" or time.monotonic() > deadline:
                raise
            await asyncio.sleep(POLL_S)


async def _refuse_noise(person: AsyncClient, folder: Path, out: Console) -> None:
    """Show that noise is refused with its reason: it never becomes a number."""
    out.rule("[bold]Second act: a file of noise")
    noise = await asyncio.to_thread(make_noise, folder / "noise")
    scan_id = await _take_in(person, noise, out)
    document = await person.analysis(scan_id)
    for reason in (document["quality"] or {})["reasons"]:
        out.print(f"  [yellow]{reason['code']}[/]: {reason['message']}")
    values = [v for v in document["volumes_mm3"].values() if v is not None]
    _expect(document["status"] == "failed" and not values, "noise was measured")
    out.print(f"  numbers invented: {len(values)}")


async def _tamper(home: Home, out: Console) -> None:
    """Change one byte as the database's owner and find it.

    The change is rolled back, not undone: whenever the demo is killed, the log is whole.
    """
    out.rule("[bold]Third act: one byte of the log is changed behind its back")
    running: dict[str, Any] = home.running() or {}
    sent = await sent_checkpoints(home)
    database = await connect(running["database_url"])
    try:
        change = database.transaction(isolation="repeatable_read")
        await change.start()
        victim: int = await database.fetchval("select max(sequence) / 2 from log.entry") or 0
        await _flip_byte(database, victim)
        report = await verify_as_seen(database, Known(key_of(home), sent))
        await change.rollback()
    finally:
        await database.close()
    out.print(f"  as the database's owner, triggers off: one byte of entry {victim} flipped, then")
    out.print("  ", show_report(report))
    _expect(bool(report.first and report.first.first == victim), "the byte was not found")
    out.print("  the change rolled back:")
    report = await verify_home(home)
    out.print("  ", show_report(report))
    _expect(report.intact, "the log is not what it was")


def _expect(held: bool, otherwise: str) -> None:
    """End the demo with an error when it does not show what it says."""
    if not held:
        raise MemoryGuardError("demo_failed", otherwise, "see up.log in the demo's home")


async def _flip_byte(database: Connection, sequence: int) -> None:
    """Flip one bit of an entry: what an intruder with every right can do."""
    await database.execute("alter table log.entry disable trigger append_only")
    await database.execute(
        "update log.entry set payload = set_byte(payload, 40, get_byte(payload, 40) # 1)"
        " where sequence = $1",
        sequence,
    )
