# SPDX-License-Identifier: Apache-2.0
"""Kills ingest while 200 people upload at once, starts it again, and looks what became of them.

Ingest and its children run in a process group of their own, on a durable PostgreSQL and a folder;
the group gets SIGKILL when some uploads have been acknowledged. Then, on the same state:

- who was acknowledged has one scan object and one ``scan.received`` event, before anything is sent
  again;
- everybody sends again, also who was acknowledged; all succeed, and each has one scan, one event
  and one entry of the identity vault, under the id that was acknowledged;
- when the sweeper has swept, nothing else is left in the store, not even an unfinished file;
- the pixels of some, decrypted, are the ones that were sent.

Every second person sends an idempotency key. One round is a test (tests/chaos).

    python benchmarks/cut_uploads.py [--rounds 5] [--uploads 200] [--seed 1] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import io
import json
import os
import random
import signal
import struct
import tempfile
import time
import zipfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path

import aiohttp
import pydicom
from intake import UPLOAD
from intakes import Ground, Ingest, SeriesMaker, ground, multipart
from memory import family
from pydantic import SecretStr
from report import Result, machine, say, table

from memoryguard.common.contracts.event import decode
from memoryguard.common.contracts.events import ScanReceived
from memoryguard.common.contracts.flow import FACTS
from memoryguard.common.runtime.platform import Platform, open_platform
from memoryguard.common.runtime.processes import Processes
from memoryguard.common.runtime.settings import PlatformSettings
from memoryguard.ingest.service import RECIPE
from memoryguard.ingest.sweeping import Sweeper

SLICES, SIDE = 20, 32
DEADLINE_S = 120.0
LATEST = 0.9
"""Share of the uploads that is acknowledged before the last kill is prepared."""
LONGEST_DELAY_S = 0.3
SAMPLE = 10
STAMP = struct.Struct("<Q")


@dataclass
class Upload:
    """What one person sends, and the scan that was acknowledged."""

    user: str
    files: list[bytes] = field(repr=False)
    scan_id: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Of every try alike."""
        key = {"Idempotency-Key": self.user} if int(self.user[1:]) % 2 else {}
        return {"Content-Type": multipart([], "form-data")[1], **key}


@dataclass
class Round:
    """What became of the uploads of one round."""

    uploads: int
    acknowledged: int = 0
    committed: int = 0
    """Scans that were announced, though the kill came before their answer."""
    swept: int = 0
    unfinished: int = 0
    wrong: list[str] = field(default_factory=list[str])

    def expect(self, right: bool, what: str) -> None:
        """Note what is not as it has to be."""
        if not right:
            self.wrong.append(what)


def made_uploads(count: int) -> list[Upload]:
    """Make series of different people; the last pixels of every slice say whose it is."""
    make, found = SeriesMaker(SLICES, SIDE), list[Upload]()
    for n in range(count):
        stamp = STAMP.pack(n + 1)
        found.append(Upload(f"u{n}", [data[: -STAMP.size] + stamp for data in make()]))
    return found


# --- sending and killing ---------------------------------------------------------------------


