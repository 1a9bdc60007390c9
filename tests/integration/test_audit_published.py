# SPDX-License-Identifier: Apache-2.0
"""The log as it is published: what the tree is, whatever interrupted the publishing."""

from __future__ import annotations

import logging
import random
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from memoryguard.audit import log
from memoryguard.audit.filing import Filed, Filing
from memoryguard.audit.publishing import Publisher
from memoryguard.audit.service import RECIPE
from memoryguard.audit.tasks import Notary
from memoryguard.common.contracts.event import NOBODY, new_event
from memoryguard.common.contracts.events import AccessRead, RiskWithheld
from memoryguard.common.contracts.parts import Engine
from memoryguard.common.runtime.blobs import open_store
from memoryguard.common.runtime.bus import Received
from memoryguard.common.runtime.database import Pool
from memoryguard.common.runtime.platform import Platform, open_platform
from memoryguard.common.runtime.processes import Processes
from memoryguard.common.security.keyring import VaultKey
from memoryguard.common.testing.settings import folder_settings
from memoryguard.tlog.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from memoryguard.tlog.entry import Entry
from memoryguard.tlog.merkle import inclusion_nodes, inclusion_proof, root_of
from memoryguard.tlog.note import Signer
from memoryguard.tlog.proof import EntryProof
from memoryguard.tlog.tiles import nodes_of, tile_at, tiles_of

SIGNER = Signer("memoryguard/test", Ed25519PrivateKey.generate())
FILING = Filing(VaultKey(bytes(32)))
ENGINE = Engine(name="risk", version="1", weights_sha256="0" * 64)
SIZES = (40, 300, 700)
SCANS = ("scan-1", "scan-2")


@pytest_asyncio.fixture
async def audit(database_url: str, tmp_path: Path) -> AsyncGenerator[Platform]:
    settings, _ = folder_settings(tmp_path, database_url)
    processes = Processes(1)
    try:
        async with open_platform("audit", settings, RECIPE.migrations, processes) as platform:
            yield platform
    finally:
        processes.close()


