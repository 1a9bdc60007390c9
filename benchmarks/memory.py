# SPDX-License-Identifier: Apache-2.0
"""How much memory intake holds for 10 MB, 100 MB and 1 GB, beside a real Orthanc.

The same bodies go to both: a person's 20 slices of 512 x 512, then 190, then ten series of 190. The
client makes them as they are sent. Ours ends with the scans: memory is looked at until the last one
is announced. (By C-STORE until it waits in the worklist: nobody has said whose the numbers are.)

Of each process the kernel tells the most it ever held (``VmHWM``), which is set back before each
upload; "in all" is the most that ingest and everything it has started held at once, sampled, shared
pages counted in each. A server takes all sizes in turn, 10 MB twice: the first one warms it up.

    python benchmarks/memory.py [--json FILE] [--ways REST,zip,STOW-RS,C-STORE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import tempfile
import threading
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeAlias

import asyncpg
from intake import UPLOAD, drained
from intakes import (
    Http,
    Ingest,
    Orthanc,
    SeriesMaker,
    ingest,
    multipart_pieces,
    multipart_type,
    orthanc,
)
from report import Result, machine, say, table

from memoryguard.ingest.archive import Packer

SIDE = 512
SIZES = {"10 MB": (1, 20), "100 MB": (1, 190), "1 GB": (10, 190)}
"""Series, and slices of each."""
SENT = ("10 MB", *SIZES)
FLAT_MB = 50.0
QUIET_S = 1.0
LOOK_S = 0.02
KINDS = {"memoryguard.common.runtime.confined": "parsers", "memoryguard.ingest.ways.scp": "DIMSE"}

Files: TypeAlias = Callable[[], Iterator[bytes]]
"""Makes the files of an upload, one when it is asked."""
Pieces: TypeAlias = Callable[[], Iterator[bytes]]
Send: TypeAlias = Callable[[Files], object]


# --- ways to send ----------------------------------------------------------------------------


def post(port: int, path: str, body: Pieces, headers: dict[str, str]) -> None:
    """Send a body that is made twice: once to know its length."""
    connection = Http(port)
    length = sum(map(len, body()))
    connection.post(path, body(), headers | {"Content-Length": str(length)})
    connection.close()


def zip_pieces(files: Iterable[bytes]) -> Iterator[bytes]:
    """Write a zip, uncompressed, as it is asked for."""
    pieces: list[bytes] = []
    packer = Packer(pieces.append)
    for content in files:
        packer.add(content)
        yield from pieces
        pieces.clear()
    packer.finish()
    yield from pieces


def store(port: int, called: str, files: Files) -> None:
    """Send files in one association; they wait on the disk."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        for n, content in enumerate(files()):
            (Path(name) / f"{n:05d}").write_bytes(content)
        command = ["storescu", "-q", "-aet", "BENCH", "-aec", called, "+sd", "127.0.0.1",
                   str(port), name]  # fmt: skip
        subprocess.run(command, check=True)


def our_ways(ours: Ingest) -> dict[str, Send]:
    """Give every way into our ingest."""
    person, pacs = ours.token("patient"), ours.token("integration")

    def upload(pieces: Pieces) -> None:
        kind = {"Content-Type": multipart_type("form-data")}
        post(ours.port, UPLOAD, pieces, person | kind)

    def stow(files: Files) -> None:
        kind = {"Content-Type": multipart_type("related")}
        path = "/dicom-web/studies?user_id=bench"
        post(ours.port, path, lambda: multipart_pieces(files(), "related"), pacs | kind)

    return {
        "REST": lambda files: upload(lambda: multipart_pieces(files(), "form-data")),
        "zip": lambda files: upload(lambda: _zip_part(files)),
        "STOW-RS": stow,
        "C-STORE": lambda files: store(ours.dimse_port, "MEMORYGUARD", files),
    }


def _zip_part(files: Files) -> Iterator[bytes]:
    """Write a form with one file, a zip."""
    mark = b"one file, which is a zip"
    for piece in multipart_pieces([mark], "form-data"):
        if piece == mark:
            yield from zip_pieces(files())
        else:
            yield piece


def their_ways(theirs: Orthanc) -> dict[str, Send]:
    """Give every way into Orthanc; it takes one file a request, or a zip."""

    def each(files: Files) -> None:
        connection = Http(theirs.port)
        for content in files():
            connection.post("/instances", content, {})
        connection.close()

    def stow(files: Files) -> None:
        kind = {"Content-Type": multipart_type("related")}
        path = "/dicom-web/studies"
        post(theirs.port, path, lambda: multipart_pieces(files(), "related"), kind)

    return {
        "REST": each,
        "zip": lambda files: post(theirs.port, "/instances", lambda: zip_pieces(files()), {}),
        "STOW-RS": stow,
        "C-STORE": lambda files: store(theirs.dimse_port, "ORTHANC", files),
    }


