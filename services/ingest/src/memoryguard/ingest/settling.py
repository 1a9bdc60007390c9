# SPDX-License-Identifier: Apache-2.0
"""The second half of every way in: a series that is whole becomes a scan, any other a refusal.

Nothing of a scan is visible before it is announced. A crash before that leaves the staged images
and perhaps an object that nobody names; the next try gives the same scan.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from typing import Any

from memoryguard.common.contracts.event import Event, derived_id, new_event
from memoryguard.common.contracts.events import (
    Reason,
    ScanReceived,
    ScanRejected,
)
from memoryguard.common.errors import Rejected
from memoryguard.common.runtime.database import AWAY, lock, session_lock
from memoryguard.common.runtime.outbox import source_of
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.sandbox import Sandbox
from memoryguard.common.runtime.waiting import pause
from memoryguard.ingest.arrived import (
    Outcome,
    Series,
    announced_before,
    arriving_series,
    hold,
    swept,
)
from memoryguard.ingest.assembly import Assembly
from memoryguard.ingest.domain.series import Verdict, judge
from memoryguard.ingest.people.identity import IdentityVault
from memoryguard.ingest.people.links import Link, links_of, make_link
from memoryguard.ingest.settings import IngestSettings

logger = logging.getLogger(__name__)

SWEEPING = "sweeping"
"""Lock: alone for who clears away what no row names, shared for who gives it a row."""
SIDE_BY_SIDE = 4
LOOK_S = 0.5
RETRY_S = 5.0


class Settling:
    """Judges studies, and makes scans of their series.

    Parameters
    ----------
    platform
        Of ingest.
    sandbox
        Serves `memoryguard.ingest.parsing`.
    identities
        Keeps who it is, to write results back and to resolve the worklist.
    settings
        How long quiet lasts.
    """

    def __init__(
        self,
        platform: Platform,
        sandbox: Sandbox,
        identities: IdentityVault,
        settings: IngestSettings,
    ) -> None:
        self._platform = platform
        self._assembly = Assembly(platform, sandbox)
        self._identities = identities
        self._settings = settings
        # Each holds a connection and needs a second one: without a limit all would wait for that.
        self._turns = asyncio.Semaphore(SIDE_BY_SIDE)

    async def settle(
        self,
        study_key: str,
        series_keys: Collection[str],
        *,
        ended: bool = False,
        cause: Event | None = None,
    ) -> dict[str, Outcome]:
        """Judge series of a study together.

        Parameters
        ----------
        study_key, series_keys
            The study, and which of its series; of others more may be on its way.
        ended
            Nothing more will come: what is not whole is refused.
        cause
            The event that brought them, if one did.

        Returns
        -------
        dict
            The outcome of every series that was not announced before.
        """
        async with (
            self._turns,
            self._platform.pool.acquire() as connection,
            session_lock(connection, "study", study_key),
        ):
            study = await arriving_series(connection, series_keys)
            verdicts = judge({key: series.headers for key, series in study.items()})
            outcomes = {
                key: await self._settled(study[key], verdict, ended, cause)
                for key, verdict in _worth_most_first(verdicts)
            }
            await connection.execute(
                "update series set judged_at = now() where series_key = any($1)", list(series_keys)
            )
        return outcomes

    async def close(
        self, series_keys: Collection[str], *, cause: Event | None = None
    ) -> dict[str, Outcome]:
        """Settle the series of a sender that has sent all of them.

        Returns
        -------
        dict
            The outcome of each, also of one that was announced before.
        """
        outcomes: dict[str, Outcome] = {}
        for row in await self._platform.pool.fetch(_STUDIES_OF, list(series_keys)):
            outcomes |= await self.settle(
                row["study_key"], row["series_keys"], ended=True, cause=cause
            )
        # Asked last: another sender of the same series may have been served in between.
        return await announced_before(self._platform.pool, series_keys) | outcomes

    async def resume(self, holder_id: str) -> list[Outcome]:
        """Settle what waited because nobody knew whose it is."""
        outcomes: list[Outcome] = []
        for row in await self._platform.pool.fetch(_STUDIES_WAITING, holder_id):
            outcomes += (await self.settle(row["study_key"], row["series_keys"])).values()
        return outcomes

    async def discard(self, series: Mapping[str, int]) -> None:
        """Forget what has arrived of series, unless they are scans, or others have sent more.

        Parameters
        ----------
        series
            Keys, and how many images are to be forgotten: one that has more of them stays.
        """
        rows = await self._platform.pool.fetch(_DISCARD, list(series), list(series.values()))
        await self._platform.objects.delete({row["path"] for row in rows})
        for holder_id, series_key in {(row["subject_id"], row["series_key"]) for row in rows}:
            await self._identities.forget(holder_id, series_key)

    async def run(self) -> None:
        """Settle what has become quiet, for ever."""
        while True:
            try:
                await self.settle_quiet()
                await pause(LOOK_S)
            except AWAY as error:
                logger.warning("settling waits", extra={"error": type(error).__name__})
                await pause(RETRY_S)

    async def settle_quiet(self) -> None:
        """Settle each study of which nothing has come for a while."""
        rows = await self._platform.pool.fetch(
            _QUIET, self._settings.quiet_s, self._settings.patience_s
        )
        for row in rows:
            await self.settle(row["study_key"], row["series_keys"], ended=row["over"])
        abandoned = await self._platform.pool.fetch(_ABANDONED, self._settings.patience_s)
        if abandoned:
            await self._abandon([row["series_key"] for row in abandoned])

    async def _abandon(self, series_keys: Collection[str]) -> None:
        """Refuse what a sender has not finished: it may look whole, and be half of a head."""
        reason = Rejected("upload_abandoned", "the upload was never completed", "send it again")
        outcome = Outcome.because("refused", reason)
        async with self._platform.pool.acquire() as connection:
            study = await arriving_series(connection, series_keys)
        for series in study.values():
            await self._drop(series, outcome, None)

    async def _settled(
        self, series: Series, verdict: Verdict, ended: bool, cause: Event | None
    ) -> Outcome:
        images = len(series.objects)
        if verdict.state == "waiting" and not ended:
            return Outcome("arriving", verdict.code, verdict.message, images=images)
        if verdict.state != "whole":
            state = "left_out" if verdict.state == "left_out" else "refused"
            outcome = Outcome(state, verdict.code, verdict.message, verdict.hint, images)
            await self._drop(series, outcome, cause)
            return outcome
        owner = await self._owner(series)
        try:
            portrait = await self._assembly.portrait(series, verdict, owner)
            if owner is None:
                return await self._unassigned(series, portrait)
            return await self._announced(series, verdict, owner, portrait, cause)
        except Rejected as error:  # of the parser, or the person was erased
            outcome = Outcome.because("refused", error, images)
            await self._drop(series, outcome, cause)
            return outcome

    async def _owner(self, series: Series) -> Link | None:
        """Whose it is: as the sender said, or as somebody linked the patient's number."""
        if series.user_id is not None:
            subject_id = self._platform.vault.user_subject_id(series.user_id)
            return Link(series.user_id, subject_id, series.confirms)
        link = (await links_of(self._platform.pool, [series.holder_id])).get(series.holder_id)
        return link if link and link.confirmed else None

    async def _unassigned(self, series: Series, portrait: Mapping[str, Any]) -> Outcome:
        """Let it wait for a clinician, who must see whose it is."""
        await self._identities.put(series.holder_id, series.key, portrait["identity"])
        reason = Rejected(
            "unknown_patient",
            "nobody has said whose this patient number is",
            "a clinician resolves the worklist",
        )
        outcome = Outcome.because("unassigned", reason, len(series.objects))
        await self._platform.pool.execute(
            _MARK, series.key, outcome.state, outcome.code, outcome.message
        )
        return outcome

    async def _announced(
        self,
        series: Series,
        verdict: Verdict,
        owner: Link,
        portrait: Mapping[str, Any],
        cause: Event | None,
    ) -> Outcome:
        """Disguise, pack and store the series; then say so and forget what was staged, at once."""
        scan, uids = await self._assembly.scan(series, verdict, owner, portrait)
        identity = portrait["identity"] | {"sop_instance_uids": uids}
        await self._identities.put(owner.subject_id, scan.scan_id, identity)
        new = await self._say(series, scan, owner, cause)
        await self._platform.objects.delete(series.blobs())
        await self._identities.forget(series.holder_id, series.key)
        notes = (*verdict.notes, *map(tuple, portrait["notes"]))
        return Outcome(
            "announced",
            images=scan.instances,
            scan_id=scan.scan_id,
            received_at=scan.received_at,
            notes=tuple(Reason(code=code, message=message) for code, message in notes),
            new=new,
        )

    async def _say(
        self, series: Series, scan: ScanReceived, owner: Link, cause: Event | None
    ) -> bool:
        """Announce the scan, unless more images came meanwhile; whether it is new."""
        async with self._platform.pool.acquire() as connection, connection.transaction():
            await hold(connection, series)
            await lock(connection, SWEEPING, shared=True)
            if not await self._platform.objects.exists(scan.archive.uri):
                raise swept()  # it was left over from an older try
            if series.alias and series.user_id:
                await make_link(connection, series.alias, owner, series.actor_id)
            await connection.execute(
                "insert into scan (scan_id, subject_id, user_id, sha256, received_at)"
                " values ($1, $2, $3, $4, $5) on conflict do nothing",
                *(scan.scan_id, scan.subject_id, scan.user_id, scan.archive.sha256),
                scan.received_at,
            )
            new = await self._platform.outbox.append(connection, [scan], cause=cause)
            await connection.execute(
                "update series set state = 'announced', scan_id = $2, code = '', message = '',"
                " person = $3 where series_key = $1",
                *(series.key, scan.scan_id, series.headers[0].person),
            )
            await connection.execute(
                "update image set header = null, object = null where series_key = $1", series.key
            )
        self._platform.outbox.wake()
        return bool(new)

    async def _drop(self, series: Series, outcome: Outcome, cause: Event | None) -> None:
        """Forget the images of a series that will not be a scan; they can be sent again."""
        async with self._platform.pool.acquire() as connection, connection.transaction():
            await hold(connection, series)
            await connection.execute("delete from image where series_key = $1", series.key)
            await connection.execute(
                _MARK, series.key, outcome.state, outcome.code, outcome.message
            )
            if outcome.state == "refused":
                rejection = self._rejection(series, outcome, cause)
                await self._platform.outbox.write(connection, [rejection])
        self._platform.outbox.wake()
        await self._platform.objects.delete(series.blobs())
        await self._identities.forget(series.holder_id, series.key)

    def _rejection(self, series: Series, outcome: Outcome, cause: Event | None) -> Event:
        owner = series.user_id and self._platform.vault.user_subject_id(series.user_id)
        fact = ScanRejected(
            subject_id=owner or series.holder_id,
            user_id=series.user_id,
            reason=Reason(code=outcome.code, message=outcome.message),
        )
        event_id = derived_id(cause.source, cause.id, series.key) if cause else None
        return new_event(
            fact, source=source_of(self._platform.name), event_id=event_id, cause=cause
        )


