# SPDX-License-Identifier: Apache-2.0
"""Who is held is not erased, in whatever order holds are heard of."""

from __future__ import annotations

import pytest
from test_erasure import IDENTITIES, Place

from memoryguard.common.contracts.event import NOBODY, new_event
from memoryguard.common.contracts.oversight import HoldLifted, HoldPlaced
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.keyring import KeyRing
from memoryguard.ingest.people.holds import LegalHold, hear
from memoryguard.ingest.people.identity import IdentityVault


@pytest.fixture
def place(ingest: Platform) -> Place:
    ring = KeyRing.from_setting(ingest.settings.encryption_keys.get_secret_value())
    return Place(ingest, IdentityVault(ingest.store, IDENTITIES), ring)


async def heard(place: Place, kind: type[HoldPlaced | HoldLifted], held: str | None) -> None:
    fact = kind(
        subject_id=NOBODY, hold_id=f"of {held}", held_subject_id=held, actor_id="o", reason="other"
    )
    async with place.platform.pool.acquire() as connection, connection.transaction():
        assert await hear(new_event(fact, source="/memoryguard/audit"), connection) == []


async def test_a_held_person_is_not_erased_until_the_hold_is_lifted(place: Place) -> None:
    await place.fill()
    await heard(place, HoldPlaced, place.subject())
    with pytest.raises(LegalHold, match="legal_hold"):
        await place.eraser.erase("person")
    there = await place.left()
    assert there["objects"] and there["keys"] == [False, False] and there["said"] == []
    await place.fill("somebody-else")
    assert await place.eraser.erase("somebody-else") > 0
    await heard(place, HoldLifted, place.subject())
    await heard(place, HoldPlaced, place.subject())  # heard once more, by a replay
    assert await place.eraser.erase("person") > 0


async def test_a_hold_of_a_patient_number_and_one_of_everybody_hold_too(place: Place) -> None:
    await place.fill()
    await place.platform.pool.execute("update alias set confirmed = true")
    for held in ("alias of person", None):
        await heard(place, HoldPlaced, held)
        with pytest.raises(LegalHold, match="legal_hold"):
            await place.eraser.erase("person")
        await heard(place, HoldLifted, held)


async def test_a_hold_that_is_heard_of_after_its_end_holds_nobody(place: Place) -> None:
    await place.fill()
    await heard(place, HoldLifted, place.subject())
    await heard(place, HoldPlaced, place.subject())
    assert await place.eraser.erase("person") > 0
