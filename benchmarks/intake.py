# SPDX-License-Identifier: Apache-2.0
"""How fast images are taken in, by each way, beside a real Orthanc on the same machine.

The same synthetic series go to both: 176 slices of 256 x 256, 16 bit, distinct pixels, 23 MB. Every
run sends new people. Ours acknowledges when ciphertext and row are durable; Orthanc runs as Debian
ships it, which syncs its files too (``SyncStorageArea``). The same clients send to both, in turns,
on kept connections: HTTP from threads of this process with bodies made before the clock starts,
C-STORE by dcmtk's ``storescu``.

"to the scan" is the same upload answered when the de-identified scan is stored and announced; the
line of settling is that part alone, of series that are here already.

    python benchmarks/intake.py [--rounds 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeAlias

import asyncpg
from intakes import Http, Ingest, Orthanc, SeriesMaker, ingest, multipart, orthanc
from report import Result, cpu_seconds, machine, percentile, say, table

CLIENTS = (1, 4)
QUIET_S = 3.0
BATCH = 16
UPLOAD = "/api/v1/imaging/upload"
DRAIN_S = 120.0
SHOWN = (("instances_per_s", 0), ("mb_per_s", 1), ("series_per_s", 2), ("cpu_ms", 1))

Series: TypeAlias = list[bytes]
Request: TypeAlias = tuple[str, bytes, dict[str, str]]
Way: TypeAlias = tuple[str, Callable[[Sequence[Series]], list[Callable[[], object]]]]
"""A name, and what makes of series the work of a client each."""


def http_way(name: str, port: int, requests: Callable[[Series], list[Request]]) -> Way:
    """Send each series over a connection of its own."""

    def send(made: list[Request]) -> None:
        connection = Http(port)
        for request in made:
            connection.post(*request)
        connection.close()

    def works(series: Sequence[Series]) -> list[Callable[[], object]]:
        made = [requests(files) for files in series]
        return [partial(send, each) for each in made]

    return name, works


def store_way(name: str, port: int, called: str, folder: Path) -> Way:
    """Send each series in an association of its own."""

    def send(place: Path) -> None:
        command = ["storescu", "-q", "-aet", "BENCH", "-aec", called, "+sd", "127.0.0.1",
                   str(port), str(place)]  # fmt: skip
        subprocess.run(command, check=True)

    def works(series: Sequence[Series]) -> list[Callable[[], object]]:
        place = Path(tempfile.mkdtemp(dir=folder))
        for number, files in enumerate(series):
            (place / str(number)).mkdir()
            for n, content in enumerate(files):
                (place / str(number) / f"{n:04d}").write_bytes(content)
        return [partial(send, place / str(number)) for number in range(len(series))]

    return name, works


def our_ways(ours: Ingest, folder: Path) -> list[Way]:
    """Give every way into our ingest; all but C-STORE name the account."""
    person, pacs = ours.token("patient"), ours.token("integration")

    def upload(files: Series, **fields: str) -> list[Request]:
        body, kind = multipart(files, "form-data", **fields)
        return [(UPLOAD, body, person | {"Content-Type": kind})]

    def stow(files: Series) -> Request:
        body, kind = multipart(files, "related")
        return ("/dicom-web/studies?user_id=bench", body, pacs | {"Content-Type": kind})

    return [
        http_way("REST", ours.port, lambda files: upload(files, complete="false")),
        http_way("REST, to the scan", ours.port, upload),
        http_way("STOW-RS, one request", ours.port, lambda files: [stow(files)]),
        http_way("STOW-RS, 16 a request", ours.port, lambda f: [stow(b) for b in batches(f)]),
        store_way("C-STORE", ours.dimse_port, "MEMORYGUARD", folder),
    ]


def their_ways(theirs: Orthanc, folder: Path) -> list[Way]:
    """Give every way into Orthanc."""

    def stow(files: Series) -> Request:
        body, kind = multipart(files, "related")
        return ("/dicom-web/studies", body, {"Content-Type": kind})

    def post(body: bytes) -> Request:
        return ("/instances", body, {})

    return [
        http_way("POST /instances, each", theirs.port, lambda files: [post(x) for x in files]),
        http_way("POST /instances, one zip", theirs.port, lambda files: [post(zipped(files))]),
        http_way("STOW-RS, one request", theirs.port, lambda files: [stow(files)]),
        http_way("STOW-RS, 16 a request", theirs.port, lambda f: [stow(b) for b in batches(f)]),
        store_way("C-STORE", theirs.dimse_port, "ORTHANC", folder),
    ]


def batches(files: Series) -> list[Series]:
    """Cut a series into batches."""
    return [files[at : at + BATCH] for at in range(0, len(files), BATCH)]


def zipped(files: Series) -> bytes:
    """Put a series into a zip, uncompressed."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for n, content in enumerate(files):
            archive.writestr(f"{n:04d}.dcm", content)
    return target.getvalue()


