# SPDX-License-Identifier: Apache-2.0
"""An announced address is kept from the bus, and told to nobody but the event it came with."""

from __future__ import annotations

import pytest

from memoryguard.common.contracts.event import Event, decode, new_event
from memoryguard.common.contracts.events import ScanAvailable
from memoryguard.common.contracts.flow import FACTS
from memoryguard.common.errors import Rejected
from memoryguard.common.runtime.platform import Platform
from memoryguard.ingest.sweeping import Sweeper
from memoryguard.ingest.ways.addresses import Addresses

ADDRESS = "https://pacs.example/dicom-web/studies/1.2.840.4711"
ORIGIN = "https://pacs.example/dicom-web"


def announced(uri: str = ADDRESS, event_id: str = "1") -> Event:
    fact = ScanAvailable(subject_id="5e" * 16, uri=uri)
    return new_event(fact, source="/memoryguard/ingest", event_id=event_id)


async def kept(ingest: Platform, event_id: str = "1") -> tuple[Addresses, Event]:
    """Keep an address; the event as it is heard."""
    addresses = Addresses(ingest.pool, ingest.vault)
    event = announced(addresses.reference(event_id, ADDRESS, ORIGIN), event_id)
    async with ingest.pool.acquire() as connection, connection.transaction():
        await addresses.keep(connection, event.id, ADDRESS, None)
    return addresses, decode(event.to_bytes(), FACTS)


def uri_of(event: Event) -> str:
    assert isinstance(event.data, ScanAvailable)
    return event.data.uri


async def test_an_event_tells_the_origin_and_only_here_the_address(ingest: Platform) -> None:
    addresses, event = await kept(ingest)
    assert b"4711" not in event.to_bytes()
    assert uri_of(event).startswith("kept:")
    assert uri_of(event).endswith(f"@{ORIGIN}")
    assert await addresses.told(event) == ADDRESS
    (row,) = await ingest.pool.fetch("select * from address")
    assert b"4711" not in row["sealed"]


async def test_the_same_address_is_not_known_again(ingest: Platform) -> None:
    _, first = await kept(ingest)
    _, second = await kept(ingest, "2")
    assert uri_of(first) != uri_of(second)


async def test_an_address_in_the_clear_is_what_it_says(ingest: Platform) -> None:
    event = announced("arrived/a study")
    assert await Addresses(ingest.pool, ingest.vault).told(event) == "arrived/a study"


async def test_a_reference_opens_nothing_for_another_event(ingest: Platform) -> None:
    addresses, event = await kept(ingest)
    for forged in (
        announced(uri_of(event), "2"),  # Somebody else's, under an event of one's own.
        announced("kept:" + "0" * 32),
        announced("kept:"),
    ):
        with pytest.raises(Rejected) as error:
            await addresses.told(forged)
        assert error.value.code == "address_forgotten"
    assert await addresses.told(event) == ADDRESS


async def test_an_address_goes_with_its_event_and_after_a_month(ingest: Platform) -> None:
    addresses, event = await kept(ingest)
    _, unfinished = await kept(ingest, "2")
    async with ingest.pool.acquire() as connection, connection.transaction():
        await addresses.forget(connection, event.id)
    with pytest.raises(Rejected):
        await addresses.told(event)
    await Sweeper(ingest).sweep()
    assert await addresses.told(unfinished) == ADDRESS
    await ingest.pool.execute("update address set given_at = now() - interval '31 days'")
    await Sweeper(ingest).sweep()
    with pytest.raises(Rejected):
        await addresses.told(unfinished)
