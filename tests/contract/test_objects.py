# SPDX-License-Identifier: Apache-2.0
"""One suite for every object store: what we rely on holds in a folder and over S3."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import tracemalloc
from collections.abc import AsyncGenerator, Generator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import pytest_asyncio
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

from memoryguard.common.contracts.events import ObjectRef
from memoryguard.common.errors import Corrupt, Misconfigured, Rejected, Unavailable
from memoryguard.common.runtime import blobs
from memoryguard.common.runtime.blobs import open_store
from memoryguard.common.runtime.objects import ObjectStore
from memoryguard.common.security.envelope import CHUNK_BYTES
from memoryguard.common.security.keyring import KeyRing

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Store

SUBJECT, OTHER = "a" * 32, "b" * 32
RING = KeyRing([base64.urlsafe_b64encode(bytes(32)).decode()])
PATH = "scans/x/1.bin"
LOGIN: dict[str, Any] = {"region": "us-east-1", "access_key_id": "x", "secret_access_key": "y"}


@pytest.fixture(scope="module")
def s3_url() -> Generator[str]:
    """An S3-compatible server with an empty bucket named ``objects``."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    boto3.client(
        "s3",
        endpoint_url=url,
        region_name=LOGIN["region"],
        aws_access_key_id=LOGIN["access_key_id"],
        aws_secret_access_key=LOGIN["secret_access_key"],
    ).create_bucket(Bucket="objects")
    yield url
    server.stop()


@pytest_asyncio.fixture(params=["folder", "s3"])
async def raw(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Store]:
    """An empty store."""
    if request.param == "folder":
        yield open_store(str(tmp_path / "new folder"))
        return
    url: str = request.getfixturevalue("s3_url")
    store = S3Store("objects", endpoint=url, client_options={"allow_http": True}, **LOGIN)
    yield store
    await blobs.delete(store, [blob.path async for blob in blobs.listed(store, "")])


@pytest.fixture
def objects(raw: Store) -> ObjectStore:
    return ObjectStore(raw, RING)


async def stored(raw: Store, path: str) -> bytearray:
    """Bytes as they lie in the store."""
    found = await blobs.read(raw, path)
    assert found is not None
    return bytearray(found)


