# SPDX-License-Identifier: Apache-2.0
"""Answer ``scan.available``: fetch what an integration named, and take it in.

And ``document.made``: store a result back wherever the hospital keeps its images.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence

from memoryguard.common.contracts.event import Event, Fact
from memoryguard.common.contracts.events import (
    DocumentAddressed,
    DocumentMade,
    DocumentStored,
    Reason,
    ScanAvailable,
    ScanRejected,
)
from memoryguard.common.errors import Rejected
from memoryguard.common.runtime.database import Connection
from memoryguard.common.runtime.platform import Platform
from memoryguard.ingest.answers import Refused
from memoryguard.ingest.delivery import File, Intake
from memoryguard.ingest.people.identity import IdentityVault
from memoryguard.ingest.results.destinations import Destination
from memoryguard.ingest.results.original import original
from memoryguard.ingest.settings import IngestSettings
from memoryguard.ingest.staging import Sender
from memoryguard.ingest.ways import folder
from memoryguard.ingest.ways.addresses import Addresses
from memoryguard.ingest.ways.origins import Origins


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


class ResultHandler:
    """Stores results back, under the original identity.

    Only of scans that came from somebody who may say whose a patient number is: a file that a
    patient uploads may name anybody, and must not write into that person's record.

    Parameters
    ----------
    platform
        Of ingest.
    identities
        Who it is.
    destinations
        Where to, by address; there may be none.
    """

    def __init__(
        self,
        platform: Platform,
        identities: IdentityVault,
        destinations: Mapping[str, Destination],
    ) -> None:
        self._platform = platform
        self._identities = identities
        self._destinations = destinations

    async def address(self, event: Event) -> Sequence[Fact]:
        """Answer ``document.made`` with ``document.addressed`` for each destination.

        Each is tried, and given up, by itself: one that is away or refuses hides no other.
        """
        made = event.data
        assert isinstance(made, DocumentMade)  # noqa: S101  # the type the handler is for
        if not self._destinations or not await self._may_be_told(made.scan_id):
            return []
        return [
            DocumentAddressed(
                subject_id=made.subject_id,
                scan_id=made.scan_id,
                user_id=made.user_id,
                dicom=made.dicom,
                made_at=event.time,
                destination=address,
            )
            for address in self._destinations
        ]

    async def store(self, event: Event) -> Sequence[Fact]:
        """Answer ``document.addressed`` with ``document.stored``.

        The object is the same at every try, and so is its UID: storing it twice does no harm.

        Raises
        ------
        Rejected
            ``destination_unlisted``, ``destination_refused``; ``identity_incomplete``,
            ``identity_unusable``; ``subject_erased``.
        Unavailable
            ``destination_away``.
        """
        addressed = event.data
        assert isinstance(addressed, DocumentAddressed)  # noqa: S101  # the type it is for
        destination = self._destinations.get(addressed.destination)
        if destination is None:
            raise Rejected(
                "destination_unlisted",
                "the result was to be stored at an archive that is not listed any more",
                "see MEMORYGUARD_INGEST_RESULTS_TO",
            )
        await destination.store(await self._original(addressed))
        return [
            DocumentStored(
                subject_id=addressed.subject_id,
                scan_id=addressed.scan_id,
                user_id=addressed.user_id,
                instance_uid=addressed.dicom.instance_uid,
                destination=addressed.destination,
            )
        ]

    async def _may_be_told(self, scan_id: str) -> bool:
        """Whether all who sent the scan may say whose it is, or left that to the patient number."""
        return await self._platform.pool.fetchval(
            "select coalesce(bool_and(confirms or user_id is null), false)"
            " from series where scan_id = $1",
            scan_id,
        )

    async def _original(self, addressed: DocumentAddressed) -> bytes:
        subject_id = addressed.subject_id
        identity = await self._identities.get(subject_id, addressed.scan_id)
        content = await self._platform.objects.get(addressed.dicom.content, subject_id)
        uid_key = self._platform.vault.uid_key(subject_id)
        return await self._platform.processes.run(
            original, content, identity or {}, uid_key, addressed.made_at
        )
