# SPDX-License-Identifier: Apache-2.0
"""One real-sized scan, stage by stage: seconds and peak memory.

The scan is the earlier series of ``memoryguard sample``. Every step runs in a new process, so that
its peak is its own: intake (parse, check, de-identify, pack), encryption beside plain AES-256-GCM
over the same bytes, and the measuring with its networks. Memory is the kernel's high-water mark of
the process; inside the measuring it is sampled, and each sample is counted to the stage in which
it fell.

    python benchmarks/stages.py [--repeats 3] [--threads 2] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from report import Result, machine, middle_and_range, percentile, say, table

SAMPLE_S = 0.01
CRYPTED_BYTES = 200 << 20
CHUNK_BYTES = 1 << 20
SUBJECT = "0" * 32


def apart(work: Callable[..., Any], *arguments: object) -> Any:
    """Run a function in a new process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(work, *arguments).result()


# --- each runs in a process of its own ----------------------------------------------------------


def sample(folder: Path) -> tuple[Path, float]:
    """Make the synthetic person; the folder of the earlier series, and the seconds it took."""
    from memoryguard.cli.sample import make_sample

    started = time.perf_counter()
    return make_sample(folder).scans[0], time.perf_counter() - started


def take_in(folder: Path, target: Path) -> Result:
    """Take the series in and write the packed archive; seconds, bytes and peak."""
    from memoryguard.common.security.keyring import VaultKey
    from memoryguard.ingest.archive import pack
    from memoryguard.ingest.domain.header import Header
    from memoryguard.ingest.domain.series import judge
    from memoryguard.ingest.parsing import describe, disguise

    files = [path.read_bytes() for path in sorted(folder.iterdir())]
    vault = VaultKey(secrets.token_bytes(32))
    before = _peak_mb()
    started = time.perf_counter()
    described, _ = describe(files)
    headers = [Header.from_document(found["header"]) for found in described]
    stack = judge({"series": headers})["series"].stack
    assert stack is not None
    _, disguised = disguise(
        [files[place] for place in stack.order],
        numbers=list(range(1, len(files) + 1)),
        subject_id="0" * 32,
        uid_key=vault.uid_key("0" * 32).hex(),
        shift_days=100,
        series="T1",
        age_years=70.0,
    )
    archive = pack(disguised)
    seconds = time.perf_counter() - started
    target.write_bytes(archive)
    size = sum(len(content) for content in files)
    return {
        "files": len(files), "bytes": size, "seconds": seconds, "mb_per_s": size / seconds / 1e6,
        "peak_mb": _peak_mb(), "before_mb": before,
    }  # fmt: skip


def measure(archive: Path, threads: int) -> Result:
    """Measure the archive in a fresh process, warmed up as the service does; then every stage."""
    from memoryguard.processor.extract import extract_archive, warm_up

    content = archive.read_bytes()
    started = time.perf_counter()
    warm_up(threads)
    load = time.perf_counter() - started
    with memory_samples() as samples:
        began, cpu = time.perf_counter(), time.process_time()
        extract = extract_archive(content, threads)
        total, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {
        "verdict": extract.quality.verdict,
        "load_s": load,
        "total_s": total,
        "cpu_s": cpu,
        "volumes_s": _until(extract.seconds, "volumes"),
        "seconds": extract.seconds,
        "peak_mb": {
            **_peaks(samples, began, extract.seconds),
            "whole process": max(_peak_mb(), *(mb for _, mb in samples)),
        },
    }


def _until(seconds: dict[str, float], last: str) -> float:
    """Sum of the stages up to and with one; they are listed in the order of their start."""
    names = list(seconds)
    return sum(seconds[name] for name in names[: names.index(last) + 1])


