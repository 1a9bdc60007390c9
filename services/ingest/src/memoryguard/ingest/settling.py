# SPDX-License-Identifier: Apache-2.0
"""The second half of every way in: a series that is whole becomes a scan, any other a refusal.

Nothing of a scan is visible before it is announced. A crash before that leaves the staged images
and perhaps an object that nobody names; the next try gives the same scan.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from memoryguard.common.contracts.event import Event, derived_id, new_event
from memoryguard.common.contracts.events import (
    Acquisition,
    ObjectRef,
    Person,
    Reason,
    ScanReceived,
    ScanRejected,
)
from memoryguard.common.errors import Rejected, Unavailable
from memoryguard.common.runtime.database import AWAY, Connection, Pool, session_lock
from memoryguard.common.runtime.outbox import source_of
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.sandbox import Sandbox
from memoryguard.common.runtime.waiting import pause
from memoryguard.ingest.archive import Packer
from memoryguard.ingest.domain.header import Header
from memoryguard.ingest.domain.series import Verdict, judge
from memoryguard.ingest.identity import IdentityVault
from memoryguard.ingest.links import Link, links_of, make_link
from memoryguard.ingest.settings import IngestSettings
from memoryguard.ingest.spool import Spool
from memoryguard.ingest.staging import BATCH_BYTES, BATCH_FILES

logger = logging.getLogger(__name__)

LOOK_S = 0.5
RETRY_S = 5.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a series.

    ``arriving``: slices are missing so far. ``unassigned``: whole, but nobody knows whose it is.
    ``announced``: it is the scan ``scan_id``.
    """

    state: str
    code: str = ""
    message: str = ""
    hint: str = ""
    images: int = 0
    scan_id: str | None = None
    received_at: datetime | None = None
    notes: tuple[Reason, ...] = ()
    new: bool = False


