# SPDX-License-Identifier: Apache-2.0
"""The witness's key, its memory, and its answers over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import threading
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from memoryguard.common.errors import Corrupt, Misconfigured
from memoryguard.tlog.checkpoint import Checkpoint, sign_checkpoint
from memoryguard.tlog.cosignature import Cosigner, WitnessKey, open_cosignatures
from memoryguard.tlog.merkle import leaf_hash
from memoryguard.tlog.note import Signer
from memoryguard.tlog.witness import MAX_REQUEST_BYTES, Kept, Request, logs_of, remember
from memoryguard.witness.__main__ import run
from memoryguard.witness.http import Witness
from memoryguard.witness.key import make_key, read_key
from memoryguard.witness.memory import Memory, name_of, open_memory

LOG = Signer("log.example", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
COSIGNER = Cosigner("witness.example", Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32))


def note_of(size: int, what: bytes = b"") -> str:
    return sign_checkpoint(Checkpoint(LOG.name, size, leaf_hash(what)), LOG)


def kept_of(size: int, cosigner: Cosigner = COSIGNER) -> Kept:
    note = note_of(size)
    text = note.partition("\n\n")[0] + "\n"
    return remember(note + cosigner.cosign(text, 1), cosigner.key)


# --- key -----------------------------------------------------------------------------------


def test_a_key_is_made_once_and_read_by_its_owner_alone(tmp_path: Path) -> None:
    made = make_key(tmp_path / "key", "witness.example/brain")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert make_key(tmp_path / "key", "another.name").key == made.key
    assert read_key(tmp_path / "key").key == made.key


def test_the_command_prints_the_verifier_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        run(["new-key", "--state", str(tmp_path / "state"), "--name", "witness.example"])
    one, two = capsys.readouterr().out.splitlines()
    assert one == two == str(read_key(tmp_path / "state" / "key").key)
    assert WitnessKey.parse(one).name == "witness.example"


def test_what_is_no_key_is_told_without_showing_it(tmp_path: Path) -> None:
    make_key(tmp_path / "key", "witness.example")
    line = (tmp_path / "key").read_text()
    place = tmp_path / "other"
    for wrong in ("", "secret", line.replace("example", "elsewhere"), line[:-8] + "\n", "+" * 4):
        place.write_text(wrong)
        with pytest.raises(Misconfigured, match="bad_witness_key") as caught:
            read_key(place)
        assert "PRIVATE" not in str(caught.value)
    with pytest.raises(Misconfigured, match="bad_witness_key"):
        read_key(tmp_path / "none")
    with pytest.raises(Misconfigured, match="bad_witness_name"):
        make_key(tmp_path / "fresh", "two words")


@pytest.mark.parametrize("keys", [[], ["--log-key", "nonsense"], ["--log-key", str(COSIGNER.key)]])
def test_a_witness_of_no_log_does_not_start(tmp_path: Path, keys: list[str]) -> None:
    with pytest.raises(Misconfigured, match="bad_log_key"):
        run(["--state", str(tmp_path), *keys])


# --- memory --------------------------------------------------------------------------------


def test_memory_is_there_again(tmp_path: Path) -> None:
    with open_memory(tmp_path / "state", COSIGNER.key) as memory:
        for size in (3, 5):
            memory.keep(kept_of(size))
    with open_memory(tmp_path / "state", COSIGNER.key) as memory:
        assert memory.kept == {LOG.name: kept_of(5)}
    (path,) = (tmp_path / "state").glob("*.checkpoint")
    assert path.stem == name_of(LOG.name) == hashlib.sha256(LOG.name.encode()).hexdigest()


def test_a_folder_belongs_to_one_process(tmp_path: Path) -> None:
    with (
        open_memory(tmp_path, COSIGNER.key),
        pytest.raises(Misconfigured, match="witness_running"),
        open_memory(tmp_path, COSIGNER.key),
    ):
        pass
    with open_memory(tmp_path, COSIGNER.key):
        pass


@pytest.mark.parametrize("damage", ["cut", "empty", "size", "moved", "stranger", "bytes"])
def test_a_damaged_memory_is_no_memory(tmp_path: Path, damage: str) -> None:
    with open_memory(tmp_path, COSIGNER.key) as memory:
        memory.keep(kept_of(5))
    (path,) = tmp_path.glob("*.checkpoint")
    text = path.read_text()
    if damage == "moved":
        path.rename(tmp_path / f"{name_of('other.log')}.checkpoint")
    elif damage == "stranger":
        stranger = Cosigner("stranger", Ed25519PrivateKey.generate())
        path.write_text(kept_of(4, stranger).note)
    elif damage == "bytes":
        path.write_bytes(b"\xff")
    else:
        path.write_text({"cut": text[:-5], "empty": "", "size": text.replace("5", "4", 1)}[damage])
    with pytest.raises(Corrupt, match="witness_memory"), open_memory(tmp_path, COSIGNER.key):
        pass


def test_a_write_that_was_cut_short_leaves_what_was(tmp_path: Path) -> None:
    with open_memory(tmp_path, COSIGNER.key) as memory:
        memory.keep(kept_of(5))
    (path,) = tmp_path.glob("*.checkpoint")
    path.with_suffix(".new").write_text("half of a n")
    with open_memory(tmp_path, COSIGNER.key) as memory:
        assert memory.kept[LOG.name].checkpoint.size == 5


# --- HTTP ----------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncGenerator[TestClient]:
    with open_memory(tmp_path, COSIGNER.key) as memory:
        witness = Witness(memory, logs_of([LOG.verifier_key]), COSIGNER, clock=lambda: 77.7)
        async with TestClient(TestServer(witness.app())) as client:
            yield client


def body_of(old: int, note: str) -> bytes:
    return str(Request(old, (), note)).encode()


async def test_what_was_signed_can_be_asked_for(client: TestClient) -> None:
    address = f"/checkpoint/{name_of(LOG.name)}"
    assert (await client.get(address)).status == 404
    answer = await client.post("/add-checkpoint", data=body_of(0, note_of(5)))
    assert answer.status == 200
    shown = await client.get(address)
    note = await shown.text()
    assert note == note_of(5) + await answer.text()
    assert [each.at_s for each in open_cosignatures(note, [COSIGNER.key])] == [77]
    assert (await client.get("/checkpoint/x")).status == 404
    assert await (await client.get("/health/live")).json() == {"status": "live"}


async def test_a_fork_is_refused_and_its_proof_is_kept(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await client.post("/add-checkpoint", data=body_of(0, note_of(5)))).status == 200
    fork = note_of(5, b"another history")
    answer = await client.post("/add-checkpoint", data=body_of(5, fork))
    assert (answer.status, await answer.text()) == (409, "5\n")
    assert answer.headers["Content-Type"] == "text/x.tlog.size"
    (record,) = (each for each in caplog.records if each.levelname == "CRITICAL")
    assert record.__dict__["checkpoint"] == fork  # signed by the log: nobody else can have made it


async def test_too_much_is_refused_unread(client: TestClient) -> None:
    answer = await client.post("/add-checkpoint", data=b"x" * (MAX_REQUEST_BYTES + 1))
    assert answer.status == 413
    assert (await client.post("/add-checkpoint", data=b"x" * 1000)).status == 400


async def test_who_cannot_remember_does_not_sign(tmp_path: Path) -> None:
    class Full(Memory):
        def keep(self, kept: Kept) -> None:
            raise OSError("no space left")

    memory = Full(tmp_path, COSIGNER.key)
    witness = Witness(memory, logs_of([LOG.verifier_key]), COSIGNER)
    async with TestClient(TestServer(witness.app())) as client:
        answer = await client.post("/add-checkpoint", data=body_of(0, note_of(5)))
        assert answer.status == 503
        assert "—" not in await answer.text()
        assert (await client.get(f"/checkpoint/{name_of(LOG.name)}")).status == 404


async def test_of_two_histories_at_the_same_moment_one_is_signed(tmp_path: Path) -> None:
    together = threading.Barrier(2)

    class Slow(Memory):
        def keep(self, kept: Kept) -> None:
            with contextlib.suppress(threading.BrokenBarrierError):
                together.wait(0.5)  # until somebody else is here, who must not be
            super().keep(kept)

    memory = Slow(tmp_path, COSIGNER.key)
    witness = Witness(memory, logs_of([LOG.verifier_key]), COSIGNER)
    async with TestClient(TestServer(witness.app())) as client:
        bodies = (body_of(0, note_of(5, what)) for what in (b"one", b"another"))
        answers = await asyncio.gather(*(client.post("/add-checkpoint", data=b) for b in bodies))
    assert sorted(answer.status for answer in answers) == [200, 409]
