# SPDX-License-Identifier: Apache-2.0
"""Addresses of announced scans, kept from the bus: a DICOMweb address holds original UIDs.

What comes by ``POST /api/v1/events`` is published with a reference in the address's place:
``kept:`` and a keyed digest of the address, and the listed origin that it lies below. The address
itself, sealed, waits in our database until the event is handled, or for a month.
"""

from __future__ import annotations

from memoryguard.common.contracts.event import Event
from memoryguard.common.contracts.events import ScanAvailable
from memoryguard.common.errors import Rejected
from memoryguard.common.runtime.database import Connection, Pool
from memoryguard.common.security.keyring import VaultKey
from memoryguard.common.security.sealing import opened, sealed

PREFIX = "kept:"


class Addresses:
    """Keeps addresses, each under the id of the event that would have told it."""

    def __init__(self, pool: Pool, vault: VaultKey) -> None:
        self._pool = pool
        self._vault = vault

    def reference(self, event_id: str, address: str, origin: str | None) -> str:
        """Give what an event tells instead of its address."""
        return PREFIX + self._digest(event_id, address) + (f"@{origin}" if origin else "")

    async def keep(
        self, transaction: Connection, event_id: str, address: str, subject_id: str | None
    ) -> None:
        """Keep the address of a new event; of whose scan, where an account is named."""
        await transaction.execute(
            "insert into address (event_id, subject_id, sealed) values ($1, $2, $3)"
            " on conflict (event_id) do update set sealed = excluded.sealed, given_at = now()",
            *(event_id, subject_id, sealed(address, self._key(event_id), event_id)),
        )

    async def told(self, event: Event) -> str:
        """Give the address of an event: what it says, or what is kept of it.

        Raises
        ------
        Rejected
            ``address_forgotten``: not kept, or not for this event.
        """
        assert isinstance(event.data, ScanAvailable)  # noqa: S101  # nothing else has an address
        uri = event.data.uri
        if not uri.startswith(PREFIX):
            return uri
        body = await self._pool.fetchval("select sealed from address where event_id = $1", event.id)
        address = opened(body, self._key(event.id), event.id) if body else ""
        if uri[len(PREFIX) :].split("@")[0] != self._digest(event.id, address):
            raise Rejected(
                "address_forgotten", "the announced address is not kept here", "announce it again"
            )
        return address

    @staticmethod
    async def forget(transaction: Connection, event_id: str) -> None:
        """Forget the address of an event that is handled."""
        await transaction.execute("delete from address where event_id = $1", event_id)

    def _digest(self, event_id: str, address: str) -> str:
        return self._vault.arrival_key("address", event_id, address)

    def _key(self, event_id: str) -> str:
        return self._vault.arrival_key("address seal", event_id)
