# SPDX-License-Identifier: Apache-2.0
"""Events of integrations that have no Kafka."""

from __future__ import annotations

from aiohttp import web

from memoryguard.common.contracts.event import decode, derived_id, new_event
from memoryguard.common.contracts.events import ScanAvailable
from memoryguard.common.errors import Rejected
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.outbox import source_of
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import Policy
from memoryguard.ingest import described
from memoryguard.ingest.people.erasure import refuse_erased
from memoryguard.ingest.ways.addresses import Addresses
from memoryguard.ingest.ways.origins import Origins


def routes(platform: Platform, addresses: Addresses, origins: Origins) -> list[Route]:
    """Publish events over HTTP; the addresses in them stay here."""

    async def publish(request: web.Request) -> web.Response:
        """Take a ``scan.available`` CloudEvent from an integration that has no Kafka."""
        theirs = decode(await request.read(), {ScanAvailable.type: ScanAvailable})
        if theirs.source.startswith(source_of("")):
            raise Rejected("forged_source", "the source is one of the platform's own")
        event_id = derived_id(theirs.source, theirs.id)
        assert isinstance(theirs.data, ScanAvailable)  # noqa: S101  # nothing else is decoded
        address, user_id = theirs.data.uri, theirs.data.user_id
        subject_id = platform.vault.user_subject_id(user_id) if user_id else None
        if subject_id is not None:
            await refuse_erased(platform.pool, subject_id)
        reference = addresses.reference(event_id, address, origins.above(address))
        fact = theirs.data.model_copy(update={"uri": reference})
        ours = new_event(fact, source=source_of("ingest"), event_id=event_id, cause=theirs)
        async with platform.pool.acquire() as connection, connection.transaction():
            if await platform.outbox.write(connection, [ours]):
                await addresses.keep(connection, event_id, address, subject_id)
        platform.outbox.wake()
        return web.json_response({"id": event_id}, status=202)

    policy = Policy("event.publish", roles=frozenset({"integration"}))
    return [Route("POST", "/api/v1/events", publish, policy, doc=described.PUBLISH)]
