# SPDX-License-Identifier: Apache-2.0
"""The whole store path, beside Fernet and a plain file: put, get, and how much the bytes grow.

Ours is what ingest calls: the subject's key is read and unwrapped, the bytes are hashed, encrypted,
written, synced to the disk and given their name, and the key is looked at once more. Fernet's is
what it replaces: encrypt, and write a file, not synced; beside it the same, synced. Same bytes, by
turns, on the same disk. What is read back was just written, so it comes from memory for all.

    python benchmarks/storage.py [--repeats 9] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet
from report import Result, machine, middle_and_range, percentile, say, table

from memoryguard.common.contracts.events import ObjectRef
from memoryguard.common.runtime.blobs import open_store
from memoryguard.common.runtime.objects import ObjectStore
from memoryguard.common.security.keyring import KeyRing

INSTANCE_BYTES = 512 * 512 * 2 + 1200
"""A slice of 512 × 512, and its header."""
SLICES = 176
WHAT = {"archive of 176 slices": SLICES * INSTANCE_BYTES, "one slice": INSTANCE_BYTES}
AT_ONCE = {"archive of 176 slices": 1, "one slice": 40}
OURS, FERNET, SYNCED = "ours", "Fernet", "Fernet, synced"
SUBJECT = "a" * 32


@dataclass
class Bench:
    """A folder, and the two ways into it."""

    folder: Path
    objects: ObjectStore
    fernet: Fernet

    async def put(self, name: str, data: bytes) -> ObjectRef:
        """Store as ingest does."""
        return await self.objects.put(f"scans/{SUBJECT}/{name}", SUBJECT, data)

    def write(self, name: str, data: bytes, *, synced: bool) -> None:
        """Store as Fernet wants it: all of it in memory, in base64."""
        with (self.folder / name).open("wb") as file:
            file.write(self.fernet.encrypt(data))
            if synced:
                file.flush()
                os.fsync(file.fileno())

    def read(self, name: str) -> bytes:
        """Read what `write` wrote."""
        return self.fernet.decrypt((self.folder / name).read_bytes())


async def _seconds(times: int, deed: Callable[[int], Awaitable[object]]) -> float:
    """Seconds that a deed takes each time; what others left unwritten is written before."""
    await asyncio.to_thread(os.sync)
    started = time.perf_counter()
    for n in range(times):
        await deed(n)
    return (time.perf_counter() - started) / times


async def measure(bench: Bench, what: str, turn: int) -> dict[str, float]:
    """Put and get the same bytes each way; seconds for each."""
    data, times = os.urandom(WHAT[what]), AT_ONCE[what]
    refs: list[ObjectRef] = []

    async def put(n: int) -> None:
        refs.append(await bench.put(f"{WHAT[what]}-{turn}-{n}", data))

    async def get(n: int) -> None:
        assert await bench.objects.get(refs[n], SUBJECT) == data  # or no figure

    async def write(n: int) -> None:
        bench.write(f"f{n}", data, synced=False)

    async def write_synced(n: int) -> None:
        bench.write(f"s{n}", data, synced=True)

    async def read(n: int) -> None:
        assert bench.read(f"f{n}") == data

    seconds = {
        f"put, {OURS}": await _seconds(times, put),
        f"put, {FERNET}": await _seconds(times, write),
        f"put, {SYNCED}": await _seconds(times, write_synced),
        f"get, {OURS}": await _seconds(times, get),
        f"get, {FERNET}": await _seconds(times, read),
    }
    await bench.objects.delete([ref.uri for ref in refs])
    return seconds


async def growth(bench: Bench, what: str) -> dict[str, float]:
    """Per cent that the bytes grow by."""
    data = os.urandom(WHAT[what])
    ref = await bench.put(f"growth-{WHAT[what]}", data)
    (blob,) = [blob async for blob in bench.objects.list("scans") if blob.path == ref.uri]
    sealed = len(bench.fernet.encrypt(data))
    return {
        OURS: 100 * (blob.stored_bytes / len(data) - 1),
        FERNET: 100 * (sealed / len(data) - 1),
    }


async def run(repeats: int) -> Result:
    """Measure everything by turns, so that a busy moment meets all of it."""
    key = Fernet.generate_key()
    result: Result = {"machine": machine(), "seconds": {}, "growth_percent": {}}
    with tempfile.TemporaryDirectory(prefix="b") as place:
        folder = Path(place)
        objects = ObjectStore(open_store(str(folder / "objects")), KeyRing([key.decode()]))
        bench = Bench(folder, objects, Fernet(key))
        for what in WHAT:
            turns = []
            for n in range(repeats + 1):
                say(f"storage: {what}, {n} of {repeats}")
                turns.append(await measure(bench, what, n))
            del turns[0]  # the first one finds everything cold
            result["seconds"][what] = {name: [t[name] for t in turns] for name in turns[0]}
            result["growth_percent"][what] = await growth(bench, what)
    return result


def show(result: Result) -> None:
    """Print the tables."""
    print("## Storage: the whole path, beside Fernet")
    print(f"\n{json.dumps(result['machine'])}")
    rows: list[tuple[str, ...]] = []
    for what, seconds in result["seconds"].items():
        size = WHAT[what] / 1e6
        for name, values in seconds.items():
            deed = name.split(",")[0]
            times = percentile(values, 50) / percentile(seconds[f"{deed}, {OURS}"], 50)
            rows.append(
                (
                    f"{what}: {name}",
                    middle_and_range([1e3 * each for each in values]),
                    f"{size / percentile(values, 50):.0f}",
                    "" if OURS in name else f"{times:.1f}",
                )
            )
    repeats = len(next(iter(seconds.values())))
    table(("what", f"ms, median (range) of {repeats}", "MB/s", "times ours"), rows)
    for what, grown in result["growth_percent"].items():
        print(f"{what}, {WHAT[what]} bytes, grows by {grown[OURS]:.4f} %; Fernet's by"
              f" {grown[FERNET]:.1f} %.")  # fmt: skip
    print()


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    result = asyncio.run(run(args.repeats))
    show(result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