async def test_what_was_put_comes_back(objects: ObjectStore) -> None:
    data = bytes(range(256)) * 9000
    ref = await objects.put(PATH, SUBJECT, data)
    assert ref == ObjectRef(uri=PATH, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
    assert await objects.get(ref, SUBJECT) == data


async def test_a_stream_and_an_empty_object_work(objects: ObjectStore) -> None:
    ref = await objects.put("a", SUBJECT, (bytes([n]) * CHUNK_BYTES for n in range(3)))
    assert await objects.get(ref, SUBJECT) == b"".join(bytes([n]) * CHUNK_BYTES for n in range(3))
    empty = await objects.put("b", SUBJECT, b"")
    assert await objects.get(empty, SUBJECT) == b""


@pytest.mark.control("164.312(c)(1)", "write-once")
async def test_putting_the_same_again_is_a_success_and_other_bytes_are_not(
    objects: ObjectStore,
) -> None:
    first = await objects.put(PATH, SUBJECT, b"one")
    assert await objects.put(PATH, SUBJECT, b"one") == first
    with pytest.raises(Corrupt) as error:
        await objects.put(PATH, SUBJECT, b"two")
    assert error.value.code == "object_conflict"
    with pytest.raises(Corrupt):
        await objects.put(PATH, OTHER, b"one")
    assert await objects.get(first, SUBJECT) == b"one"


async def test_parts_of_a_blob_come_back_in_any_order(objects: ObjectStore) -> None:
    large = bytes(range(256)) * (CHUNK_BYTES // 200)
    contents = [b"one", b"", large, b"three"]
    here = await objects.put_parts("staging/x/1", SUBJECT, contents)
    there = await objects.put_parts("staging/x/2", SUBJECT, [b"four"])
    wanted = [there[0], here[3], here[0], here[2], here[1], here[0]]
    plain = await objects.get_parts(wanted, SUBJECT)
    assert plain == [b"four", b"three", b"one", large, b"", b"one"]
    assert [part.bytes for part in here] == list(map(len, contents))
    with pytest.raises(Corrupt, match="object_conflict"):
        await objects.put_parts("staging/x/2", SUBJECT, [b"four"])


async def test_a_part_that_is_altered_cut_moved_or_gone_is_corrupt(
    objects: ObjectStore, raw: Store
) -> None:
    one, two = await objects.put_parts("staging/x/1", SUBJECT, [b"1" * 100, b"2" * 200])
    for wrong in ({"at": two.at}, {"at": 1}, {"stored_bytes": 50}, {"at": 10_000}):
        with pytest.raises(Corrupt, match="object_corrupt"):
            await objects.get_parts([replace(one, **wrong)], SUBJECT)
    with pytest.raises(Corrupt, match="object_missing"):
        await objects.get_parts([replace(one, uri="staging/x/2")], SUBJECT)
    with pytest.raises(Rejected, match="subject_erased"):
        await objects.get_parts([one], OTHER)
    sealed = await stored(raw, "staging/x/1")
    swapped = sealed[two.at :] + sealed[: two.at]
    for other in (swapped, sealed[:-1], bytes([*sealed[:-1], sealed[-1] ^ 1])):
        await blobs.write(raw, "staging/x/1", [bytes(other)], "overwrite")
        with pytest.raises(Corrupt, match="object_corrupt"):
            await objects.get_parts([two], SUBJECT)


async def test_many_writers_at_once_agree_on_one_key(objects: ObjectStore) -> None:
    refs = await asyncio.gather(
        *(objects.put(f"o/{n}", SUBJECT, str(n).encode()) for n in range(30))
    )
    read = await asyncio.gather(*(objects.get(ref, SUBJECT) for ref in refs))
    assert read == [str(n).encode() for n in range(30)]


@pytest.mark.control("164.312(a)(2)(iv)", "objects")
def test_nothing_in_the_folder_is_plain(tmp_path: Path) -> None:
    objects = ObjectStore(open_store(tmp_path.as_uri()), RING)
    asyncio.run(objects.put(PATH, SUBJECT, b"SECRETNAME" * 1000))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 2
    assert not any(b"SECRETNAME" in path.read_bytes() for path in files)


@pytest.mark.control("164.312(c)(2)", "objects")
async def test_an_altered_cut_swapped_or_missing_object_is_corrupt(
    objects: ObjectStore, raw: Store
) -> None:
    one = await objects.put("one", SUBJECT, b"1" * 100)
    two = await objects.put("two", SUBJECT, b"2" * 100)
    sealed = await stored(raw, "one")
    flipped = sealed.copy()
    flipped[-1] ^= 1
    for other in (flipped, sealed[:-1], sealed + b"x", b"", await stored(raw, "two")):
        await blobs.write(raw, "one", [bytes(other)], "overwrite")
        with pytest.raises(Corrupt) as error:
            await objects.get(one, SUBJECT)
        assert error.value.code == "object_corrupt"
    await blobs.write(raw, "one", [bytes(sealed)], "overwrite")
    assert await objects.get(one, SUBJECT) == b"1" * 100
    for wrong in ({"sha256": one.sha256}, {"bytes": 2}, {"uri": "one"}):
        with pytest.raises(Corrupt):
            await objects.get(two.model_copy(update=wrong), SUBJECT)
    with pytest.raises(Corrupt) as error:
        await objects.get(two.model_copy(update={"uri": "three"}), SUBJECT)
    assert error.value.code == "object_missing"


@pytest.mark.control("164.312(a)(2)(iv)", "objects")
async def test_another_subject_opens_nothing(objects: ObjectStore) -> None:
    ref = await objects.put(PATH, SUBJECT, b"x")
    await objects.put("own", OTHER, b"y")
    with pytest.raises(Corrupt):
        await objects.get(ref, OTHER)


async def test_an_erased_subject_stays_erased(objects: ObjectStore) -> None:
    ref = await objects.put(PATH, SUBJECT, b"x")
    kept = await objects.put("kept", OTHER, b"y")
    await objects.keys.destroy(SUBJECT)
    await objects.keys.destroy(SUBJECT)
    for attempt in (objects.get(ref, SUBJECT), objects.put("new", SUBJECT, b"x")):
        with pytest.raises(Rejected) as error:
            await attempt
        assert error.value.code == "subject_erased"
    assert await objects.get(kept, OTHER) == b"y"
    assert await objects.keys.is_destroyed(SUBJECT)
    assert not await objects.keys.is_destroyed(OTHER)


async def test_what_is_put_while_its_subject_is_erased_does_not_stay(
    objects: ObjectStore,
) -> None:
    erased = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slowly() -> Iterator[bytes]:
        yield b"first half"
        asyncio.run_coroutine_threadsafe(erase(), loop).result(timeout=30)
        yield b"second half"

    async def erase() -> None:
        await objects.keys.destroy(SUBJECT)
        await objects.delete([blob.path async for blob in objects.list("scans")])
        erased.set()

    with pytest.raises(Rejected) as error:
        await objects.put(PATH, SUBJECT, slowly())
    assert error.value.code == "subject_erased"
    assert erased.is_set()
    assert [blob.path async for blob in objects.list("scans")] == []


async def test_objects_are_listed_by_folder_and_deleted_once_or_twice(
    objects: ObjectStore,
) -> None:
    paths = [f"staging/{name}" for name in ("a/1", "a/2", "ab/1")]
    for path in paths:
        await objects.put(path, SUBJECT, b"x" * 10)
    found = [blob async for blob in objects.list("staging/a")]
    assert sorted(blob.path for blob in found) == paths[:2]
    assert [await objects.exists(path) for path in (*paths, "staging/a")] == [True] * 3 + [False]
    assert all(blob.stored_bytes == 64 + 10 + 16 for blob in found)
    assert len({blob.written_at.tzinfo for blob in found}) == 1
    await objects.delete(["staging/none", *paths[:2], "staging/none"])
    await objects.delete(paths[:2])
    await objects.delete([])
    assert [blob.path async for blob in objects.list("staging")] == paths[2:]
    assert [blob async for blob in objects.list("nothing")] == []


async def test_keys_cannot_be_deleted_or_listed_as_objects(objects: ObjectStore) -> None:
    kept = await objects.put("kept", SUBJECT, b"x")
    for attempt in (objects.delete(["kept", f"keys/{SUBJECT}"]), anext(objects.list("keys"))):
        with pytest.raises(Rejected):
            await attempt
    assert await objects.get(kept, SUBJECT) == b"x"
    assert [subject async for subject in objects.keys.subjects()] == [SUBJECT]


@pytest.mark.control("164.312(c)(1)", "write-once")
async def test_of_many_who_write_one_object_one_does(raw: Store) -> None:
    tried = [bytes([n]) * 50_000 for n in range(8)]
    won = await asyncio.gather(*(blobs.write(raw, "race", [body], "create") for body in tried))
    assert sum(won) == 1
    assert await stored(raw, "race") == tried[won.index(True)]


async def test_a_folder_takes_a_stream_as_it_comes(tmp_path: Path) -> None:
    objects = ObjectStore(open_store(str(tmp_path)), RING)
    await objects.put("first", SUBJECT, b"")
    size = 48
    tracemalloc.start()
    await objects.put("big", SUBJECT, (bytes([n]) * CHUNK_BYTES for n in range(size)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * CHUNK_BYTES


async def test_a_folder_takes_parts_one_after_the_other(tmp_path: Path) -> None:
    objects = ObjectStore(open_store(str(tmp_path)), RING)
    contents = [bytes([n]) * CHUNK_BYTES for n in range(24)]
    tracemalloc.start()
    await objects.put_parts("staging/x/1", SUBJECT, contents)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * CHUNK_BYTES


async def test_what_is_whole_is_not_cleared_away(raw: Store) -> None:
    await blobs.write(raw, "a/b/whole", [b"1"], "create")
    assert await blobs.clear_unfinished(raw, datetime.now(UTC) + timedelta(hours=1)) == 0
    assert await stored(raw, "a/b/whole") == b"1"


async def test_a_folder_holds_whole_files_and_nothing_else(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    assert await blobs.write(store, "a/b/c", [b"1", b"2"], "create")
    assert not await blobs.write(store, "a/b/c", [b"3"], "create")
    assert await blobs.write(store, "a/b/d", [b"4"], "overwrite")
    assert await blobs.write(store, "a/b/d", [b"5"], "overwrite")
    assert _files(tmp_path) == {"a/b/c": b"12", "a/b/d": b"5"}


def _files(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


async def test_a_store_that_is_away_is_unavailable(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "objects"))
    (tmp_path / "objects").rmdir()
    (tmp_path / "objects").write_bytes(b"no folder")
    with pytest.raises(Unavailable):
        await blobs.write(store, "a/b", [b""], "create")


async def test_a_subject_without_a_key_is_erased(objects: ObjectStore, raw: Store) -> None:
    ref = await objects.put(PATH, SUBJECT, b"x")
    await blobs.delete(raw, [f"keys/{SUBJECT}"])
    with pytest.raises(Rejected) as error:
        await objects.get(ref, SUBJECT)
    assert error.value.code == "subject_erased"


@pytest.mark.parametrize(
    "path",
    [
        *("", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".", ".hidden", "a b", "ä", "a\\b"),
        *("a\n", "keys/x", "a/%2e%2e/b", "x" * 501),
    ],
)
async def test_unsafe_paths_are_refused(objects: ObjectStore, path: str) -> None:
    with pytest.raises(Rejected) as error:
        await objects.put(path, SUBJECT, b"")
    assert error.value.code == "bad_object_path"
    with pytest.raises(Rejected):
        await objects.get(ObjectRef(uri=path, sha256="", bytes=0), SUBJECT)


@pytest.mark.parametrize("subject", ["", "x", "../" + "a" * 29, "A" * 32, "a" * 32 + "\n"])
async def test_unsafe_subjects_are_refused(objects: ObjectStore, subject: str) -> None:
    with pytest.raises(Rejected) as error:
        await objects.put("a", subject, b"")
    assert error.value.code == "bad_subject_id"


def test_an_impossible_store_is_misconfigured(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for address in (str(tmp_path / "file" / "below"), "nonsense://x"):
        with pytest.raises(Misconfigured):
            open_store(address)