_DISCARD = """
with gone as (
    delete from series using unnest($1::text[], $2::bigint[]) as brought (key, images)
    where series_key = key and state <> 'announced'
        and images >= (select count(*) from image where image.series_key = key)
    returning series_key, subject_id
)
select series_key, subject_id, image.object->>'uri' as path from image join gone using (series_key)
"""
_MARK = "update series set state = $2, code = $3, message = $4 where series_key = $1"

_STUDIES_OF = """
select study_key, array_agg(series_key) as series_keys from series
where series_key = any($1) group by study_key order by study_key
"""
_STUDIES_WAITING = """
select study_key, array_agg(series_key) as series_keys from series
where state = 'unassigned' and subject_id = $1 group by study_key order by study_key
"""
# A study is quiet when none of its series has changed for so long; nobody waits longer than
# patience lasts. A series that ends by its sender's word is not ended by quiet.
_QUIET = """
select study_key, array_agg(series_key) as series_keys,
       max(changed_at) < now() - make_interval(secs => $2) as over
from series
where state = 'arriving' and ends = 'quiet'
    and exists (select from image where image.series_key = series.series_key)
group by study_key
having max(changed_at) < now() - make_interval(secs => $2)
    or (max(changed_at) < now() - make_interval(secs => $1)
        and max(changed_at) > coalesce(max(judged_at), '-infinity'))
"""
_ABANDONED = """
select series_key from series
where state = 'arriving' and ends = 'word' and changed_at < now() - make_interval(secs => $1)
    and exists (select from image where image.series_key = series.series_key)
"""


def _worth_most_first(verdicts: Mapping[str, Verdict]) -> list[tuple[str, Verdict]]:
    """Scans first: a refusal that comes after them is one of other series."""
    return sorted(verdicts.items(), key=lambda pair: pair[1].state != "whole")
