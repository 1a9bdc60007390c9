# SPDX-License-Identifier: Apache-2.0
"""Bytes under names, in a folder or a bucket: opened, written durably, read, listed, deleted.

What is written lies on the disk when the call returns: of a bucket its service sees to that, of a
folder we do. Else a power cut could take back an upload that was acknowledged, or an erasure.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
import secrets
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote, urlsplit

from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, from_url

from memoryguard.common.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Store

_UNFINISHED = re.compile(r"#\d+$")


@dataclass(frozen=True, slots=True)
class Blob:
    """Something that lies in a store: its path, its size as stored, and when it was written."""

    path: str
    stored_bytes: int
    written_at: datetime


def open_store(address: str) -> Store:
    """Open a folder (path or ``file://``) or a bucket (``s3://``, ``gs://``, ``az://``).

    A folder is made when it is not there. Creation of an object is atomic in all of them; in a
    folder it is a hard link of a finished file.

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


async def write(
    store: Store, path: str, pieces: Iterable[bytes], mode: Literal["create", "overwrite"]
) -> bool:
    """Write a blob; False when it is to be created and is there already.

    The pieces are asked for in a thread. A folder takes each as it comes; a bucket wants one
    request, for which all of them are held.

    Raises
    ------
    Unavailable
        ``object_store_unavailable``.
    """
    try:
        async with reachable():
            if isinstance(store, LocalStore):
                await asyncio.to_thread(_write_file, _root(store), path, pieces, mode)
            else:
                held = await asyncio.to_thread(list, pieces)
                await store.put_async(path, held, mode=mode, use_multipart=False)
    except (AlreadyExistsError, FileExistsError):
        return False
    return True


async def read(store: Store, path: str) -> memoryview | None:
    """Read a blob; None when it is not there.

    Raises
    ------
    Unavailable
        ``object_store_unavailable``.
    """
    try:
        async with reachable():
            if isinstance(store, LocalStore):  # one way through a thread instead of two
                return memoryview(await asyncio.to_thread((_root(store) / path).read_bytes))
            result = await store.get_async(path)
            return memoryview(await result.bytes_async())
    except FileNotFoundError:
        return None


async def read_ranges(
    store: Store, path: str, ranges: Sequence[tuple[int, int]]
) -> list[bytes | memoryview]:
    """Read parts of a blob, each given by its first byte and its size; short where it ends before.

    Raises
    ------
    FileNotFoundError
        It is not there.
    Unavailable
        ``object_store_unavailable``.
    """
    if isinstance(store, LocalStore):
        async with reachable():
            return await asyncio.to_thread(_read_ranges, _root(store) / path, ranges)
    starts, ends = [at for at, _ in ranges], [at + size for at, size in ranges]
    async with reachable():
        if (await store.head_async(path))["size"] < max(ends):  # else it would be an error
            return [b"" for _ in ranges]
        found = await store.get_ranges_async(path, starts=starts, ends=ends)
        return [memoryview(piece) for piece in found]


async def exists(store: Store, path: str) -> bool:
    """Whether a blob is there.

    Raises
    ------
    Unavailable
        ``object_store_unavailable``.
    """
    try:
        async with reachable():
            await store.head_async(path)
    except FileNotFoundError:
        return False
    return True


async def stream(store: Store, path: str, first: int, size: int) -> Iterable[bytes | memoryview]:
    """Read a blob in pieces, which the caller takes in a thread, within `reachable`.

    A folder gives ``first`` bytes and then ``size`` bytes at a time; a bucket, all in one.

    Raises
    ------
    FileNotFoundError
        Here or when the first piece is taken.
    Unavailable
        ``object_store_unavailable``.
    """
    if isinstance(store, LocalStore):
        return _read_file(_root(store) / path, first, size)
    found = await read(store, path)
    if found is None:
        raise FileNotFoundError
    return [found]


async def listed(store: Store, folder: str) -> AsyncGenerator[Blob]:
    """List what lies below a folder, in no order.

    Raises
    ------
    Unavailable
        ``object_store_unavailable``.
    """
    async with reachable():
        async for batch in store.list(folder):
            for meta in batch:
                yield Blob(meta["path"], meta["size"], meta["last_modified"])


async def delete(store: Store, paths: Sequence[str]) -> None:
    """Delete blobs; what is not there is no error.

    Raises
    ------
    Unavailable
        ``object_store_unavailable``.
    """
    async with reachable():
        try:
            await store.delete_async(paths)
        except FileNotFoundError:  # a folder stops there
            for path in paths:
                with contextlib.suppress(FileNotFoundError):
                    await store.delete_async(path)


async def clear_unfinished(store: Store, before: datetime) -> int:
    """Delete files that a killed writer has not finished, and whose last byte is that old.

    No list shows them. A bucket has none: there a blob is written by one request.

    Returns
    -------
    int
        How many there were.

    Raises
    ------
    Unavailable
        ``object_store_unavailable``.
    """
    if not isinstance(store, LocalStore):
        return 0
    async with reachable():
        return await asyncio.to_thread(_clear_unfinished, _root(store), before.timestamp())


@asynccontextmanager
async def reachable() -> AsyncGenerator[None]:
    """Say "unavailable" of everything the store did not do, but for "exists" and "not there"."""
    try:
        yield
    except (AlreadyExistsError, FileExistsError, FileNotFoundError):
        raise
    except (BaseError, OSError) as error:
        raise Unavailable(
            "object_store_unavailable", "the object store did not answer", "is it running?"
        ) from error


def _root(store: LocalStore) -> Path:
    return Path(str(store.prefix))


def _read_file(place: Path, first: int, size: int) -> Iterator[bytes]:
    with place.open("rb", buffering=0) as file:
        piece = file.read(first)
        while piece:
            yield piece
            piece = file.read(size)


def _read_ranges(place: Path, ranges: Sequence[tuple[int, int]]) -> list[bytes | memoryview]:
    with place.open("rb", buffering=0) as file:
        return [os.pread(file.fileno(), size, at) for at, size in ranges]


def _write_file(root: Path, path: str, pieces: Iterable[bytes], mode: str) -> None:
    """Write a file so that a power cut leaves all of it or nothing: the library never syncs.

    Names that end in ``#`` and digits are what the library itself gives to unfinished files: it
    lists none of them.
    """
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_name(f"{place.name}#{secrets.randbits(64)}")
    try:
        with fresh.open("xb", buffering=0) as file:
            for piece in pieces:
                _write_all(file, piece)
            os.fsync(file.fileno())
        if mode == "create":
            os.link(fresh, place)
        else:
            fresh.replace(place)
    finally:
        fresh.unlink(missing_ok=True)
    for folder in PurePosixPath(path).parents:  # the root too: each may be new
        _sync_folder(root / folder)


def _clear_unfinished(root: Path, before_s: float) -> int:
    cleared = 0
    for place in root.rglob("*#*"):
        with contextlib.suppress(FileNotFoundError):  # it was finished at this moment
            if _UNFINISHED.search(place.name) and place.stat().st_mtime < before_s:
                place.unlink()
                cleared += 1
    return cleared


def _write_all(file: io.FileIO, piece: bytes) -> None:
    """Write all of it: one call may take less, at most 2 GiB for instance."""
    view = memoryview(piece)
    while len(view):
        view = view[file.write(view) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