def crypt(size: int) -> Result:
    """Encrypt and decrypt random bytes, ours and plainly: MB/s each, in turn."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from memoryguard.common.security.envelope import decrypt, encrypt

    piece = os.urandom(CHUNK_BYTES)
    pieces = [piece] * (size // CHUNK_BYTES)
    key = os.urandom(32)
    bound: dict[str, Any] = {
        "subject_key": key, "object_id": "scans/x/y", "subject_id": SUBJECT,
    }  # fmt: skip
    cipher, nonces = AESGCM(key), [n.to_bytes(12, "big") for n in range(len(pieces))]
    sealed = list(encrypt(pieces, **bound))
    plainly = [cipher.encrypt(nonce, p, None) for nonce, p in zip(nonces, pieces, strict=True)]

    def rate(work: Callable[[], object]) -> float:
        started = time.perf_counter()
        work()
        return size / (time.perf_counter() - started) / 1e6

    def every(stream: Iterator[bytes]) -> int:
        return sum(map(len, stream))

    return {
        "encrypt, envelope": rate(lambda: every(encrypt(pieces, **bound))),
        "encrypt, plain AES-256-GCM": rate(
            lambda: every(cipher.encrypt(n, p, None) for n, p in zip(nonces, pieces, strict=True))
        ),
        "decrypt, envelope": rate(lambda: every(decrypt(sealed, **bound))),
        "decrypt, plain AES-256-GCM": rate(
            lambda: every(cipher.decrypt(n, p, None) for n, p in zip(nonces, plainly, strict=True))
        ),
    }


@contextmanager
def memory_samples() -> Generator[list[tuple[float, float]]]:
    """Look at this process' resident memory again and again: (time, MB)."""
    found: list[tuple[float, float]] = []
    over = threading.Event()
    page_mb = os.sysconf("SC_PAGE_SIZE") / 1e6

    def look() -> None:
        while not over.wait(SAMPLE_S):
            resident = Path("/proc/self/statm").read_text().split()[1]
            found.append((time.perf_counter(), int(resident) * page_mb))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def _peaks(
    samples: list[tuple[float, float]], began: float, seconds: dict[str, float]
) -> dict[str, float | None]:
    """Highest sample of each stage; stages follow each other in the order they are listed."""
    peaks: dict[str, float | None] = {}
    for stage, spent in seconds.items():
        ended = began + spent
        inside = [mb for at, mb in samples if began <= at <= ended]
        peaks[stage] = max(inside) if inside else None  # shorter than the time between two looks
        began = ended
    return peaks


def _peak_mb() -> float:
    """High-water mark of this process (getrusage would inherit that of the parent)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmHWM"))


# --- the whole --------------------------------------------------------------------------------


def run(repeats: int, threads: int) -> Result:
    """Measure every step ``repeats`` times."""
    result: Result = {"machine": machine(), "threads": threads}
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        say("stages: making the sample")
        folder, result["make_sample_s"] = apart(sample, Path(place) / "sample")
        archive = Path(place) / "archive.zip"
        result["intake"], result["encryption"], result["measuring"] = [], [], []
        for n in range(repeats):
            say(f"stages: repeat {n + 1} of {repeats}")
            result["intake"].append(apart(take_in, folder, archive))
            result["encryption"].append(apart(crypt, CRYPTED_BYTES))
            result["measuring"].append(apart(measure, archive, threads))
    return result


def show(result: Result) -> None:
    """Print the tables."""
    print("## Stages of one scan")
    print(f"\n{json.dumps(result['machine'])}")
    taken, runs = result["intake"], result["measuring"]
    print(
        f"\nThe sample: {taken[0]['files']} files, {taken[0]['bytes'] / 1e6:.1f} MB,"
        f" made in {result['make_sample_s']:.1f} s; networks on {result['threads']} threads."
    )
    rows: list[tuple[str, str, str]] = [
        (
            "intake: parse, check, de-identify, pack",
            _of(taken, "seconds"),
            f"{percentile([each['peak_mb'] for each in taken], 50):.0f}",
        ),
        ("load networks and readers (once a process)", _of(runs, "load_s"), ""),
    ]
    for stage in runs[0]["seconds"]:
        seconds = middle_and_range([run["seconds"][stage] for run in runs])
        peaks = [run["peak_mb"][stage] for run in runs if run["peak_mb"][stage] is not None]
        peak = f"{percentile(peaks, 50):.0f}" if peaks else "too short to see"
        rows.append((f"measuring: {stage}", seconds, peak))
    whole = percentile([run["peak_mb"]["whole process"] for run in runs], 50)
    rows.append(("measuring: series to volumes", _of(runs, "volumes_s"), ""))
    rows.append(("measuring: all", _of(runs, "total_s"), f"{whole:.0f}"))
    rows.append(("measuring: all, processor seconds", _of(runs, "cpu_s"), ""))
    table(("stage", f"s, median (range) of {len(runs)}", "peak MB"), rows)
    print(f"Intake: {_of(taken, 'mb_per_s')} MB/s of DICOM;"
          f" verdict on the scan: {runs[0]['verdict']}.")  # fmt: skip
    names = list(result["encryption"][0])
    table(
        ("encryption in 1 MiB chunks", "MB/s, median (range)"),
        [(name, _rates([each[name] for each in result["encryption"]])) for name in names],
    )


def _of(results: list[Result], name: str) -> str:
    return middle_and_range([each[name] for each in results])


def _rates(values: list[float]) -> str:
    return f"{percentile(values, 50):.0f} ({min(values):.0f}–{max(values):.0f})"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if not Path("/proc/self/status").exists():
        sys.exit("not measured: memory is read from /proc, which this system does not have")
    result = run(args.repeats, args.threads)
    show(result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
