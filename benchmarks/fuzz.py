# SPDX-License-Identifier: Apache-2.0
"""Damages valid files of every kind that is taken, and gives them to the parsers.

``python benchmarks/fuzz.py [FILES] [SEED] [SKIPPED]`` prints a table of what became of them. Every
file is described and, where it is accepted, written anew; one in ``DECODED_EVERY`` accepted ones is
decoded, before and after, within a series. A fixed sample is a test.

It fails when a parser crashes or hangs, needs more than its memory, refuses with a code that is
not documented, or when pixels change.
"""

from __future__ import annotations

import io
import random
import re
import resource
import struct
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydicom

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/unit/ingest")]

from fuzz_seeds import Seed, seeds  # noqa: E402

from memoryguard.common.errors import Rejected  # noqa: E402
from memoryguard.common.runtime.sandbox import Parser  # noqa: E402
from memoryguard.ingest.archive import pack  # noqa: E402
from memoryguard.ingest.domain.elements import read_file  # noqa: E402
from memoryguard.ingest.domain.tags import PIXEL_DATA  # noqa: E402
from memoryguard.processor.reading import Reader  # noqa: E402

SLOWEST_S = 10.0
LARGEST_BYTES = 512 << 20
DECODED_EVERY = 4
HOW = {
    **{"numbers": [1], "subject_id": "a" * 32, "uid_key": "00" * 32, "shift_days": 100},
    **{"series": "T1", "age_years": 70.0},
}


@dataclass
class Tally:
    """What became of the files."""

    outcomes: Counter[str] = field(default_factory=Counter)
    decoded: Counter[str] = field(default_factory=Counter)
    peer: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    largest_bytes: int = 0
    peer_slowest_s: float = 0.0


# --- damage ----------------------------------------------------------------------------------


def damaged(seed: Seed, other: Seed, rng: random.Random) -> bytes:
    """Damage a file one to four times."""
    data = bytearray(seed.data)
    places = list(seed.headers)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        kind = rng.choice(DAMAGES)
        kind(data, places, other, rng)
    return bytes(data)


def _bytes(data: bytearray, places: list[int], other: Seed, rng: random.Random) -> None:
    """Overwrite bytes, mostly of the header."""
    end = len(data) if rng.random() < 0.3 else max(places)
    for _ in range(rng.randrange(1, 9)):
        if data:
            data[rng.randrange(min(end, len(data))) % len(data)] = rng.randrange(256)


def _bits(data: bytearray, places: list[int], other: Seed, rng: random.Random) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _length(data: bytearray, places: list[int], other: Seed, rng: random.Random) -> None:
    """Another length: none, one too few or many, negative, endless."""
    at = rng.choice(places) + rng.choice((4, 6, 8))
    old = int.from_bytes(data[at : at + 4], "little")
    near = (old + rng.choice((-2, -1, 1, 2, 8))) % (1 << 32)
    size = rng.choice((0, 1, near, near, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFF))
    data[at : at + 4] = struct.pack("<I", size)


def _representation(data: bytearray, places: list[int], other: Seed, rng: random.Random) -> None:
    at = rng.choice(places) + 4
    known = (b"SQ", b"UN", b"OB", b"OW", b"DS", b"UI", b"US", b"FD", b"PN", b"UT", b"AT", b"ZZ")
    data[at : at + 2] = rng.choice((*known, rng.randbytes(2)))


def _tag(data: bytearray, places: list[int], other: Seed, rng: random.Random) -> None:
    at = rng.choice(places)
    source = rng.choice(other.headers)
    known = (b"\xe0\x7f\x10\0", b"\xfe\xff\0\xe0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0")
    data[at : at + 4] = rng.choice((*known, rng.randbytes(4), other.data[source : source + 4]))


def _again(data: bytearray, places: list[int], other: Seed, rng: random.Random) -> None:
    """An element, or several, once more, somewhere."""
    start, end = _span(places, rng)
    at = rng.choice(places)
    data[at:at] = data[start:end]


def _without(data: bytearray, places: list[int], other: Seed, rng: random.Random) -> None:
    start, end = _span(places, rng)
    del data[start:end]


def _foreign(data: bytearray, places: list[int], other: Seed, rng: random.Random) -> None:
    """Elements of another file."""
    start, end = _span(other.headers, rng)
    at = rng.choice(places)
    data[at:at] = other.data[start:end]