@dataclass(frozen=True, slots=True)
class _Series:
    """A series with its images, in no order."""

    key: str
    holder_id: str
    alias: str | None
    user_id: str | None
    actor_id: str
    confirms: bool
    arrived_at: datetime
    headers: tuple[Header, ...]
    objects: tuple[ObjectRef, ...]


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
        self._sandbox = sandbox
        self._identities = identities
        self._settings = settings

    async def settle(
        self, study_key: str, *, ended: Collection[str] = (), cause: Event | None = None
    ) -> dict[str, Outcome]:
        """Judge what has arrived of a study.

        Parameters
        ----------
        study_key
            The study.
        ended
            Series of which nothing more will come: one that is not whole is refused.
        cause
            The event that brought them, if one did.

        Returns
        -------
        dict
            The outcome of every series that was not announced before.
        """
        async with (
            self._platform.pool.acquire() as connection,
            session_lock(connection, "study", study_key),
        ):
            study = await _arriving(connection, study_key)
            verdicts = judge({key: series.headers for key, series in study.items()})
            outcomes = {
                key: await self._settled(study[key], verdict, key in ended, cause)
                for key, verdict in _worth_most_first(verdicts)
            }
            await connection.execute(
                "update series set judged_at = now() where study_key = $1", study_key
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
        rows = await self._platform.pool.fetch(
            "select distinct study_key from series where series_key = any($1)", list(series_keys)
        )
        outcomes = await _announced_before(self._platform.pool, series_keys)
        for row in sorted(rows):
            settled = await self.settle(row["study_key"], ended=series_keys, cause=cause)
            outcomes |= {key: settled[key] for key in settled if key in series_keys}
        return outcomes

    async def resume(self, holder_id: str) -> list[Outcome]:
        """Settle what waited because nobody knew whose it is."""
        rows = await self._platform.pool.fetch(
            "select distinct study_key from series where state = 'unassigned' and subject_id = $1",
            holder_id,
        )
        outcomes: list[Outcome] = []
        for row in rows:
            outcomes += (await self.settle(row["study_key"])).values()
        return outcomes

    async def discard(self, series_keys: Collection[str]) -> None:
        """Forget what has arrived of series, unless they have become scans."""
        rows = await self._platform.pool.fetch(
            "with gone as ("
            " delete from series where series_key = any($1) and state <> 'announced'"
            " returning series_key, subject_id)"
            " select series_key, subject_id, image.object from image join gone using (series_key)",
            list(series_keys),
        )
        paths = [ObjectRef.model_validate_json(row["object"]).uri for row in rows]
        await self._platform.objects.delete(paths)
        for holder_id, series_key in {(row["subject_id"], row["series_key"]) for row in rows}:
            await self._identities.forget(holder_id, series_key)

    async def run(self) -> None:
        """Settle what has become quiet, for ever."""
        while True:
            try:
                await self.settle_quiet()
                await pause(LOOK_S)
            except (*AWAY, Unavailable) as error:
                logger.warning("settling waits", extra={"error": type(error).__name__})
                await pause(RETRY_S)

    async def settle_quiet(self) -> None:
        """Settle each study of which nothing has come for a while."""
        rows = await self._platform.pool.fetch(
            _QUIET, self._settings.quiet_s, self._settings.patience_s
        )
        for row in rows:
            await self.settle(row["study_key"], ended=row["series_keys"] if row["over"] else ())

    async def _settled(
        self, series: _Series, verdict: Verdict, ended: bool, cause: Event | None
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
            portrait = await self._portrait(series, verdict, owner)
            if owner is None:
                return await self._unassigned(series, portrait)
            return await self._announced(series, verdict, owner, portrait, cause)
        except Rejected as error:  # of the parser, or the person was erased
            outcome = Outcome("refused", error.code, error.message, error.hint, images)
            await self._drop(series, outcome, cause)
            return outcome

    async def _owner(self, series: _Series) -> Link | None:
        """Whose it is: as the sender said, or as somebody linked the patient's number."""
        if series.user_id is not None:
            subject_id = self._platform.vault.user_subject_id(series.user_id)
            return Link(series.user_id, subject_id, series.confirms)
        link = (await links_of(self._platform.pool, [series.holder_id])).get(series.holder_id)
        return link if link and link.confirmed else None

    async def _portrait(
        self, series: _Series, verdict: Verdict, owner: Link | None
    ) -> dict[str, Any]:
        """Tell what is kept of the person and the scan; see `parsing.portray`."""
        assert verdict.stack is not None  # noqa: S101  # it is whole
        subject_id = owner.subject_id if owner else series.holder_id
        first = _in_order(series, verdict)[0]
        portrait, _ = await self._sandbox.call(
            "portray",
            [await self._platform.objects.get(first, series.holder_id)],
            spacing_mm=verdict.stack.spacing_mm,
            series=verdict.word,
            shift_days=self._platform.vault.date_shift_days(subject_id),
        )
        return portrait

    async def _unassigned(self, series: _Series, portrait: Mapping[str, Any]) -> Outcome:
        """Let it wait for a clinician, who must see whose it is."""
        await self._identities.put(series.holder_id, series.key, portrait["identity"])
        outcome = Outcome(
            "unassigned",
            "unknown_patient",
            "nobody has said whose this patient number is",
            "a clinician resolves the worklist",
            len(series.objects),
        )
        await self._platform.pool.execute(
            _MARK, series.key, outcome.state, outcome.code, outcome.message
        )
        return outcome

    async def _announced(
        self,
        series: _Series,
        verdict: Verdict,
        owner: Link,
        portrait: Mapping[str, Any],
        cause: Event | None,
    ) -> Outcome:
        """Disguise, pack and store the series; then say so and forget what was staged, at once."""
        objects = _in_order(series, verdict)
        with closing(Spool()) as spool:
            await self._packed(series, objects, verdict, owner, portrait, spool)
            scan = await self._stored(series, objects, owner, portrait, spool)
        await self._identities.put(owner.subject_id, scan.scan_id, portrait["identity"])
        new = await self._say(series, scan, owner, cause)
        await self._platform.objects.delete([ref.uri for ref in series.objects])
        await self._identities.forget(series.holder_id, series.key)
        notes = (*verdict.notes, *map(tuple, portrait["notes"]))
        return Outcome(
            "announced",
            images=len(objects),
            scan_id=scan.scan_id,
            received_at=scan.received_at,
            notes=tuple(Reason(code=code, message=message) for code, message in notes),
            new=new,
        )

    async def _packed(
        self,
        series: _Series,
        objects: Sequence[ObjectRef],
        verdict: Verdict,
        owner: Link,
        portrait: Mapping[str, Any],
        spool: Spool,
    ) -> None:
        """Write the archive of disguised images into the spool, some at a time."""
        vault = self._platform.vault
        packer = Packer(spool.append)
        number = 1
        for batch in _batches(objects):
            plain = await asyncio.gather(
                *(self._platform.objects.get(ref, series.holder_id) for ref in batch)
            )
            _, disguised = await self._sandbox.call(
                "disguise",
                plain,
                numbers=list(range(number, number + len(batch))),
                subject_id=owner.subject_id,
                uid_key=vault.uid_key(owner.subject_id).hex(),
                shift_days=vault.date_shift_days(owner.subject_id),
                series=verdict.word,
                age_years=portrait["person"]["age_years"],
            )
            number += len(batch)
            await asyncio.to_thread(_add_all, packer, disguised)
        packer.finish()

    async def _stored(
        self,
        series: _Series,
        objects: Sequence[ObjectRef],
        owner: Link,
        portrait: Mapping[str, Any],
        spool: Spool,
    ) -> ScanReceived:
        scan_id = derived_id("scan", owner.subject_id, spool.sha256)
        known: datetime | None = await self._platform.pool.fetchval(
            "select received_at from scan where scan_id = $1", scan_id
        )  # pyright: ignore[reportAssignmentType]
        received_at = known or series.arrived_at
        path = f"scans/{owner.subject_id}/{received_at:%Y%m%dT%H%M%SZ}-{spool.sha256[:16]}"
        return ScanReceived(
            subject_id=owner.subject_id,
            scan_id=scan_id,
            user_id=owner.user_id,
            archive=await self._platform.objects.put(path, owner.subject_id, spool.chunks()),
            instances=len(objects),
            person=Person(**portrait["person"]),
            acquisition=Acquisition(**portrait["acquisition"]),
            received_at=received_at,
        )

    async def _say(
        self, series: _Series, scan: ScanReceived, owner: Link, cause: Event | None
    ) -> bool:
        """Announce the scan, unless more images came meanwhile; whether it is new."""
        async with self._platform.pool.acquire() as connection, connection.transaction():
            await _check_unchanged(connection, series)
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
                "update series set state = 'announced', scan_id = $2, code = '', message = ''"
                " where series_key = $1",
                *(series.key, scan.scan_id),
            )
            await connection.execute(
                "update image set header = null, object = null where series_key = $1", series.key
            )
        self._platform.outbox.wake()
        return bool(new)

    async def _drop(self, series: _Series, outcome: Outcome, cause: Event | None) -> None:
        """Forget the images of a series that will not be a scan; they can be sent again."""
        async with self._platform.pool.acquire() as connection, connection.transaction():
            await _check_unchanged(connection, series)
            await connection.execute("delete from image where series_key = $1", series.key)
            await connection.execute(
                _MARK, series.key, outcome.state, outcome.code, outcome.message
            )
            if outcome.state == "refused":
                rejection = self._rejection(series, outcome, cause)
                await self._platform.outbox.write(connection, [rejection])
        self._platform.outbox.wake()
        await self._platform.objects.delete([ref.uri for ref in series.objects])
        await self._identities.forget(series.holder_id, series.key)

    def _rejection(self, series: _Series, outcome: Outcome, cause: Event | None) -> Event:
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


_MARK = "update series set state = $2, code = $3, message = $4 where series_key = $1"

# A study is quiet when none of its series has changed for so long. A series that ends by its
# sender's word is not ended by quiet; but nobody waits longer than patience lasts.
_QUIET = """
select study_key, array_agg(series_key) as series_keys,
       max(changed_at) < now() - make_interval(secs => $2) as over
from series where state = 'arriving'
group by study_key
having max(changed_at) < now() - make_interval(secs => $2)
    or (max(changed_at) < now() - make_interval(secs => $1)
        and bool_and(ends = 'quiet')
        and max(changed_at) > coalesce(max(judged_at), '-infinity'))
"""


async def _announced_before(pool: Pool, series_keys: Collection[str]) -> dict[str, Outcome]:
    rows = await pool.fetch(
        "select s.series_key, s.scan_id, scan.received_at, count(*) as images"
        " from series s join scan using (scan_id) join image using (series_key)"
        " where s.series_key = any($1) and s.state = 'announced'"
        " group by s.series_key, s.scan_id, scan.received_at",
        list(series_keys),
    )
    return {
        row["series_key"]: Outcome(
            "announced",
            images=row["images"],
            scan_id=row["scan_id"],
            received_at=row["received_at"],
        )
        for row in rows
    }


async def _arriving(connection: Connection, study_key: str) -> dict[str, _Series]:
    rows = await connection.fetch(
        "select s.series_key, s.subject_id, s.alias, s.user_id, s.actor_id, s.confirms,"
        " s.arrived_at,"
        " array_agg(i.header order by i.image_key) as headers,"
        " array_agg(i.object order by i.image_key) as objects"
        " from series s join image i using (series_key)"
        " where s.study_key = $1 and s.state in ('arriving', 'unassigned')"
        " group by s.series_key order by s.series_key",
        study_key,
    )
    return {row["series_key"]: _series(row) for row in rows}


def _series(row: asyncpg.Record) -> _Series:
    return _Series(
        key=row["series_key"],
        holder_id=row["subject_id"],
        alias=row["alias"],
        user_id=row["user_id"],
        actor_id=row["actor_id"],
        confirms=row["confirms"],
        arrived_at=row["arrived_at"],
        headers=tuple(Header.from_document(json.loads(header)) for header in row["headers"]),
        objects=tuple(ObjectRef.model_validate_json(ref) for ref in row["objects"]),
    )


async def _check_unchanged(connection: Connection, series: _Series) -> None:
    """Hold the series, and see that no image was added since it was judged."""
    await connection.execute("select from series where series_key = $1 for update", series.key)
    count = await connection.fetchval(
        "select count(*) from image where series_key = $1 and object is not null", series.key
    )
    if count != len(series.objects):
        raise Unavailable("series_changed", "more images arrived meanwhile", "try again")


def _worth_most_first(verdicts: Mapping[str, Verdict]) -> list[tuple[str, Verdict]]:
    """Scans first: a refusal that comes after them is one of other series."""
    return sorted(verdicts.items(), key=lambda pair: pair[1].state != "whole")


def _in_order(series: _Series, verdict: Verdict) -> list[ObjectRef]:
    """Give the images that are measured, by place; an enhanced object holds all of its own."""
    kept = [
        ref
        for header, ref in zip(series.headers, series.objects, strict=True)
        if not header.localizer
    ]
    if len(kept) == 1 or verdict.stack is None:
        return kept
    return [kept[place] for place in verdict.stack.order]


def _batches(objects: Sequence[ObjectRef]) -> list[list[ObjectRef]]:
    batches: list[list[ObjectRef]] = []
    size = BATCH_BYTES
    for ref in objects:
        if size + ref.bytes > BATCH_BYTES or len(batches[-1]) == BATCH_FILES:
            batches.append([])
            size = 0
        batches[-1].append(ref)
        size += ref.bytes
    return batches


def _add_all(packer: Packer, contents: Sequence[bytes]) -> None:
    for content in contents:
        packer.add(content)