# --- what is held ----------------------------------------------------------------------------


@dataclass
class Held:
    """The most that a process and all that descend from it held; MB by kind."""

    peak_mb: dict[str, float] = field(default_factory=dict[str, float])
    in_all_mb: float = 0.0


def family(root: int) -> dict[int, str]:
    """Give a process and all that descend from it, and the kind of each."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = {root: "main"}
    while more := [pid for pid, parent in parents.items() if parent in found and pid not in found]:
        found |= {pid: _kind(pid) for pid in more}
    return found


def _kind(pid: int) -> str:
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        return next((KINDS[word] for word in words if word in KINDS), "others")
    return "others"


def memory_mb(pid: int, name: str) -> float:
    """Give a figure of a process; 0 when it has ended."""
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/status").read_text().split(f"{name}:")[1].split()[0]) / 1e3
    return 0.0


@contextmanager
def watching(root: int) -> Generator[Held]:
    """Look at what is held until the end of the block."""
    held, over = Held(), threading.Event()
    for pid in family(root):
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # sets VmHWM back

    def look() -> None:
        while not over.wait(LOOK_S):
            held.in_all_mb = max(held.in_all_mb, sum(memory_mb(p, "VmRSS") for p in family(root)))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield held
    finally:
        over.set()
        thread.join()
        for pid, kind in family(root).items():
            held.peak_mb[kind] = held.peak_mb.get(kind, 0.0) + memory_mb(pid, "VmHWM")


# --- measuring -------------------------------------------------------------------------------


class Bench:
    """Sends every size to a server.

    Parameters
    ----------
    result
        Takes the figures.
    """

    def __init__(self, result: Result) -> None:
        self._result = result
        self._makers = {size: SeriesMaker(slices, SIDE) for size, (_, slices) in SIZES.items()}

    async def ours(self, way: str, folder: Path) -> None:
        """Start an ingest, send, and see that every series was taken for whole."""
        async with ingest(folder, MEMORYGUARD_INGEST_QUIET_S=str(QUIET_S)) as server:
            look = await asyncpg.connect(server.database_url)
            await look.execute("set search_path to ingest")
            await self._send("ours", way, our_ways(server)[way], server.pid, lambda: drained(look))
            whole = await look.fetchval(
                "select count(*) from series where state in ('announced', 'unassigned')"
            )
            await look.close()
        if whole != sum(SIZES[size][0] for size in SENT):
            raise SystemExit(f"not measured: {whole} series")

    async def theirs(self, way: str, folder: Path) -> None:
        """Start an Orthanc, and send."""
        with orthanc(folder) as server:
            await self._send("orthanc", way, their_ways(server)[way], server.pid, _nothing)

    async def _send(
        self, server: str, way: str, send: Send, root: int, until: Callable[[], Awaitable[None]]
    ) -> None:
        for nth, size in enumerate(SENT):
            say(f"memory: {server}, {way}, {size}")
            files = self._makers[size].study(SIZES[size][0])
            with watching(root) as held:
                await asyncio.to_thread(send, files)
                await until()
            figures = {"server": server, "way": way, "size": size, "warm_up": nth == 0}
            self._result["runs"].append({**figures, **asdict(held)})


async def _nothing() -> None:
    """Orthanc has done everything when it answers."""


async def run(ways: list[str]) -> Result:
    """Measure everything, on servers of their own for each way."""
    result: Result = {"machine": machine(), "runs": []}
    bench = Bench(result)
    for way in ways:
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            await bench.ours(way, Path(name))
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            await bench.theirs(way, Path(name) / "orthanc")
    return result


def show(result: Result) -> None:
    """Print the tables."""
    print("## Memory of intake")
    print(f"\n{json.dumps(result['machine'])}")
    rows: list[tuple[str, ...]] = []
    for server, way in dict.fromkeys((r["server"], r["way"]) for r in result["runs"]):
        runs = {r["size"]: r for r in result["runs"]
                if (r["server"], r["way"]) == (server, way) and not r["warm_up"]}  # fmt: skip
        kinds = dict.fromkeys(kind for r in runs.values() for kind in r["peak_mb"])
        for kind in kinds:
            rows.append((server, way, kind, *_grown([r["peak_mb"][kind] for r in runs.values()])))
        if len(kinds) > 1:
            in_all = [r["in_all_mb"] for r in runs.values()]
            rows.append((server, way, "in all", *_grown(in_all)))
    table(("server", "way", "peak MB of", *SIZES, "1 GB - 10 MB", "flat"), rows)


def _grown(values: list[float]) -> list[str]:
    grown = values[-1] - values[0]
    return [*(f"{v:.0f}" for v in values), f"{grown:+.0f}", "yes" if grown <= FLAT_MB else "NO"]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ways", default="REST,zip,STOW-RS,C-STORE")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    result = asyncio.run(run(args.ways.split(",")))
    show(result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