def _delimiter(data: bytearray, places: list[int], other: Seed, rng: random.Random) -> None:
    number = rng.choice((0xE000, 0xE00D, 0xE0DD))
    size = rng.choice((0, 0, 0xFFFFFFFF, 8))
    at = rng.choice(places)
    data[at:at] = struct.pack("<HHI", 0xFFFE, number, size)


def _open_sequence(data: bytearray, places: list[int], other: Seed, rng: random.Random) -> None:
    at = rng.choice(places)
    header = b"\x19\0\x10\x10" + rng.choice((b"SQ\0\0", b"UN\0\0", b"")) + b"\xff" * 4
    data[at:at] = (header + b"\xfe\xff\0\xe0\xff\xff\xff\xff") * rng.choice((1, 3, 20, 3000))


def _value(data: bytearray, places: list[int], other: Seed, rng: random.Random) -> None:
    """Other text where a value stands."""
    at = rng.choice(places) + rng.choice((8, 12))
    texts = (b"NaN\\1", b"1e999", b"-0", b"", b"0\\0", b"\\\\\\\\", b"9" * 40, b"../..", b"\0" * 8)
    text = rng.choice((*texts, b"\xff" * 8, b"\x1b$B", b"1.2.3\n", rng.randbytes(6)))
    data[at : at + len(text)] = text


def _cut(data: bytearray, places: list[int], other: Seed, rng: random.Random) -> None:
    del data[rng.choice((rng.randrange(len(data) + 1), rng.choice(places), len(data) - 1)) :]


def _longer(data: bytearray, places: list[int], other: Seed, rng: random.Random) -> None:
    data += rng.choice((b"\0", b"\0" * 1000, rng.randbytes(50), other.data[132:400]))


def _code(data: bytearray, places: list[int], other: Seed, rng: random.Random) -> None:
    """Damage among the pixels, mostly where a codestream begins."""
    start = max(places)
    for _ in range(rng.randrange(1, 4)):
        near = start + int(rng.expovariate(1 / 60))
        if near < len(data):
            data[near] = rng.choice((0, 0xFF, rng.randrange(256)))


DAMAGES: tuple[Callable[[bytearray, list[int], Seed, random.Random], None], ...] = (
    *(_bytes, _bits, _length, _representation, _tag, _again, _without, _foreign, _delimiter),
    *(_open_sequence, _value, _value, _cut, _longer, _code),
)


def _span(places: list[int], rng: random.Random) -> tuple[int, int]:
    first = rng.randrange(len(places) - 1)
    return places[first], places[min(first + rng.choice((1, 1, 2, 5)), len(places) - 1)]


# --- what becomes of it ----------------------------------------------------------------------