class Senders:
    """Everybody, uploading at the same time.

    Parameters
    ----------
    uploads
        What they send.
    """

    def __init__(self, uploads: Sequence[Upload]) -> None:
        self._uploads = uploads
        self._answered = asyncio.Condition()
        self.acknowledged = 0
        self.refused: list[str] = []

    async def send(self, server: Ingest) -> None:
        """Send everything once; what is cut off is no error."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(
            f"http://127.0.0.1:{server.port}", connector=connector
        ) as session:
            await asyncio.gather(*(self._send(session, server, each) for each in self._uploads))

    async def until(self, acknowledged: int) -> None:
        """Wait for so many acknowledgements."""
        async with asyncio.timeout(DEADLINE_S), self._answered:
            await self._answered.wait_for(lambda: self.acknowledged >= acknowledged)

    async def _send(self, session: aiohttp.ClientSession, server: Ingest, upload: Upload) -> None:
        body, _ = multipart(upload.files, "form-data")
        headers = upload.headers | server.token("patient", upload.user)
        try:
            async with session.post(UPLOAD, data=body, headers=headers) as response:
                answer = await response.json()
        except (aiohttp.ClientError, OSError, ValueError):
            return
        if response.status not in (200, 201):
            self.refused.append(f"{upload.user} was answered {response.status}: {answer}")
            return
        if upload.scan_id not in (None, answer["imaging_id"]):
            self.refused.append(f"{upload.user} was given another scan")
        upload.scan_id = answer["imaging_id"]
        async with self._answered:
            self.acknowledged += 1
            self._answered.notify_all()


async def kill(server: Ingest) -> None:
    """Kill ingest and its group; see that the parsers, which lead groups of their own, go too."""
    processes = set(family(server.pid))
    os.killpg(server.pid, signal.SIGKILL)
    async with asyncio.timeout(DEADLINE_S):
        while any(_runs(pid) for pid in processes):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def cut(place: Ground, uploads: Sequence[Upload], after: int, delay_s: float) -> None:
    """Upload everything at once, and kill a moment after so many were acknowledged."""
    senders = Senders(uploads)
    async with place.ingest() as server:
        sending = asyncio.create_task(senders.send(server))
        await senders.until(after)
        await asyncio.sleep(delay_s)
        await kill(server)
        await sending


# --- looking ---------------------------------------------------------------------------------


@asynccontextmanager
async def opened(place: Ground) -> AsyncGenerator[Platform]:
    """Open what ingest stands on, beside it."""
    named = place.home.environment(place.database_url)
    settings = PlatformSettings(
        database_url=SecretStr(place.database_url),
        storage=named["IMAGING_STORAGE_PATH"],
        encryption_keys=SecretStr(named["IMAGING_ENCRYPTION_KEY"]),
        vault_key=SecretStr(named["MEMORYGUARD_VAULT_KEY"]),
        token_public_key=named["MEMORYGUARD_TOKEN_PUBLIC_KEY"],
        token_issuer=named["MEMORYGUARD_TOKEN_ISSUER"],
    )
    processes = Processes(1)  # none is started before there is work, and here is none
    async with open_platform("ingest", settings, RECIPE.migrations, processes) as platform:
        yield platform


async def received(platform: Platform) -> dict[str, list[ScanReceived]]:
    """Give the scans that were announced on the bus, by account, when everything has left.

    A relay that was killed before it noted what it sent sends it again, byte for byte; every
    consumer drops that.
    """
    async with asyncio.timeout(DEADLINE_S):
        while await platform.pool.fetchval(  # noqa: ASYNC110
            "select exists (select from outbox where sent_at is null)"
        ):
            await asyncio.sleep(0.05)
    found = collections.defaultdict[str, list[ScanReceived]](list)
    for row in await platform.pool.fetch("select distinct body from bus.record"):
        fact = decode(row["body"], FACTS).data
        if isinstance(fact, ScanReceived):
            found[fact.user_id or ""].append(fact)
    return found


async def paths(platform: Platform, folder: str) -> list[str]:
    """List what lies below a folder."""
    return [blob.path async for blob in platform.objects.list(folder)]


async def check_acknowledged(done: Round, platform: Platform, uploads: Sequence[Upload]) -> None:
    """See that every acknowledged scan is there once, before anything is sent again."""
    announced, objects = await received(platform), set(await paths(platform, "scans"))
    acknowledged = [upload for upload in uploads if upload.scan_id]
    for upload in acknowledged:
        facts = announced[upload.user]
        right = [fact.scan_id for fact in facts] == [upload.scan_id]
        done.expect(right, f"{upload.user} was acknowledged, and has {len(facts)} events")
        done.expect(
            all(fact.archive.uri in objects for fact in facts), f"{upload.user} has no object"
        )
    done.acknowledged = len(acknowledged)
    done.committed = len([facts for facts in announced.values() if facts]) - done.acknowledged


async def check_all(done: Round, platform: Platform, uploads: Sequence[Upload]) -> None:
    """See that everybody has one scan, and that nothing else is left."""
    unfinished = _unfinished(platform)
    done.unfinished = len(unfinished)
    done.swept = await Sweeper(platform, timedelta(0)).sweep()
    announced = await received(platform)
    for upload in uploads:
        facts = announced[upload.user]
        right = upload.scan_id and [fact.scan_id for fact in facts] == [upload.scan_id]
        done.expect(bool(right), f"{upload.user} has {len(facts)} events, not one of its scan")
    facts = [fact for each in announced.values() for fact in each]
    expected = {fact.archive.uri for fact in facts}
    done.expect(set(await paths(platform, "scans")) == expected, "other scans lie in the store")
    done.expect(not await paths(platform, "staging"), "staged images are left")
    identities = sorted(path.rpartition("/")[2] for path in await paths(platform, "identity"))
    done.expect(identities == sorted(fact.scan_id for fact in facts), "other identities are kept")
    done.expect(not _unfinished(platform), "unfinished files are left")
    rows = await platform.pool.fetch("select user_id, scan_id from scan")
    named = sorted((row["user_id"], row["scan_id"]) for row in rows)
    done.expect(named == sorted((u.user, u.scan_id) for u in uploads), "other rows of scans")


def _unfinished(platform: Platform) -> list[Path]:
    return [path for path in Path(platform.settings.storage).rglob("*") if "#" in path.name]


async def check_pixels(done: Round, platform: Platform, uploads: Sequence[Upload]) -> None:
    """See that the pixels of some scans are the ones that were sent."""
    announced = await received(platform)
    for upload in uploads:
        for fact in announced[upload.user]:
            packed = await platform.objects.get(fact.archive, fact.subject_id)
            with zipfile.ZipFile(io.BytesIO(packed)) as archive:
                there = sorted(_pixels(archive.read(name)) for name in archive.namelist())
            right = there == sorted(_pixels(data) for data in upload.files)
            done.expect(right, f"{upload.user} has other pixels")


def _pixels(data: bytes) -> bytes:
    return pydicom.dcmread(io.BytesIO(data)).PixelData


# --- rounds ----------------------------------------------------------------------------------


async def one_round(
    folder: Path, uploads: Sequence[Upload], after: int, moments: random.Random
) -> Round:
    """Kill once, and look.

    Parameters
    ----------
    folder
        For all state.
    uploads
        What everybody sends.
    after
        Acknowledgements to wait for.
    moments
        Draws the moment after that, and whose pixels are looked at.
    """
    done = Round(len(uploads))
    async with ground(folder) as place:
        await cut(place, uploads, after, moments.uniform(0.0, LONGEST_DELAY_S))
        async with place.ingest() as server:
            async with opened(place) as platform:
                await check_acknowledged(done, platform, uploads)
            again = Senders(uploads)
            await again.send(server)
            done.wrong += again.refused
            done.expect(again.acknowledged == len(uploads), "not everybody could send again")
        async with opened(place) as platform:
            await check_all(done, platform, uploads)
            await check_pixels(done, platform, moments.sample(uploads, min(SAMPLE, len(uploads))))
    return done


async def run(rounds: int, count: int, seed: int) -> Result:
    """Kill at moments that are spread over the uploads."""
    result: Result = {"machine": machine(), "rounds": []}
    moments = random.Random(seed)
    for n in range(rounds):
        after = int(LATEST * count * (n + moments.random()) / rounds)
        say(f"cut uploads: round {n + 1} of {rounds}, killed after {after} acknowledgements")
        began = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            done = await one_round(Path(name), made_uploads(count), after, moments)
        result["rounds"].append({**asdict(done), "seconds": time.perf_counter() - began})
        say(str(result["rounds"][-1]))
    return result


def show(result: Result) -> None:
    """Print the table."""
    print("## Uploads cut off")
    print(f"\n{json.dumps(result['machine'])}")
    names = ("uploads", "acknowledged", "committed", "swept", "unfinished", "seconds")
    rows = [[*(r[name] for name in names), len(r["wrong"])] for r in result["rounds"]]
    table((*names, "wrong"), rows)
    for each in result["rounds"]:
        print("\n".join(each["wrong"][:20]))


def main() -> None:
    """Run the benchmark; the status is 1 when something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--uploads", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    result = asyncio.run(run(args.rounds, args.uploads, args.seed))
    show(result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1))
    raise SystemExit(any(each["wrong"] for each in result["rounds"]))


if __name__ == "__main__":
    main()
