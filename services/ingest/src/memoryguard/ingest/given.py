# SPDX-License-Identifier: Apache-2.0
"""Answers that were given under an idempotency key: who repeats the request gets the first again.

An answer holds the names of the sender's files, so it is sealed (AES-GCM) under a key of its own,
which takes the caller, their idempotency key and the vault's key to make.
"""

from __future__ import annotations

import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from memoryguard.common.errors import Rejected
from memoryguard.common.runtime.database import Pool
from memoryguard.common.security.keyring import VaultKey

MAX_KEY = 200
NONCE_BYTES = 12


class GivenAnswers:
    """Keeps answers for a day; `sweeping` forgets them."""

    def __init__(self, pool: Pool, vault: VaultKey) -> None:
        self._pool = pool
        self._vault = vault

    async def find(self, actor_id: str, key: str) -> str | None:
        """Give the answer of the first time, whatever became of it since.

        Raises
        ------
        Rejected
            ``bad_idempotency_key``.
        """
        if not 0 < len(key) <= MAX_KEY or not key.isprintable():
            raise Rejected("bad_idempotency_key", "Idempotency-Key is empty or too long")
        name = self._name(actor_id, key)
        sealed = await self._pool.fetchval("select sealed from answer where answer_key = $1", name)
        if sealed is None:
            return None
        nonce, body = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        return self._cipher(actor_id, key).decrypt(nonce, body, name.encode()).decode()

    async def keep(self, actor_id: str, key: str, answer: str) -> None:
        """Keep an answer; the first stays."""
        name, nonce = self._name(actor_id, key), os.urandom(NONCE_BYTES)
        body = self._cipher(actor_id, key).encrypt(nonce, answer.encode(), name.encode())
        await self._pool.execute(
            "insert into answer (answer_key, sealed) values ($1, $2) on conflict do nothing",
            *(name, nonce + body),
        )

    def _name(self, actor_id: str, key: str) -> str:
        return self._vault.arrival_key("answer", actor_id, key)

    def _cipher(self, actor_id: str, key: str) -> AESGCM:
        return AESGCM(bytes.fromhex(self._vault.arrival_key("answer seal", actor_id, key)))
