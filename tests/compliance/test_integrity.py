# SPDX-License-Identifier: Apache-2.0
"""45 CFR 164.312(c): an object is not written over, and one that was altered is not given out.

The same of the log is tested with the log.
"""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet
from obstore.store import MemoryStore
from stores import Overwriting, Plain

from memoryguard.common.errors import Corrupt
from memoryguard.common.runtime import blobs
from memoryguard.common.runtime.objects import ObjectStore
from memoryguard.common.security.keyring import KeyRing

SUBJECT = "5" * 32
RING = KeyRing([Fernet.generate_key().decode()])


async def what_is_stored_stays(objects: ObjectStore) -> None:
    ref = await objects.put("scans/a", SUBJECT, b"first")
    assert await _refused(objects.put("scans/a", SUBJECT, b"other")), "other bytes were taken"
    assert await objects.get(ref, SUBJECT) == b"first"


@pytest.mark.control("164.312(c)(1)", "write-once")
async def test_what_is_stored_stays() -> None:
    await what_is_stored_stays(ObjectStore(MemoryStore(), RING))


@pytest.mark.control("164.312(c)(1)", "write-once", off="a store that writes over what is there")
async def test_an_object_that_is_written_over_is_noticed() -> None:
    store: Any = Overwriting()
    with pytest.raises(AssertionError, match="other bytes were taken"):
        await what_is_stored_stays(ObjectStore(store, RING))


async def what_was_altered_is_not_given_out(objects: Any, raw: Any) -> None:
    """A flipped bit, a cut, an addition, and another object of the same person in its place."""
    one = await objects.put("scans/one", SUBJECT, b"1" * 100)
    await objects.put("scans/two", SUBJECT, b"2" * 100)
    sealed, other = [bytes(await blobs.read(raw, f"scans/{n}") or b"") for n in ("one", "two")]
    flipped = sealed[:-20] + bytes([sealed[-20] ^ 1]) + sealed[-19:]
    for altered in (flipped, sealed[:-1], sealed + b"x", other):
        await blobs.write(raw, "scans/one", [altered], "overwrite")
        assert await _refused(objects.get(one, SUBJECT)), "altered bytes were given out"


@pytest.mark.control("164.312(c)(2)", "objects")
async def test_what_was_altered_is_not_given_out() -> None:
    raw = MemoryStore()
    await what_was_altered_is_not_given_out(ObjectStore(raw, RING), raw)


@pytest.mark.control("164.312(c)(2)", "objects", off="a store without tags and digests")
async def test_altered_bytes_are_noticed() -> None:
    raw = MemoryStore()
    with pytest.raises(AssertionError, match="altered bytes were given out"):
        await what_was_altered_is_not_given_out(Plain(raw), raw)


async def _refused(asked: Any) -> bool:
    try:
        await asked
    except Corrupt:
        return True
    return False
