# SPDX-License-Identifier: Apache-2.0
"""Answers that were given under an idempotency key: who repeats the request gets the first again.

An answer holds the names of the sender's files, so it is sealed under a key of its own, which takes
the caller, their idempotency key and the vault's key to make.
"""

from __future__ import annotations

from memoryguard.common.errors import Rejected
from memoryguard.common.runtime.database import Pool
from memoryguard.common.security.keyring import VaultKey
from memoryguard.common.security.sealing import opened, sealed

MAX_KEY = 200


class GivenAnswers:
    """Keeps answers for a day; `sweeping` forgets them, and an erasure those about the person."""

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
        body = await self._pool.fetchval("select sealed from answer where answer_key = $1", name)
        return None if body is None else opened(body, self._seal(actor_id, key), name)

    async def keep(self, actor_id: str, key: str, answer: str, subject_id: str) -> None:
        """Keep an answer about somebody's scans; the first stays."""
        name = self._name(actor_id, key)
        await self._pool.execute(
            "insert into answer (answer_key, sealed, subject_id) values ($1, $2, $3)"
            " on conflict do nothing",
            *(name, sealed(answer, self._seal(actor_id, key), name), subject_id),
        )

    def _name(self, actor_id: str, key: str) -> str:
        return self._vault.arrival_key("answer", actor_id, key)

    def _seal(self, actor_id: str, key: str) -> str:
        return self._vault.arrival_key("answer seal", actor_id, key)
