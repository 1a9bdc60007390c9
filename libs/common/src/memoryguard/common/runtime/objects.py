# SPDX-License-Identifier: Apache-2.0
"""The object store: encrypted, write-once, one key for each subject.

What is held in memory: while an object is put its ciphertext, and its plain bytes as far as the
caller holds them (a stream is read piece by piece); while it is read, both. A conditional write is
one request in every store, so the ciphertext cannot be sent as it comes.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from memoryguard.common.contracts.events import ObjectRef
from memoryguard.common.errors import Corrupt, Rejected
from memoryguard.common.runtime import blobs
from memoryguard.common.runtime.blobs import Blob
from memoryguard.common.runtime.subject_keys import SubjectKeys
from memoryguard.common.security.envelope import CHUNK_BYTES, decrypt, encrypt
from memoryguard.common.security.keyring import KeyRing

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Store

_SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")


class ObjectStore:
    """Encrypted objects in a store.

    Parameters
    ----------
    store
        Made by `blobs.open_store`.
    keyring
        What the subjects' keys are wrapped with.
    keys_folder
        Where the wrapped keys lie; below ``keys``, which no object can be put into.

    Attributes
    ----------
    keys
        The subjects' keys.
    """

    def __init__(self, store: Store, keyring: KeyRing, keys_folder: str = "keys") -> None:
        self._store = store
        self.keys = SubjectKeys(store, keyring, keys_folder)

    async def put(self, path: str, subject_id: str, data: bytes | Iterable[bytes]) -> ObjectRef:
        """Encrypt and store an object, once.

        Storing the same plain bytes again is a success, so a replay does no harm. When the subject
        is erased meanwhile the object is taken away again: an erasure sees either the object or,
        here, its own marker.

        Raises
        ------
        Rejected
            ``subject_erased``, ``bad_object_path``.
        Corrupt
            ``object_conflict``: other bytes are already there.
        Unavailable
            ``object_store_unavailable``.
        """
        _check_path(path)
        key = await self.keys.get(subject_id, create=True)
        ref, sealed = await asyncio.to_thread(_seal, path, subject_id, key, data)
        if not await blobs.write(self._store, path, sealed, "create"):
            await self._check_same(ref, subject_id)
        if await self.keys.is_destroyed(subject_id):
            await blobs.delete(self._store, [path])
            raise _erased()
        return ref

    async def put_all(self, subject_id: str, objects: Mapping[str, bytes]) -> list[ObjectRef]:
        """Put small objects of one subject, by path: as `put`, but faster for many.

        Raises
        ------
        Rejected, Corrupt, Unavailable
            As `put`; some may be stored all the same.
        """
        for path in objects:
            _check_path(path)
        key = await self.keys.get(subject_id, create=True)
        sealed = await asyncio.to_thread(
            lambda: [_seal(path, subject_id, key, data) for path, data in objects.items()]
        )
        refs = [ref for ref, _ in sealed]
        there = await blobs.create_all(self._store, {ref.uri: pieces for ref, pieces in sealed})
        for ref in refs:
            if ref.uri in there:
                await self._check_same(ref, subject_id)
        if await self.keys.is_destroyed(subject_id):
            await blobs.delete(self._store, list(objects))
            raise _erased()
        return refs

    async def get(self, ref: ObjectRef, subject_id: str) -> bytes:
        """Read an object.

        Raises
        ------
        Rejected
            ``subject_erased``, ``bad_object_path``.
        Corrupt
            ``object_missing``, ``object_corrupt``.
        Unavailable
            ``object_store_unavailable``.
        """
        found = await self._open(ref.uri, subject_id)
        if found is None:
            raise Corrupt("object_missing", "an object that an event names is not in the store")
        plain, digest = found
        if len(plain) != ref.bytes or digest != ref.sha256:
            raise Corrupt("object_corrupt", "an object is not the one that the event names")
        return plain

    async def find(self, path: str, subject_id: str) -> bytes | None:
        """Read an object that no event names; None when it is not there.

        It is authentic: it was put under this path for this subject.

        Raises
        ------
        Rejected
            ``subject_erased``, ``bad_object_path``.
        Corrupt
            ``object_corrupt``.
        Unavailable
            ``object_store_unavailable``.
        """
        found = await self._open(path, subject_id)
        return None if found is None else found[0]

    async def list(self, folder: str) -> AsyncGenerator[Blob]:
        """List the objects below a folder, in no order. Sizes are those of the ciphertext.

        Raises
        ------
        Rejected
            ``bad_object_path``.
        Unavailable
            ``object_store_unavailable``.
        """
        _check_path(folder)
        async for blob in blobs.listed(self._store, folder):
            yield blob

    async def delete(self, paths: Iterable[str]) -> None:
        """Delete objects; what is not there is no error.

        Raises
        ------
        Rejected
            ``bad_object_path``: nothing was deleted.
        Unavailable
            ``object_store_unavailable``: some may be left.
        """
        wanted = list(paths)
        for path in wanted:
            _check_path(path)
        await blobs.delete(self._store, wanted)

    async def _open(self, path: str, subject_id: str) -> tuple[bytes, str] | None:
        """Give an object's plain bytes and their digest."""
        _check_path(path)
        key = await self.keys.get(subject_id)
        sealed = await blobs.read(self._store, path)
        if sealed is None:
            return None
        return await asyncio.to_thread(_unseal, path, subject_id, key, sealed)

    async def _check_same(self, ref: ObjectRef, subject_id: str) -> None:
        try:
            await self.get(ref, subject_id)
        except Corrupt as error:
            raise Corrupt(
                "object_conflict", "other bytes are already stored under this name"
            ) from error


def _erased() -> Rejected:
    return Rejected("subject_erased", "the key of this subject is destroyed")


def _seal(
    path: str, subject_id: str, key: bytes, data: bytes | Iterable[bytes]
) -> tuple[ObjectRef, list[bytes]]:
    digest = hashlib.sha256()
    length = 0

    def measured() -> Iterator[bytes | memoryview]:
        nonlocal length
        for piece in _pieces(data) if isinstance(data, bytes) else data:
            digest.update(piece)
            length += len(piece)
            yield piece

    sealed = list(encrypt(measured(), subject_key=key, object_id=path, subject_id=subject_id))
    return ObjectRef(uri=path, sha256=digest.hexdigest(), bytes=length), sealed


def _unseal(path: str, subject_id: str, key: bytes, sealed: memoryview) -> tuple[bytes, str]:
    plain, digest = io.BytesIO(), hashlib.sha256()
    for piece in decrypt(_pieces(sealed), subject_key=key, object_id=path, subject_id=subject_id):
        digest.update(piece)
        plain.write(piece)
    return plain.getvalue(), digest.hexdigest()


def _pieces(data: bytes | memoryview) -> Iterator[memoryview]:
    view = memoryview(data)
    return (view[at : at + CHUNK_BYTES] for at in range(0, len(view), CHUNK_BYTES))


def _check_path(path: str) -> None:
    segments = path.split("/")
    safe = all(_SEGMENT.fullmatch(segment) for segment in segments) and len(path) <= 500
    if not safe or segments[0] == "keys":
        raise Rejected("bad_object_path", "an object's path has forbidden characters")
