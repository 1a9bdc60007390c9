# SPDX-License-Identifier: Apache-2.0
"""``memoryguard audit verify`` and ``dump`` on a real log: whole, in part, remembered, stalled."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tampered import ENTRIES, SENT, SIGNER, SIZES, build, empty, entry, write

from memoryguard.cli.__main__ import app
from memoryguard.common.errors import MemoryGuardError
from memoryguard.common.runtime import database
from memoryguard.tlog.cosignature import Cosigner
from memoryguard.tlog.note import Signer

OTHER = Signer("memoryguard/test", Ed25519PrivateKey.from_private_bytes(bytes(32))).verifier_key


@dataclass
class Auditor:
    """Somebody at a terminal who may read the log, and the owner of its database."""

    url: str
    objects: Path
    owner: asyncpg.Connection
    capsys: pytest.CaptureFixture[str]

    async def run(self, *arguments: object) -> tuple[int, Any]:
        """Run the command; its exit status, and what it printed."""
        given = ["audit", *map(str, arguments)]
        with pytest.raises(SystemExit) as ended:
            await asyncio.to_thread(app, given)
        said = self.capsys.readouterr().out
        return int(str(ended.value.code)), json.loads(said) if "--json" in given else said

    async def verify(
        self, *arguments: object, key: object = SIGNER.verifier_key, checkpoints: Path | None = None
    ) -> tuple[int, Any]:
        """Verify as somebody who has the key and the store."""
        known = ["--database-url", self.url, "--key", key]
        known += ["--checkpoints", checkpoints or self.objects, "--json"]
        return await self.run("verify", *known, *arguments)


@pytest_asyncio.fixture
async def auditor(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> AsyncGenerator[Auditor]:
    await build(database_url, tmp_path / "objects")
    owner = await database.connect(database_url, session_replication_role="replica")
    yield Auditor(database_url, tmp_path / "objects", owner, capsys)
    await owner.close()


async def test_the_whole_log_and_who_could_still_rewrite_what(auditor: Auditor) -> None:
    status, document = await auditor.verify()
    assert status == 0
    assert document["findings"] == []
    said = ("entries", "signed_entries", "anchored_entries", "unsigned_entries", "checkpoints")
    assert [document[name] for name in said] == [ENTRIES, SIZES[-1], SENT, 20, len(SIZES)]
    status, text = await auditor.run(
        "verify", "--database-url", auditor.url, "--key", SIGNER.verifier_key
    )
    assert status == 0
    assert "no checkpoint from elsewhere was met" in text
    assert "20 entries are under no checkpoint yet" in text


async def test_a_copy_of_the_checkpoints_alone_is_enough(auditor: Auditor, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(auditor.objects / "checkpoints", copy)
    status, document = await auditor.verify(checkpoints=copy)
    assert (status, document["anchored_entries"]) == (0, SENT)
    (copy / f"{SIZES[1]:020d}").unlink()
    status, document = await auditor.verify(checkpoints=copy)
    assert (status, document["findings"][0]["code"]) == (4, "missing_checkpoint")


async def test_a_range_is_verified_without_the_others(auditor: Auditor) -> None:
    status, document = await auditor.verify("--from", 300, "--to", 459)
    assert (status, document["entries"]) == (0, 160)
    await auditor.owner.execute("update log.entry set actor = 'x' where sequence = 310")
    assert (await auditor.verify("--from", 0, "--to", 309))[0] == 0
    assert (await auditor.verify("--from", 311, "--to", SIZES[-1] - 1))[0] == 0
    status, document = await auditor.verify("--from", 300, "--to", 459)
    assert status == 4
    assert [(f["first"], f["last"]) for f in document["findings"]] == [(310, 310)]
    await auditor.owner.execute("delete from log.entry where sequence = 305")
    status, document = await auditor.verify("--from", 300, "--to", 459)
    assert [(f["code"], f["first"]) for f in document["findings"]] == [("missing_entry", 305)]
    status, document = await auditor.verify("--from", 590, "--to", 610)
    assert (status, document["findings"][0]["first"]) == (4, ENTRIES)
    status, document = await auditor.verify("--from", 590)
    assert (status, document["unsigned_entries"]) == (0, 10)


async def test_tiles_that_were_rewritten_do_not_stand_for_the_others(auditor: Auditor) -> None:
    await auditor.owner.execute(
        "update log.tile set hashes = set_byte(hashes, 9, 1 + get_byte(hashes, 9) % 200)"
    )
    key = SIGNER.verifier_key
    outside = ("verify", "--database-url", auditor.url, "--key", key, "--from", 520, "--json")
    status, document = await auditor.run(*outside)
    assert (status, document["findings"]) == (0, [])  # it needs the tops of those tiles alone
    inside = ("verify", "--database-url", auditor.url, "--key", key, "--from", 300, "--json")
    status, document = await auditor.run(*inside)
    assert (status, document["findings"][0]["code"]) == (4, "inconsistent_root")
    assert (await auditor.verify("--from", 300))[0] == 0  # the published tiles are as they were


async def test_who_remembers_finds_a_log_that_was_taken_back_everywhere(
    auditor: Auditor, tmp_path: Path
) -> None:
    memory = tmp_path / "memory"
    assert (await auditor.verify("--remember", memory))[0] == 0
    assert f"\n{SIZES[-1]}\n" in memory.read_text()
    await empty(auditor.owner)
    await auditor.owner.execute("delete from log.sent")
    await write(auditor.owner, [entry(n) for n in range(400)], SIZES[:2])
    shutil.rmtree(auditor.objects)
    auditor.objects.mkdir()
    assert (await auditor.verify())[0] == 0  # nothing that is left can tell
    status, document = await auditor.verify("--remember", memory)
    assert status == 4
    assert {f["code"] for f in document["findings"]} == {"truncated", "rollback"}
    assert f"\n{SIZES[-1]}\n" in memory.read_text()


async def test_a_log_that_nobody_signs_any_more_has_stalled(auditor: Auditor) -> None:
    status, document = await auditor.verify("--max-age", "10m")
    assert [f["code"] for f in document["findings"]] == ["stalled"]
    assert status == 4
    await auditor.owner.execute("delete from log.entry where sequence >= $1", SIZES[-1])
    status, document = await auditor.verify("--max-age", "10m")
    assert "stalled" not in {f["code"] for f in document["findings"]}


async def test_witnesses_that_have_not_signed_are_missed(auditor: Auditor) -> None:
    witness = Cosigner("witness.example/w1", Ed25519PrivateKey.generate())
    status, document = await auditor.verify("--witness-key", witness.key, "--quorum", 1)
    assert (status, [f["code"] for f in document["findings"]]) == (4, ["not_witnessed"])


async def test_a_dumped_log_is_verified_without_its_database(
    auditor: Auditor, tmp_path: Path
) -> None:
    file = tmp_path / "log.jsonl"
    assert (await auditor.run("dump", file, "--database-url", auditor.url))[0] == 0
    status, document = await auditor.verify(file)
    assert (status, document["entries"], document["signed_entries"]) == (0, ENTRIES, SIZES[-1])
    file.write_text(file.read_text()[:-60_000].rpartition("\n")[0] + "\n")
    status, document = await auditor.verify(file)
    assert (status, document["findings"][0]["code"]) == (4, "truncated")


async def test_another_key_verifies_nothing(auditor: Auditor) -> None:
    status, document = await auditor.verify(key=OTHER)
    assert status == 4
    assert {f["code"] for f in document["findings"]} == {"unknown_key", "no_checkpoint"}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--database-url", "postgresql://x"], "no_audit_key"),
        (["--key", "nonsense+"], "malformed_key"),
        (["--key", "no-such-file"], "unreadable_file"),
        (["--key", str(OTHER), "--checkpoints", "no-such-folder"], "no_checkpoints_there"),
        (["--key", str(OTHER), "--max-age", "soon"], "bad_age"),
        (["--key", str(OTHER), "--witness-key", "nonsense+"], "malformed_key"),
        (["no-such-file", "--key", str(OTHER)], "no_such_file"),
    ],
)
def test_what_cannot_be_verified_is_refused(arguments: list[str], code: str) -> None:
    with pytest.raises(MemoryGuardError) as refused:
        app(["audit", "verify", *arguments])
    assert refused.value.code == code