class Fuzzer:
    """Gives damaged files to the parsers, and counts.

    Parameters
    ----------
    seed
        Of everything that is random: the same files for the same seed.
    peer
        Give the same files to pydicom as well.
    """

    def __init__(self, seed: int = 1, *, peer: bool = False) -> None:
        self.tally = Tally()
        self._seed = seed
        self._peer = peer
        self._seeds = seeds()
        self._parser = Parser("memoryguard.ingest.parsing")
        self._reader = Reader()
        self._companions: dict[str, list[bytes]] = {}
        errors = (ROOT / "docs/ERRORS.md").read_text("utf-8")
        self._codes = set(re.findall(r"^\| `([a-z0-9_]+)` \| Rejected", errors, re.MULTILINE))

    def __enter__(self) -> Fuzzer:
        return self

    def __exit__(self, *_: object) -> None:
        self._note_memory()
        self._parser.close()
        self._reader.close()

    def run(self, files: int, skipped: int = 0) -> Tally:
        """Damage and read that many files."""
        for number in range(skipped, skipped + files):
            rng = random.Random(f"{self._seed}/{number}")
            seed = self._seeds[number % len(self._seeds)]
            data = damaged(seed, rng.choice(self._seeds), rng)
            code = self._read(number, seed, data)
            if self._peer:
                self._read_by_peer(data, code)
            if number % 500 == 0:
                self._note_memory()
        return self.tally

    def _read(self, number: int, seed: Seed, data: bytes) -> str:
        start = time.monotonic()
        code, written = self._outcome(data)
        taken = time.monotonic() - start
        self.tally.outcomes[code] += 1
        self.tally.slowest_s = max(self.tally.slowest_s, taken)
        if code != "accepted" and (code not in self._codes or code in _BAD):
            self.tally.wrong.append(f"{number} of {seed.name}: {code}")
        if taken > SLOWEST_S:
            self.tally.wrong.append(f"{number} of {seed.name}: {taken:.1f} s")
        if written is None:
            return code
        if plain(data) != plain(written):
            self.tally.wrong.append(f"{number} of {seed.name}: other pixels")
        if self.tally.outcomes[code] % DECODED_EVERY == 0:
            self._decode(number, seed, data, written)
        return code

    def _outcome(self, data: bytes) -> tuple[str, bytes | None]:
        try:
            (described,), _ = self._parser.call("describe", [data])
            if refused := described.get("refused"):
                return refused[0], None
            _, (written,) = self._parser.call("disguise", [data], **HOW)
        except Rejected as error:
            return error.code, None
        return "accepted", written

    def _decode(self, number: int, seed: Seed, data: bytes, written: bytes) -> None:
        """Decode a file within its series, as it came and as it was written anew."""
        found: list[Any] = []
        for file, companions in ((data, seed.companions), (written, self._disguised(seed))):
            try:
                image = self._reader.read(pack([file, *companions]))
                found.append((image.voxels.tobytes(), image.ras_from_ijk.tobytes()))
            except Rejected as error:
                found.append(error.code)
        code = found[1] if isinstance(found[1], str) else "decoded"
        self.tally.decoded[code] += 1
        if code != "decoded" and (code not in self._codes or code in _BAD):
            self.tally.wrong.append(f"{number} of {seed.name}: decoding: {code}")
        if isinstance(found[0], tuple) and found[0][0] != found[1][0]:
            self.tally.wrong.append(f"{number} of {seed.name}: other voxels")

    def _disguised(self, seed: Seed) -> list[bytes]:
        if seed.name not in self._companions:
            how = {**HOW, "numbers": list(range(len(seed.companions)))}
            _, files = self._parser.call("disguise", seed.companions, **how)
            self._companions[seed.name] = files
        return self._companions[seed.name]

    def _note_memory(self) -> None:
        for parser in (self._parser, self._reader):
            self.tally.largest_bytes = max(self.tally.largest_bytes, parser.peak_bytes())

    def _read_by_peer(self, data: bytes, code: str) -> None:
        start = time.monotonic()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                dataset = pydicom.dcmread(io.BytesIO(data), force=False)
                for element in dataset.iterall():
                    _ = element.value
                whole = "PixelData" in dataset and code != "truncated_file"
                outcome = "read" if whole else "read as if it were whole: cut off, or no pixels"
            except pydicom.errors.InvalidDicomError:
                outcome = "InvalidDicomError"
            except Exception as error:  # noqa: BLE001  # what it raises is what is counted
                outcome = type(error).__name__
        self.tally.peer[outcome] += 1
        self.tally.peer_slowest_s = max(self.tally.peer_slowest_s, time.monotonic() - start)


_BAD = {"parser_failed", "parsing_too_slow"}


def plain(data: bytes) -> bytes | None:
    """Give the pixels of a file that are not compressed."""
    file = read_file(data)
    pixels = file.dataset[PIXEL_DATA]
    if pixels.fragments is not None:
        return None
    rows, columns, bits = (
        int.from_bytes(file.dataset[tag].value[:2], "little")
        for tag in (0x00280010, 0x00280011, 0x00280100)
    )
    return bytes(pixels.value)[: rows * columns * bits // 8]


def lines(tally: Tally, files: int, taken_s: float) -> Iterator[str]:
    """Write it as tables."""
    yield f"{files:,} files in {taken_s:.0f} s; slowest {tally.slowest_s:.2f} s"
    yield f"peak {tally.largest_bytes / 1e6:.0f} MB; wrong: {len(tally.wrong)}"
    for title, counter in (
        ("outcome", tally.outcomes),
        ("decoded", tally.decoded),
        ("pydicom", tally.peer),
    ):
        yield f"\n| {title} | files |\n|---|---|"
        for name, count in counter.most_common():
            yield f"| {name} | {count:,} |"
    peer = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield f"\npydicom: slowest {tally.peer_slowest_s:.2f} s, peak {peer / 1e3:.0f} MB"
    yield from tally.wrong[:50]


def main() -> None:
    """Fuzz, and say what came out."""
    files, seed, skipped = (*map(int, sys.argv[1:]), *(100_000, 1, 0)[len(sys.argv) - 1 :])
    start = time.monotonic()
    with Fuzzer(seed, peer=True) as fuzzer:
        tally = fuzzer.run(files, skipped)
    print("\n".join(lines(tally, files, time.monotonic() - start)))
    sys.exit(bool(tally.wrong))


if __name__ == "__main__":
    main()
