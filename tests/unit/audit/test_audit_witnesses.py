# SPDX-License-Identifier: Apache-2.0
"""Which witnesses the settings name, and what is taken from a witness's answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from memoryguard.audit.cosigned import Witness
from memoryguard.audit.settings import AuditSettings
from memoryguard.audit.witnessing import MAX_ANSWER_BYTES, Witnessing
from memoryguard.common.errors import Misconfigured
from memoryguard.tlog.checkpoint import Checkpoint, sign_checkpoint
from memoryguard.tlog.cosignature import Cosigner
from memoryguard.tlog.merkle import leaf_hash
from memoryguard.tlog.note import Signer

LOG = Signer("log.example", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
COSIGNER = Cosigner("witness.example", Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32))
CHECKPOINT = Checkpoint(LOG.name, 5, leaf_hash(b""))
NOTE = sign_checkpoint(CHECKPOINT, LOG)


def test_witnesses_are_pairs_of_key_and_address() -> None:
    other = Cosigner("other.example/a=b", Ed25519PrivateKey.generate())
    settings = AuditSettings(
        witnesses=f" {COSIGNER.key}=https://witness.example/ \n{COSIGNER.key}=http://w:8471/x "
    )
    assert settings.witness_addresses() == [
        Witness(COSIGNER.key, "https://witness.example"),
        Witness(COSIGNER.key, "http://w:8471/x"),
    ]
    assert AuditSettings().witness_addresses() == []
    with_sign = AuditSettings(witnesses=f"{other.key}=https://witness.example")
    assert with_sign.witness_addresses() == [Witness(other.key, "https://witness.example")]


@pytest.mark.parametrize(
    "given",
    [
        "https://witness.example",
        f"{COSIGNER.key}",
        f"{COSIGNER.key}=",
        f"{COSIGNER.key}=witness.example",
        f"{COSIGNER.key}=ftp://witness.example",
        f"{LOG.verifier_key}=https://witness.example",
        f"{str(COSIGNER.key)[:-1]}=https://witness.example",
    ],
)
def test_what_is_no_witness_is_told(given: str) -> None:
    with pytest.raises(Misconfigured, match="bad_witnesses"):
        AuditSettings(witnesses=given).witness_addresses()


# --- answers -------------------------------------------------------------------------------


class Stored:
    """A database that knows one checkpoint of five entries, and records what is stored."""

    def __init__(self) -> None:
        self.stored: list[Any] = []

    async def fetchrow(self, query: str, *_: Any) -> dict[str, Any] | None:
        return {"size": 5, "note": NOTE} if "log.checkpoint" in query else None

    async def fetchval(self, _: str, size: int) -> bool:
        return size <= 5

    def acquire(self) -> Stored:
        return self

    transaction = acquire

    async def __aenter__(self) -> Stored:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def executemany(self, _: str, rows: list[Any]) -> None:
        self.stored += rows


Answering = Callable[[Callable[[], web.Response]], Any]


@pytest_asyncio.fixture
async def asked() -> AsyncGenerator[Answering]:
    """Run a round with a witness that answers so; what is stored then."""
    async with aiohttp.ClientSession() as session:

        async def ask(answer: Callable[[], web.Response]) -> list[Any]:
            async def add(_: web.Request) -> web.Response:
                return answer()

            app = web.Application()
            app.router.add_post("/add-checkpoint", add)
            async with TestServer(app) as server:
                pool: Any = Stored()
                witness = Witness(COSIGNER.key, str(server.make_url("")).rstrip("/"))
                await asyncio.wait_for(Witnessing(pool, [witness], 1, 60).round(session), 20)
                return pool.stored

        yield ask


async def test_its_own_line_alone_is_taken(asked: Answering) -> None:
    namesake = Cosigner(COSIGNER.name, LOG.private_key)
    own = COSIGNER.cosign(CHECKPOINT.text, 7)
    lines = namesake.cosign(CHECKPOINT.text, 8) + own
    stored = await asked(lambda: web.Response(text=lines))
    assert [(row[0], row[1], row[2]) for row in stored] == [(5, str(COSIGNER.key), own)] * 2


WRONG = {
    "another key": (200, Cosigner(COSIGNER.name, LOG.private_key).cosign(CHECKPOINT.text, 7)),
    "another text": (200, COSIGNER.cosign(CHECKPOINT.text.replace("5", "6"), 7)),
    "nothing": (200, ""),
    "prose": (200, "<html>"),
    "much": (200, "x" * (MAX_ANSWER_BYTES + 1)),
    "no size": (409, "many\n"),
    "a larger size": (409, "6\n"),
    "the size that was asked from": (409, "0\n"),
    "no growth": (422, ""),
    "elsewhere": (302, ""),
    "forbidden": (403, COSIGNER.cosign(CHECKPOINT.text, 7)),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_does_not_verify_is_not_stored(
    asked: Answering, wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    status, text = WRONG[wrong]
    assert await asked(lambda: web.Response(status=status, text=text)) == []
    assert caplog.records
    alarm = any(each.levelname == "CRITICAL" for each in caplog.records)
    assert alarm == (wrong in ("a larger size", "no growth", "the size that was asked from"))
