# SPDX-License-Identifier: Apache-2.0
"""How long the whole log takes to verify: read, hashed again, compared with signed roots and index.

Entries are sealed, about 1.2 kB each with their header, and go in as the service writes them; a
checkpoint is signed every 10,000. The peak of memory is that of the verifying process, which the
entries did not pass through before.

    python benchmarks/audit_verify.py [--entries 1000000] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from report import Result, machine, say, table

from memoryguard.audit import log
from memoryguard.audit.filing import Filing
from memoryguard.audit.service import RECIPE
from memoryguard.cli.audit import Known, verify_known
from memoryguard.common.runtime import database
from memoryguard.common.runtime.bus import Received
from memoryguard.common.runtime.postgres import embedded_postgres
from memoryguard.common.security.keyring import VaultKey
from memoryguard.common.testing.databases import fresh_database
from memoryguard.tlog.note import Signer

BATCH = 2_000
SIGNED_EVERY = 10_000
PAYLOAD = "x" * 560
SIGNER = Signer("memoryguard/bench", Ed25519PrivateKey.from_private_bytes(bytes(32)))
SUBJECTS = [f"{n:032x}" for n in range(1, 1001)]


def event(number: int) -> Received:
    """Make one event of about 900 bytes; its producer numbers them."""
    body = json.dumps(
        {
            "specversion": "1.0", "id": f"{number:032x}", "source": f"/memoryguard/{number % 4}",
            "type": "memoryguard.access.read.v1", "time": "2026-01-01T00:00:00Z",
            "producerepoch": "a-life", "producercounter": number // 4 + 1,
            "data": {
                "actor_id": f"account-{number % 50}", "action": "scan.read", "purpose": "treatment",
                "scan_id": f"scan-{number % 5000}", "said": PAYLOAD,
            },
        }
    )  # fmt: skip
    return Received(
        "memoryguard.access.v1", SUBJECTS[number % len(SUBJECTS)], body.encode(), number
    )


async def build(url: str, entries: int) -> float:
    """Write the log; entries a second."""
    filing = Filing(VaultKey(bytes(32)))
    keys: dict[str, bytes | None] = {s: s.encode() for s in SUBJECTS}
    started = time.perf_counter()
    async with await database.open_pool(url, "audit") as pool:
        await database.migrate(pool, "audit", [database.RUNTIME_MIGRATIONS, str(RECIPE.migrations)])
        for begin in range(0, entries, BATCH):
            batch = [filing.file(event(n)) for n in range(begin, min(entries, begin + BATCH))]
            async with pool.acquire() as connection, connection.transaction():
                await log.append(connection, batch, keys)
                if (begin + BATCH) % SIGNED_EVERY == 0 or begin + BATCH >= entries:
                    await log.sign(connection, SIGNER)
    return entries / (time.perf_counter() - started)


async def verify(url: str) -> Result:
    """Verify it in this process; seconds, and the peak of memory."""
    started, processor = time.perf_counter(), time.process_time()
    report = await verify_known(url, Known(SIGNER.verifier_key))
    assert report.intact and report.complete, report.findings
    return {
        "entries": report.size,
        "seconds": time.perf_counter() - started,
        "client_cpu_s": time.process_time() - processor,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "checkpoints": report.checkpoints,
    }


async def measure(entries: int) -> Result:
    """Build a log and verify it in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            embedded_postgres(Path(folder), durable=False) as admin_url,
            fresh_database(admin_url) as url,
        ):
            say(f"writing {entries} entries")
            rate = await build(url, entries)
            command = [sys.executable, __file__, "--verify", url]
            ended = await asyncio.to_thread(
                subprocess.run, command, check=True, capture_output=True, text=True
            )
    return {**json.loads(ended.stdout), "written_per_s": rate}


def main() -> None:
    """Measure, print a table, keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--verify", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.verify:
        print(json.dumps(asyncio.run(verify(args.verify))))
        return
    figures = asyncio.run(measure(args.entries))
    table(
        ("entries", "verified in s", "client CPU s", "peak MiB", "checkpoints"),
        [[figures[k] for k in ("entries", "seconds", "client_cpu_s", "peak_mib", "checkpoints")]],
    )
    if args.json:
        args.json.write_text(json.dumps({"machine": machine(), **figures}, indent=1))


if __name__ == "__main__":
    main()
