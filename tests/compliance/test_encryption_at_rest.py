# SPDX-License-Identifier: Apache-2.0
"""45 CFR 164.312(a)(2)(iv): what lies in the object store tells nothing, and keys are changed."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet
from obstore.store import MemoryStore
from stores import Plain

from memoryguard.common.errors import Corrupt
from memoryguard.common.runtime import blobs
from memoryguard.common.runtime.objects import ObjectStore
from memoryguard.common.runtime.subject_keys import SubjectKeys
from memoryguard.common.security.keyring import KeyRing

SUBJECT = "5" * 32
SECRET = b"what a scan shows " * 100


async def the_store_tells_nothing(objects: Any, raw: Any) -> None:
    ref = await objects.put("scans/a", SUBJECT, SECRET)
    assert await objects.get(ref, SUBJECT) == SECRET
    lying = [bytes(await blobs.read(raw, b.path) or b"") async for b in blobs.listed(raw, "")]
    assert [each for each in lying if SECRET[:18] in each] == []


@pytest.mark.control("164.312(a)(2)(iv)", "objects")
async def test_the_store_tells_nothing() -> None:
    raw = MemoryStore()
    await the_store_tells_nothing(ObjectStore(raw, KeyRing([Fernet.generate_key().decode()])), raw)


@pytest.mark.control("164.312(a)(2)(iv)", "objects", off="a store that keeps plain bytes")
async def test_plain_bytes_are_noticed() -> None:
    raw = MemoryStore()
    with pytest.raises(AssertionError, match="what a scan shows"):
        await the_store_tells_nothing(Plain(raw), raw)


OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


async def the_old_key_is_needed_no_more(keys_of: Any) -> None:
    """After a rotation the new key alone opens everything, and the old one nothing."""
    raw = MemoryStore()
    ref = await ObjectStore(raw, KeyRing([OLD])).put("scans/a", SUBJECT, SECRET)
    await keys_of(raw, KeyRing([NEW, OLD])).rewrap(SUBJECT)
    assert await _opens(ObjectStore(raw, KeyRing([NEW])), ref)
    assert not await _opens(ObjectStore(raw, KeyRing([OLD])), ref)


async def _opens(objects: ObjectStore, ref: Any) -> bool:
    try:
        return await objects.get(ref, SUBJECT) == SECRET
    except Corrupt:
        return False


@pytest.mark.control("164.312(a)(2)(iv)", "rotation")
async def test_the_old_key_is_needed_no_more() -> None:
    await the_old_key_is_needed_no_more(SubjectKeys)


class Idle(SubjectKeys):
    """Wraps nothing anew."""

    async def rewrap(self, subject_id: str) -> bool:
        return False


@pytest.mark.control("164.312(a)(2)(iv)", "rotation", off="a rotation that wraps nothing anew")
async def test_a_rotation_without_effect_is_noticed() -> None:
    with pytest.raises(AssertionError, match="assert False"):
        await the_old_key_is_needed_no_more(Idle)
