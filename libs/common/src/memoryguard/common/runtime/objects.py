# SPDX-License-Identifier: Apache-2.0
"""The object store: encrypted, write-once, one key for each subject.

What is held in memory, besides what the caller gives or gets: in a folder a few pieces of 1 MiB;
with a bucket the ciphertext, since a conditional write is one request and a read is one answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memoryguard.common.contracts.events import ObjectRef
from memoryguard.common.errors import Corrupt, Rejected
from memoryguard.common.runtime import blobs
from memoryguard.common.runtime.blobs import Blob
from memoryguard.common.runtime.subject_keys import SubjectKeys
from memoryguard.common.security.envelope import (
    CHUNK_BYTES,
    HEADER_BYTES,
    TAG_BYTES,
    decrypt,
    encrypt,
    sealed_bytes,
)
from memoryguard.common.security.keyring import KeyRing

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Store

_SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Part:
    """An object that lies in a blob together with others.

    Parameters
    ----------
    uri
        Of the blob.
    at, stored_bytes
        Where its ciphertext begins, and how long it is.
    bytes
        How long it is itself.
    """

    uri: str
    at: int
    stored_bytes: int
    bytes: int


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
        with Meter(data) as plain:
            sealed = encrypt(plain, subject_key=key, object_id=path, subject_id=subject_id)
            new = await blobs.write(self._store, path, sealed, "create")
            ref = ObjectRef(uri=path, sha256=plain.sha256(), bytes=plain.length)
        if not new:
            await self._check_same(ref, subject_id)
        if await self.keys.is_destroyed(subject_id):
            await blobs.delete(self._store, [path])
            raise _erased()
        return ref

    async def put_parts(self, path: str, subject_id: str, contents: Sequence[bytes]) -> list[Part]:
        """Put small objects of one subject into one blob, which is written at once.

        Each is sealed for itself and bound to its place in the blob.

        Raises
        ------
        Rejected
            ``subject_erased``, ``bad_object_path``.
        Corrupt
            ``object_conflict``: something is already there.
        Unavailable
            ``object_store_unavailable``.
        """
        _check_path(path)
        key = await self.keys.get(subject_id, create=True)
        parts = _parts(path, contents)
        sealed = _sealed_parts(parts, contents, key, subject_id)
        if not await blobs.write(self._store, path, sealed, "create"):
            raise Corrupt("object_conflict", "something is already stored under this name")
        if await self.keys.is_destroyed(subject_id):
            await blobs.delete(self._store, [path])
            raise _erased()
        return parts

    async def get_parts(self, parts: Sequence[Part], subject_id: str) -> list[bytes]:
        """Read parts of one subject's blobs.

        Raises
        ------
        Rejected
            ``subject_erased``, ``bad_object_path``.
        Corrupt
            ``object_missing``, ``object_corrupt``.
        Unavailable
            ``object_store_unavailable``.
        """
        key = await self.keys.get(subject_id)
        plain: dict[Part, bytes] = {}
        for path in {part.uri: None for part in parts}:
            _check_path(path)
            theirs = [part for part in parts if part.uri == path]
            ranges = [(part.at, part.stored_bytes) for part in theirs]
            try:
                sealed = await blobs.read_ranges(self._store, path, ranges)
            except FileNotFoundError:
                raise _missing() from None
            opened = await asyncio.to_thread(_opened_parts, theirs, sealed, key, subject_id)
            plain |= dict(zip(theirs, opened, strict=True))
        return [plain[part] for part in parts]

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
            raise _missing()
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

    async def exists(self, path: str) -> bool:
        """Whether an object is there.

        Raises
        ------
        Rejected
            ``bad_object_path``.
        Unavailable
            ``object_store_unavailable``.
        """
        _check_path(path)
        return await blobs.exists(self._store, path)

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
        try:
            sealed = await blobs.stream(self._store, path, HEADER_BYTES, CHUNK_BYTES + TAG_BYTES)
            pieces = decrypt(sealed, subject_key=key, object_id=path, subject_id=subject_id)
            async with blobs.reachable():
                with Meter(pieces) as plain:
                    return await asyncio.to_thread(plain.read), plain.sha256()
        except FileNotFoundError:
            return None

    async def _check_same(self, ref: ObjectRef, subject_id: str) -> None:
        try:
            await self.get(ref, subject_id)
        except Corrupt as error:
            raise Corrupt(
                "object_conflict", "other bytes are already stored under this name"
            ) from error


def _parts(path: str, contents: Sequence[bytes]) -> list[Part]:
    """Lay out a blob."""
    parts: list[Part] = []
    at = 0
    for data in contents:
        parts.append(Part(path, at, sealed_bytes(len(data)), len(data)))
        at += parts[-1].stored_bytes
    return parts


def _sealed_parts(
    parts: Sequence[Part], contents: Sequence[bytes], key: bytes, subject_id: str
) -> Iterator[bytes]:
    """Encrypt as it is written: no more than a piece of ciphertext is held."""
    for part, data in zip(parts, contents, strict=True):
        object_id = _part_id(part.uri, part.at)
        yield from encrypt([data], subject_key=key, object_id=object_id, subject_id=subject_id)


def _opened_parts(
    parts: Sequence[Part], sealed: Sequence[bytes | memoryview], key: bytes, subject_id: str
) -> list[bytes]:
    opened: list[bytes] = []
    for part, piece in zip(parts, sealed, strict=True):
        object_id = _part_id(part.uri, part.at)
        plain = decrypt([piece], subject_key=key, object_id=object_id, subject_id=subject_id)
        opened.append(b"".join(plain))
    return opened


def _part_id(path: str, at: int) -> str:
    """Name a part as no object is named."""
    return f"{path}#{at}"


def _missing() -> Corrupt:
    return Corrupt("object_missing", "an object that was stored is not in the store")


def _erased() -> Rejected:
    return Rejected("subject_erased", "the key of this subject is destroyed")


class Meter:
    """Passes plain bytes on, and counts and hashes them on the way.

    Hashing takes as long as all the rest together, so it is done beside it, one piece at a time.

    Parameters
    ----------
    data
        The bytes, or pieces of them; nobody may write into these any more.
    """

    def __init__(self, data: bytes | Iterable[bytes]) -> None:
        self._data = _pieces(data) if isinstance(data, bytes) else data
        self._hash = hashlib.sha256()
        self._beside: ThreadPoolExecutor | None = None
        self._hashed: Future[None] | None = None
        self.length = 0

    def __enter__(self) -> Meter:
        """Begin; the thread starts with the second piece."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the thread."""
        if self._beside:
            self._beside.shutdown()

    def __iter__(self) -> Iterator[bytes | memoryview]:
        """Give the pieces on."""
        for piece in self._data:
            if not self.length:
                self._hash.update(piece)
            else:
                self._hash_beside(piece)
            self.length += len(piece)
            yield piece

    def sha256(self) -> str:
        """Give the digest of all that has passed."""
        if self._hashed:
            self._hashed.result()
        return self._hash.hexdigest()

    def read(self) -> bytes:
        """Take all of it."""
        whole = io.BytesIO()
        for piece in self:
            whole.write(piece)
        return whole.getvalue()

    def _hash_beside(self, piece: bytes | memoryview) -> None:
        if self._hashed:
            self._hashed.result()
        self._beside = self._beside or ThreadPoolExecutor(1)
        self._hashed = self._beside.submit(self._hash.update, piece)


def _pieces(data: bytes) -> Iterator[memoryview]:
    view = memoryview(data)
    return (view[at : at + CHUNK_BYTES] for at in range(0, len(view), CHUNK_BYTES))


def _check_path(path: str) -> None:
    segments = path.split("/")
    safe = all(_SEGMENT.fullmatch(segment) for segment in segments) and len(path) <= 500
    if not safe or segments[0] == "keys":
        raise Rejected("bad_object_path", "an object's path has forbidden characters")