def timed(works: Sequence[Callable[[], object]]) -> float:
    """Do works side by side; seconds until the last one is done."""
    with ThreadPoolExecutor(len(works)) as pool:
        began = time.perf_counter()
        for done in [pool.submit(work) for work in works]:
            done.result()
        return time.perf_counter() - began


def measured(way: Way, series: Sequence[Series], server: str) -> Result:
    """Send series, one a client."""
    works = way[1](series)
    named = ("python", "postgres") if server == "ours" else ("Orthanc",)
    cpu = cpu_seconds(lambda name: name.startswith(named))
    seconds = timed(works)
    cpu = cpu_seconds(lambda name: name.startswith(named)) - cpu
    count, size = sum(map(len, series)), sum(len(x) for files in series for x in files)
    return {"server": server, "way": way[0], "clients": len(series),
            "instances_per_s": count / seconds, "mb_per_s": size / seconds / 1e6,
            "series_per_s": len(series) / seconds, "cpu_ms": cpu / count * 1e3}  # fmt: skip


def settled(ours: Ingest, series: Sequence[Series]) -> Result:
    """Say of series that are here that they are complete; until the scans are announced."""
    works = http_way("", ours.port, lambda files: [_last(ours, files)])[1](series)
    seconds = timed(works)
    return {"clients": len(series), "series_per_s": len(series) / seconds}


def _last(ours: Ingest, files: Series) -> Request:
    body, kind = multipart(files[-1:], "form-data")
    return (UPLOAD, body, ours.token("patient") | {"Content-Type": kind})


async def drained(look: asyncpg.Connection) -> None:
    """Wait until nothing arrives or is settled, or it would run beside the next measurement."""
    async with asyncio.timeout(DRAIN_S):
        while await look.fetchval("select exists (select from series where state = 'arriving')"):  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def run(rounds: int) -> Result:
    """Measure everything by turns."""
    result: Result = {"machine": machine(), "rounds": rounds, "runs": [], "settling": []}
    make = SeriesMaker()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        quiet = {"MEMORYGUARD_INGEST_QUIET_S": str(QUIET_S)}
        async with ingest(folder, **quiet) as ours:
            with orthanc(folder / "orthanc") as theirs:
                look = await asyncpg.connect(ours.database_url)
                await look.execute("set search_path to ingest")
                mine, others = our_ways(ours, folder), their_ways(theirs, folder)
                for n in range(-1, rounds):  # the first one warms up
                    say(f"intake: round {n + 1} of {rounds}")
                    for clients in CLIENTS if n >= 0 else CLIENTS[-1:]:
                        for pair in zip(mine, others, strict=True):
                            await _pair(result, n, pair, [make() for _ in range(clients)], ours)
                            await drained(look)
                await look.close()
    return result


async def _pair(
    result: Result, n: int, pair: tuple[Way, Way], series: Sequence[Series], ours: Ingest
) -> None:
    """Send the same series to both, each first every other time."""
    both = [(pair[0], "ours"), (pair[1], "orthanc")]
    runs = [
        await asyncio.to_thread(measured, way, series, server)
        for way, server in (both if n % 2 else reversed(both))
    ]
    settling = await asyncio.to_thread(settled, ours, series) if pair[0][0] == "REST" else None
    if n >= 0:
        result["runs"] += runs
        result["settling"] += [settling] if settling else []


def show(result: Result) -> None:
    """Print the tables."""
    print("## Intake")
    print(f"\n{json.dumps(result['machine'])}")
    rows: list[tuple[str, ...]] = []
    for server, way in dict.fromkeys((r["server"], r["way"]) for r in result["runs"]):
        for clients in CLIENTS:
            runs = [r for r in result["runs"]
                    if (r["server"], r["way"], r["clients"]) == (server, way, clients)]  # fmt: skip
            shown = [_of(runs, name, digits) for name, digits in SHOWN]
            rows.append((server, way, str(clients), *shown))
    header = ("server", "way", "clients", "instances/s", "MB/s", "series/s", "CPU ms an instance")
    table(header, sorted(rows, key=lambda row: row[0], reverse=True))
    settling = [[r for r in result["settling"] if r["clients"] == clients] for clients in CLIENTS]
    table(("settling (judge, de-identify, pack, encrypt, announce), clients", "series/s"),
          [(runs[0]["clients"], _of(runs, "series_per_s", 2)) for runs in settling])  # fmt: skip


def _of(runs: Sequence[Result], name: str, digits: int) -> str:
    values = [run[name] for run in runs]
    low, middle, high = min(values), percentile(values, 50), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    result = asyncio.run(run(args.rounds))
    show(result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
