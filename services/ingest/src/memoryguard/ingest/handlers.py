# SPDX-License-Identifier: Apache-2.0
"""Answer ``scan.available``: fetch what an integration named, and take it in."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from memoryguard.common.contracts.event import Event, Fact
from memoryguard.common.contracts.events import Reason, ScanAvailable, ScanRejected
from memoryguard.common.errors import Rejected
from memoryguard.common.runtime.database import Connection
from memoryguard.common.runtime.platform import Platform
from memoryguard.ingest import folder
from memoryguard.ingest.addresses import Addresses
from memoryguard.ingest.answers import Refused
from memoryguard.ingest.delivery import Intake
from memoryguard.ingest.origins import Origins
from memoryguard.ingest.parts import File
from memoryguard.ingest.settings import IngestSettings
from memoryguard.ingest.staging import Sender


class ArrivalHandler:
    """Takes scans in that lie in the import folder or at a listed origin."""

    def __init__(
        self,
        platform: Platform,
        intake: Intake,
        settings: IngestSettings,
        addresses: Addresses,
        origins: Origins,
    ) -> None:
        self._platform = platform
        self._intake = intake
        self._settings = settings
        self._addresses = addresses
        self._origins = origins

    async def transform(self, event: Event) -> Sequence[Fact]:
        """Answer with ``scan.received`` or ``scan.rejected``.

        What becomes of a series is said together with its rows; only that nothing was a series is
        left to be said here.
        """
        arrival = event.data
        assert isinstance(arrival, ScanAvailable)  # noqa: S101  # the type the handler is for
        sender = Sender(event.source, arrival.user_id, confirms=True)
        address = await self._addresses.told(event)
        try:
            async with self._intake.delivery(sender) as delivery:
                async for name, file in self._fetched(address):
                    await delivery.add(name, file)
                await delivery.finish(cause=event)
        except Rejected as error:
            if isinstance(error, Refused) and error.said:
                return []
            reason = Reason(code=error.code, message=error.message)
            return [
                ScanRejected(subject_id=arrival.subject_id, user_id=arrival.user_id, reason=reason)
            ]
        return []

    async def record(self, event: Event, transaction: Connection) -> Sequence[Fact]:
        """Forget the address, if it was kept: the event is handled."""
        await self._addresses.forget(transaction, event.id)
        return []

    def _fetched(self, uri: str) -> AsyncGenerator[tuple[str, File]]:
        if "://" in uri:
            return self._origins.fetched(uri)
        return folder.fetched(self._platform.settings.import_root, uri, self._settings)