def filed(number: int) -> Filed:
    """A look, or in every tenth place an answer about a scan, or about what is no name of one."""
    named = "../keys" if number % 100 == 0 else SCANS[number // 10 % 2]
    answer = RiskWithheld(subject_id=NOBODY, scan_id=named, model=ENGINE, reasons=(), seconds={})
    look = AccessRead(subject_id=NOBODY, actor_id="a", action="look", service="test", scan_id=named)
    fact = look if number % 10 else answer
    event = new_event(fact, source="/test", event_id=f"event-{number}")
    return FILING.file(Received("memoryguard.risk.v1", NOBODY, event.to_bytes(), number))


async def grow(pool: Pool, first: int, size: int) -> tuple[int, str]:
    """Let the log grow, and sign it."""
    async with pool.acquire() as connection, connection.transaction():
        await log.append(connection, [filed(number) for number in range(first, size)], {})
        signed = await log.sign(connection, SIGNER)
    assert signed
    return signed


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def publisher(pool: Pool, folder: Path) -> Publisher:
    return Publisher(pool, open_store(str(folder)), SIGNER.verifier_key)


async def leaves(pool: Pool) -> list[bytes]:
    rows = await pool.fetch("select * from log.entry order by sequence")
    return [log.entry_of(row).leaf() for row in rows]


async def test_what_is_published_is_the_tree_and_proves_its_entries(
    audit: Platform, tmp_path: Path
) -> None:
    folder, before = tmp_path / "published", 0
    for size in SIZES:
        checkpoint = await grow(audit.pool, before, size)
        await publisher(audit.pool, folder).publish([checkpoint])
        before = size
    there, logged = contents(folder), await leaves(audit.pool)
    signed = open_checkpoint(there["log/checkpoint"].decode(), SIGNER.verifier_key)
    hashes = [Entry.parse(leaf).leaf_hash() for leaf in logged]
    assert (signed.size, signed.root) == (SIZES[-1], root_of(hashes))
    assert sorted(name for name in there if "tile/" in name) == [
        "log/tile/0/000", "log/tile/0/001", "log/tile/0/002.p/188", "log/tile/1/000.p/1",
        "log/tile/1/000.p/2",
    ]  # fmt: skip
    assert there["log/tile/0/002.p/188"] == b"".join(hashes[512:])
    assert [name for name in there if "checkpoints/" in name and str(SIZES[0]) in name]
    entries = {name: leaf for name, leaf in there.items() if "entries/" in name}
    assert entries == {
        f"log/entries/{Entry.parse(leaf).scan_id}/{n:020d}": leaf
        for n, leaf in enumerate(logged)
        if n % 10 == 0 and n % 100
    }
    for name, leaf in entries.items():
        proof(there, int(name[-20:]), signed.size).verify(leaf, SIGNER.verifier_key)


def proof(there: dict[str, bytes], sequence: int, size: int) -> EntryProof:
    """Prove an entry by what is published alone."""
    needed = [node for part in inclusion_nodes(sequence, size) for node in part]
    tiles = {at: place for at in tiles_of(needed) if (place := tile_at(*at, size))}
    nodes = nodes_of({at: there[f"log/{path}"] for at, (path, _) in tiles.items()})
    hashes = tuple(inclusion_proof(sequence, size, nodes))
    return EntryProof(sequence, hashes, there["log/checkpoint"].decode())


async def test_whatever_was_written_when_it_died_the_same_is_published_in_the_end(
    audit: Platform, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    start, whole = tmp_path / "start", tmp_path / "whole"
    await publisher(audit.pool, start).publish([await grow(audit.pool, 0, SIZES[0])])
    begun = contents(start)
    shutil.copytree(start, whole)
    checkpoint = await grow(audit.pool, SIZES[0], SIZES[-1])
    await publisher(audit.pool, whole).publish([checkpoint])
    done = contents(whole)
    later = sorted(set(done) - set(begun))
    chance = random.Random(7)  # a repeatable choice of what was written
    for trial in range(8):
        folder = tmp_path / str(trial)
        shutil.copytree(start, folder)
        for name in chance.sample(later, chance.randint(0, len(later))):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(done[name])
        await publisher(audit.pool, folder).publish([checkpoint])
        assert contents(folder) == done
    (whole / "log/checkpoint").unlink()  # and from the beginning
    await publisher(audit.pool, whole).publish([checkpoint])
    assert contents(whole) == done
    assert not caplog.records


async def test_what_lies_there_already_is_never_overwritten_but_told(
    audit: Platform, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "published"
    planted = folder / "log/tile/0/000"
    planted.parent.mkdir(parents=True)
    planted.write_bytes(b"something else")
    await publisher(audit.pool, folder).publish([await grow(audit.pool, 0, 300)])
    assert planted.read_bytes() == b"something else"
    (told,) = caplog.records
    assert (told.levelno, vars(told)["path"]) == (logging.CRITICAL, "log/tile/0/000")


async def test_a_published_log_is_not_mixed_with_another_one(
    audit: Platform, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "published"
    older, newer = await grow(audit.pool, 0, 40), await grow(audit.pool, 40, 60)
    await publisher(audit.pool, folder).publish([older, newer])
    before = contents(folder)
    await publisher(audit.pool, folder).publish([older])  # a shorter one
    assert contents(folder) == before
    fork = sign_checkpoint(Checkpoint(SIGNER.name, 50, bytes(32)), SIGNER)
    (folder / "log/checkpoint").write_text(fork)
    await publisher(audit.pool, folder).publish([await grow(audit.pool, 60, 80)])
    after = contents(folder)
    assert set(after) - set(before) == {f"checkpoints/{80:020d}"}
    assert after["log/checkpoint"].decode() == fork
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL] * 2


async def test_a_checkpoint_is_sent_once_all_of_it_lies_in_the_store(
    audit: Platform, tmp_path: Path
) -> None:
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / "log").write_text("no folder: nothing can be written below it")
    notary = Notary(audit, open_store(str(folder)), SIGNER, every_s=1)
    async with audit.pool.acquire() as connection, connection.transaction():
        await log.append(connection, [filed(number) for number in range(20)], {})
    sent = "select array_agg(size) from log.sent"
    await notary.sign()
    assert await audit.pool.fetchval(sent) is None
    (folder / "log").unlink()
    await notary.sign()
    assert await audit.pool.fetchval(sent) == [20]
    assert set(contents(folder)) == {
        "log/checkpoint", f"checkpoints/{20:020d}", "log/tile/0/000.p/20",
        f"log/entries/{SCANS[1]}/{10:020d}",
    }  # fmt: skip
