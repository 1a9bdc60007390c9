# SPDX-License-Identifier: Apache-2.0
"""Object stores that lack what ours does, for the same checks."""

from __future__ import annotations

import hashlib
from typing import Any

from obstore.store import MemoryStore

from memoryguard.common.contracts.events import ObjectRef
from memoryguard.common.runtime import blobs


class Plain:
    """Stores what it is given, as it is, and gives back what is there."""

    def __init__(self, store: Any) -> None:
        self._store = store

    async def put(self, path: str, subject_id: str, data: bytes) -> ObjectRef:
        await blobs.write(self._store, path, [data], "create")
        return ObjectRef(uri=path, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))

    async def get(self, ref: ObjectRef, subject_id: str) -> bytes:
        found = await blobs.read(self._store, ref.uri)
        assert found is not None
        return bytes(found)


class Overwriting:
    """A store that creates what is there already."""

    def __init__(self) -> None:
        self._store = MemoryStore()

    async def put_async(self, path: str, pieces: Any, **_: Any) -> Any:
        return await self._store.put_async(path, pieces, mode="overwrite")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
