# SPDX-License-Identifier: Apache-2.0
"""The object store: encrypted, write-once, one key for each subject.

A subject's key lies wrapped at ``keys/<subject id>``. Erasing a subject overwrites it with a
marker, not merely deletes it: else a late writer would make a new key and the erased subject
would come back to life.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, from_url

from memoryguard.common.contracts.events import ObjectRef
from memoryguard.common.errors import Corrupt, Misconfigured, Rejected, Unavailable
from memoryguard.common.security.envelope import CHUNK_BYTES, KEY_BYTES, decrypt, encrypt
from memoryguard.common.security.keyring import KeyRing

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Store

ERASED = b"erased"
"""What stands in place of the key of an erased subject."""

_SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_SUBJECT = re.compile(r"[0-9a-f]{32}")


def open_store(address: str) -> Store:
    """Open a folder (path or ``file://``) or a bucket (``s3://``, ``gs://``, ``az://``).

    A folder is made when it is not there. Creation of an object is atomic in all of them; in a
    folder it is a hard link of a finished temporary file.

    Raises
    ------
    Misconfigured
        ``bad_object_store``.
    """
    parts = urlsplit(address)
    try:
        if parts.scheme in ("", "file"):
            folder = Path(unquote(parts.path) if parts.scheme else address).expanduser()
            return LocalStore(folder.absolute(), mkdir=True)
        return from_url(address)
    except (BaseError, OSError, ValueError) as error:
        raise Misconfigured(
            "bad_object_store",
            "the object store cannot be opened",
            "give a folder, or an address like s3://bucket/prefix",
        ) from error


class ObjectStore:
    """Encrypted objects in a store.

    Parameters
    ----------
    store
        Made by `open_store`.
    keyring
        The deployment's keys.
    """

    def __init__(self, store: Store, keyring: KeyRing) -> None:
        self._store = store
        self._keyring = keyring

    async def put(self, path: str, subject_id: str, data: bytes | Iterable[bytes]) -> ObjectRef:
        """Encrypt and store an object, once.

        Storing the same plain bytes again is a success, so a replay does no harm. The whole
        ciphertext is held in memory: a conditional write is one request in every store.

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
        key = await self._subject_key(subject_id, create=True)
        ref, sealed = await asyncio.to_thread(_seal, path, subject_id, key, data)
        await self._write(subject_id, ref, sealed)
        await self._sync([path])
        return ref

    async def put_all(self, subject_id: str, objects: Mapping[str, bytes]) -> list[ObjectRef]:
        """Store some small objects of one subject, by path: as `put`, but faster for many.

        Raises
        ------
        Rejected, Corrupt, Unavailable
            As `put`; some may be stored all the same.
        """
        for path in objects:
            _check_path(path)
        key = await self._subject_key(subject_id, create=True)
        sealed = await asyncio.to_thread(
            lambda: [_seal(path, subject_id, key, data) for path, data in objects.items()]
        )
        await asyncio.gather(*(self._write(subject_id, ref, data) for ref, data in sealed))
        await self._sync(list(objects))
        return [ref for ref, _ in sealed]

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
        _check_path(ref.uri)
        key = await self._subject_key(subject_id, create=False)
        sealed = await self._read(ref.uri)
        if sealed is None:
            raise Corrupt("object_missing", "an object that an event names is not in the store")
        plain = await asyncio.to_thread(_unseal, ref.uri, subject_id, key, sealed)
        if len(plain) != ref.bytes or hashlib.sha256(plain).hexdigest() != ref.sha256:
            raise Corrupt("object_corrupt", "an object is not the one that the event names")
        return plain

    async def delete(self, paths: Iterable[str]) -> None:
        """Delete objects; what is not there is no error."""
        for path in paths:
            _check_path(path)
            with suppress(FileNotFoundError):
                async with _reachable():
                    await self._store.delete_async(path)

    async def destroy_key(self, subject_id: str) -> None:
        """Make everything of a subject unreadable, for ever. Doing it twice is no error.

        Raises
        ------
        Unavailable
            ``object_store_unavailable``.
        """
        async with _reachable():
            await self._store.put_async(_key_path(subject_id), ERASED, mode="overwrite")

    async def _write(self, subject_id: str, ref: ObjectRef, sealed: bytes) -> None:
        try:
            async with _reachable():
                await self._store.put_async(ref.uri, sealed, mode="create", use_multipart=False)
        except AlreadyExistsError:
            await self._check_same(ref, subject_id)

    async def _sync(self, paths: Sequence[str]) -> None:
        """Make objects in a folder survive a loss of power; a bucket does so by itself."""
        if isinstance(self._store, LocalStore) and self._store.prefix is not None:
            async with _reachable():
                await asyncio.to_thread(_sync_files, Path(self._store.prefix), paths)

    async def _check_same(self, ref: ObjectRef, subject_id: str) -> None:
        try:
            await self.get(ref, subject_id)
        except Corrupt as error:
            raise Corrupt(
                "object_conflict", "other bytes are already stored under this name"
            ) from error

    async def _subject_key(self, subject_id: str, *, create: bool) -> bytes:
        path = _key_path(subject_id)
        token = await self._read(path)
        if token is None and create:
            token = await self._create_key(path, subject_id)
        if token is None or token == ERASED:
            raise Rejected("subject_erased", "the key of this subject is destroyed")
        return self._keyring.unwrap(token, subject_id)

    async def _create_key(self, path: str, subject_id: str) -> bytes | None:
        """Store a new key, or give the one that somebody else stored at the same moment."""
        token = self._keyring.wrap(os.urandom(KEY_BYTES), subject_id)
        try:
            async with _reachable():
                await self._store.put_async(path, token, mode="create")
        except AlreadyExistsError:
            return await self._read(path)
        await self._sync([path])
        return token

    async def _read(self, path: str) -> bytes | None:
        try:
            async with _reachable():
                result = await self._store.get_async(path)
                return bytes(await result.bytes_async())
        except FileNotFoundError:
            return None


@asynccontextmanager
async def _reachable() -> AsyncGenerator[None]:
    """Say "unavailable" of everything the store did not do, but for "exists" and "not there"."""
    try:
        yield
    except (AlreadyExistsError, FileNotFoundError):
        raise
    except (BaseError, OSError) as error:
        raise Unavailable(
            "object_store_unavailable", "the object store did not answer", "is it running?"
        ) from error


def _sync_files(root: Path, paths: Sequence[str]) -> None:
    """Write files and the folders that name them to the disk."""
    files = [root / path for path in paths]
    folders = {folder for file in files for folder in file.relative_to(root).parents}
    for place in (*files, *(root / folder for folder in folders)):
        handle = os.open(place, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _seal(
    path: str, subject_id: str, key: bytes, data: bytes | Iterable[bytes]
) -> tuple[ObjectRef, bytes]:
    digest = hashlib.sha256()
    length = 0

    def measured() -> Iterator[bytes]:
        nonlocal length
        for piece in _pieces(data):
            digest.update(piece)
            length += len(piece)
            yield piece

    sealed = b"".join(encrypt(measured(), subject_key=key, object_id=path, subject_id=subject_id))
    return ObjectRef(uri=path, sha256=digest.hexdigest(), bytes=length), sealed


def _unseal(path: str, subject_id: str, key: bytes, sealed: bytes) -> bytes:
    pieces = decrypt(_pieces(sealed), subject_key=key, object_id=path, subject_id=subject_id)
    return b"".join(pieces)


def _pieces(data: bytes | Iterable[bytes]) -> Iterable[bytes]:
    if not isinstance(data, bytes):
        return data
    return (data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES))


def _check_path(path: str) -> None:
    segments = path.split("/")
    safe = all(_SEGMENT.fullmatch(segment) for segment in segments) and len(path) <= 500
    if not safe or segments[0] == "keys":
        raise Rejected("bad_object_path", "an object's path has forbidden characters")


def _key_path(subject_id: str) -> str:
    if not _SUBJECT.fullmatch(subject_id):
        raise Rejected("bad_subject_id", "a subject id is 32 hexadecimal digits")
    return f"keys/{subject_id}"
