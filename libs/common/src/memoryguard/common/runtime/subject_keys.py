# SPDX-License-Identifier: Apache-2.0
"""The wrapped key of each person: made once, rotated, destroyed for ever.

It lies at ``<folder>/<subject id>``. Erasing a person overwrites it with a marker, not merely
deletes it: else a late writer would make a new key and the person would come back to life.

A folder has no conditional write, so nothing in the store keeps a rotation from writing over a
marker that has just been set. Whoever overwrites a key therefore holds ``hold`` meanwhile: a lock
in the database that all of a deployment share.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from memoryguard.common.errors import Rejected
from memoryguard.common.runtime import blobs
from memoryguard.common.runtime.database import Connection, lock
from memoryguard.common.security.envelope import KEY_BYTES
from memoryguard.common.security.keyring import KeyRing

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Store

ERASED = b"erased"
"""What stands in place of the key of an erased subject."""

_SUBJECT = re.compile(r"[0-9a-f]{32}")


async def hold(transaction: Connection) -> None:
    """Keep others from overwriting keys until the end of the transaction."""
    await lock(transaction, "subject keys")


class SubjectKeys:
    """Wrapped keys in a store.

    Parameters
    ----------
    store
        Made by `blobs.open_store`.
    keyring
        What the keys are wrapped with.
    folder
        Where they lie.
    """

    def __init__(self, store: Store, keyring: KeyRing, folder: str = "keys") -> None:
        self._store = store
        self._keyring = keyring
        self._folder = folder

    async def get(self, subject_id: str, *, create: bool = False) -> bytes:
        """Give a subject's key.

        Raises
        ------
        Rejected
            ``subject_erased``, ``bad_subject_id``.
        Corrupt
            ``subject_key_corrupt``.
        Unavailable
            ``object_store_unavailable``.
        """
        token = await self._read(subject_id)
        if token is None and create:
            token = await self._create(subject_id)
        if token is None or token == ERASED:
            raise Rejected("subject_erased", "the key of this subject is destroyed")
        return self._keyring.unwrap(token, subject_id)

    async def exists(self, subject_id: str) -> bool:
        """Whether a subject has, or had, a key."""
        return await self._read(subject_id) is not None

    async def is_destroyed(self, subject_id: str) -> bool:
        """Whether a subject was erased."""
        return await self._read(subject_id) == ERASED

    async def destroy(self, subject_id: str) -> None:
        """Make everything of a subject unreadable, for ever. Doing it twice is no error.

        The caller has ``hold``.
        """
        await self._overwrite(subject_id, ERASED)

    async def rewrap(self, subject_id: str) -> bool:
        """Wrap a subject's key under the first key of the ring; whether it was under another.

        The caller has ``hold``: what is erased stays erased.

        Raises
        ------
        Corrupt
            ``subject_key_corrupt``: no key of the ring opens it.
        """
        token = await self._read(subject_id)
        if token is None or token == ERASED or self._keyring.place(token) == 0:
            return False
        key = self._keyring.unwrap(token, subject_id)
        await self._overwrite(subject_id, self._keyring.wrap(key, subject_id))
        return True

    async def place(self, subject_id: str) -> int | None:
        """Position in the ring of the key that a subject's key is wrapped with.

        None when the subject is erased or has no key.

        Raises
        ------
        Corrupt
            ``subject_key_corrupt``: no key of the ring opens it.
        """
        token = await self._read(subject_id)
        return None if token is None or token == ERASED else self._keyring.place(token)

    async def subjects(self) -> AsyncGenerator[str]:
        """List everybody who has, or had, a key."""
        async for blob in blobs.listed(self._store, self._folder):
            folder, _, subject_id = blob.path.rpartition("/")
            if folder == self._folder and _SUBJECT.fullmatch(subject_id):
                yield subject_id

    async def _create(self, subject_id: str) -> bytes | None:
        """Store a new key, or give the one that somebody else stored at the same moment."""
        token = self._keyring.wrap(os.urandom(KEY_BYTES), subject_id)
        if await blobs.write(self._store, self._path(subject_id), [token], "create"):
            return token
        return await self._read(subject_id)

    async def _read(self, subject_id: str) -> bytes | None:
        found = await blobs.read(self._store, self._path(subject_id))
        return None if found is None else bytes(found)

    async def _overwrite(self, subject_id: str, token: bytes) -> None:
        await blobs.write(self._store, self._path(subject_id), [token], "overwrite")

    def _path(self, subject_id: str) -> str:
        if not _SUBJECT.fullmatch(subject_id):
            raise Rejected("bad_subject_id", "a subject id is 32 hexadecimal digits")
        return f"{self._folder}/{subject_id}"
