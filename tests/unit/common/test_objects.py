# SPDX-License-Identifier: Apache-2.0
"""The object store: encrypted, write-once, erasable, and the same over a folder and memory."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from pathlib import Path

import obstore
import pytest
from obstore.store import MemoryStore

from memoryguard.common.contracts.events import ObjectRef
from memoryguard.common.errors import Corrupt, Misconfigured, Rejected
from memoryguard.common.runtime.objects import ObjectStore, open_store
from memoryguard.common.security.envelope import CHUNK_BYTES
from memoryguard.common.security.keyring import KeyRing

SUBJECT, OTHER = "a" * 32, "b" * 32
RING = KeyRing([base64.urlsafe_b64encode(bytes(32)).decode()])
PATH = "scans/x/1.bin"


@pytest.fixture(params=["folder", "memory"])
def raw(request: pytest.FixtureRequest, tmp_path: Path) -> object:
    return MemoryStore() if request.param == "memory" else open_store(str(tmp_path / "new folder"))


@pytest.fixture
def objects(raw: object) -> ObjectStore:
    return ObjectStore(raw, RING)  # pyright: ignore[reportArgumentType]


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


async def test_many_writers_at_once_agree_on_one_key(objects: ObjectStore) -> None:
    refs = await asyncio.gather(
        *(objects.put(f"o/{n}", SUBJECT, str(n).encode()) for n in range(30))
    )
    read = await asyncio.gather(*(objects.get(ref, SUBJECT) for ref in refs))
    assert read == [str(n).encode() for n in range(30)]


def test_nothing_in_the_folder_is_plain(tmp_path: Path) -> None:
    objects = ObjectStore(open_store(tmp_path.as_uri()), RING)
    asyncio.run(objects.put(PATH, SUBJECT, b"SECRETNAME" * 1000))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 2
    assert not any(b"SECRETNAME" in path.read_bytes() for path in files)


async def test_an_altered_swapped_or_missing_object_is_corrupt(
    objects: ObjectStore, raw: object
) -> None:
    one = await objects.put("one", SUBJECT, b"1")
    two = await objects.put("two", SUBJECT, b"2")
    sealed = bytes(await (await obstore.get_async(raw, "two")).bytes_async())  # pyright: ignore
    await obstore.put_async(raw, "one", sealed)  # pyright: ignore
    with pytest.raises(Corrupt):
        await objects.get(one, SUBJECT)
    with pytest.raises(Corrupt):
        await objects.get(two.model_copy(update={"sha256": one.sha256}), SUBJECT)
    with pytest.raises(Corrupt):
        await objects.get(two.model_copy(update={"bytes": 2}), SUBJECT)
    with pytest.raises(Corrupt) as error:
        await objects.get(two.model_copy(update={"uri": "three"}), SUBJECT)
    assert error.value.code == "object_missing"


async def test_an_erased_subject_stays_erased(objects: ObjectStore, raw: object) -> None:
    ref = await objects.put(PATH, SUBJECT, b"x")
    kept = await objects.put("kept", OTHER, b"y")
    await objects.destroy_key(SUBJECT)
    await objects.destroy_key(SUBJECT)
    for attempt in (objects.get(ref, SUBJECT), objects.put("new", SUBJECT, b"x")):
        with pytest.raises(Rejected) as error:
            await attempt
        assert error.value.code == "subject_erased"
    assert await objects.get(kept, OTHER) == b"y"


async def test_a_subject_without_a_key_is_erased(objects: ObjectStore, raw: object) -> None:
    ref = await objects.put(PATH, SUBJECT, b"x")
    await obstore.delete_async(raw, f"keys/{SUBJECT}")  # pyright: ignore
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
