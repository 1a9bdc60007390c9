# SPDX-License-Identifier: Apache-2.0
"""The first half of every way in: files are looked at, encrypted and kept until they are a series.

An answer is given for each file, and only when its ciphertext and its row are durable.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeAlias

from memoryguard.common.errors import Rejected
from memoryguard.common.runtime.database import Connection, Pool
from memoryguard.common.runtime.objects import Part
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.sandbox import Sandbox
from memoryguard.ingest.arrived import changed
from memoryguard.ingest.parsing import LEFT_OUT
from memoryguard.ingest.people.links import links_of, mismatch

BATCH_FILES = 64
BATCH_BYTES = 4 << 20
"""Files that are looked at, encrypted and recorded together."""
FEWEST_BATCH_BYTES = 1 << 20
BUDGET_BYTES = 8 * BATCH_BYTES
"""For the batches of all deliveries together: the more there are, the smaller each one's."""

Described: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sender:
    """On whose word files come.

    Parameters
    ----------
    actor_id
        Who sends.
    user_id
        Account that the files belong to, None when the sender does not say.
    confirms
        Whether the sender may say which account a patient number belongs to.
    ends
        What ends a series: the sender's word, or quiet.
    study_uid
        Only images of this study are taken, where it is given.
    """

    actor_id: str
    user_id: str | None = None
    confirms: bool = False
    ends: Literal["word", "quiet"] = "word"
    study_uid: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one file.

    ``kept`` and ``duplicate`` mean that it is durable here; ``left_out`` that it is nothing we
    measure; ``refused`` that something is wrong with it. ``sop_class`` and ``sop_uid`` are as the
    file tells, for the answer to its sender only; ``person`` is a keyed hash of whom it names.
    """

    state: Literal["kept", "duplicate", "left_out", "refused"]
    code: str = ""
    message: str = ""
    hint: str = ""
    sop_class: str = ""
    sop_uid: str = ""
    series_key: str = ""
    person: str = ""

    @classmethod
    def because(cls, state: Literal["left_out", "refused"], reason: Rejected) -> Receipt:
        """Give the receipt of a file that is not taken, and why."""
        return cls(state, reason.code, reason.message, reason.hint)


@dataclass(frozen=True, slots=True)
class _Image:
    """A file that may be kept."""

    holder_id: str
    alias: str | None
    study_key: str
    series_key: str
    image_key: str
    digest: str
    header: Mapping[str, Any]
    data: bytes = field(repr=False)


class Staging:
    """Takes files.

    Parameters
    ----------
    platform
        Of ingest.
    sandbox
        Serves `memoryguard.ingest.parsing`.
    """

    def __init__(self, platform: Platform, sandbox: Sandbox) -> None:
        self._platform = platform
        self._sandbox = sandbox
        self.deliveries = 0
        """That are under way."""

    @property
    def batch_bytes(self) -> int:
        """How much a delivery may collect before it hands it over."""
        share = BUDGET_BYTES // max(1, self.deliveries)
        return max(FEWEST_BATCH_BYTES, min(BATCH_BYTES, share))

    async def take(self, files: Sequence[bytes], sender: Sender) -> list[Receipt]:
        """Take a batch of files; a receipt for each.

        Raises
        ------
        Unavailable
            The object store or the database is away: nothing is acknowledged.
        """
        receipts: dict[int, Receipt] = {}
        images: dict[int, _Image] = {}
        described = await self._described(files)
        aliases = [self._alias(found) for found in described]
        owned = await self._owned(aliases, sender)
        for place, found in enumerate(described):
            if "refused" in found:
                receipts[place] = _not_taken(found)
            elif isinstance(owner := owned[place], Receipt):
                receipts[place] = owner
            elif sender.study_uid not in (None, found["study_uid"]):
                receipts[place] = _OTHER_STUDY
            else:
                images[place] = self._image(found, owner, aliases[place], files[place])
        receipts |= await self._keep(images, sender)
        return [
            replace(
                receipts[place],
                sop_class=found["sop_class"],
                sop_uid=found["sop_uid"],
                person=images[place].header["person"] if place in images else "",
            )
            for place, found in enumerate(described)
        ]

    async def missing(self, sender: Sender, sha256s: Sequence[str]) -> list[str]:
        """Tell which files of the sender's account are not here, by the digests of their bytes."""
        here = await self.find(sender, sha256s)
        return [sha256 for sha256 in dict.fromkeys(sha256s) if sha256 not in here]

    async def find(self, sender: Sender, sha256s: Sequence[str]) -> dict[str, Receipt]:
        """Give receipts of those files of the sender's account that are here, by their digests.

        ``kept`` are those of series that the sender has not ended, as if they came now.
        """
        if not sha256s:
            return {}
        holder_id = self._platform.vault.user_subject_id(sender.user_id or "")
        named = {self._digest(holder_id, sha256): sha256 for sha256 in sha256s}
        rows = await self._platform.pool.fetch(_FIND, list(named), sender.actor_id, sender.ends)
        return {
            named[row["digest"]]: Receipt(
                "kept" if row["theirs"] else "duplicate",
                series_key=row["series_key"],
                person=row["person"],
            )
            for row in rows
        }

    async def _described(self, files: Sequence[bytes]) -> list[Described]:
        """Look at files; when a parser fails on some, find out on which."""
        try:
            return (await self._sandbox.call("describe", files))[0]
        except Rejected as error:
            if len(files) == 1:
                refused = (error.code, error.message, error.hint)
                return [{"refused": refused, "sop_class": "", "sop_uid": ""}]
        half = len(files) // 2
        return [*await self._described(files[:half]), *await self._described(files[half:])]

    async def _owned(self, aliases: Sequence[str | None], sender: Sender) -> list[str | Receipt]:
        """Under whose key each file is to lie, or why it cannot be said."""
        if sender.user_id is None:
            return [alias or _NAMELESS for alias in aliases]
        subject_id = self._platform.vault.user_subject_id(sender.user_id)
        links = await links_of(self._platform.pool, {alias for alias in aliases if alias})
        others = {
            alias
            for alias, link in links.items()
            if link.subject_id != subject_id and (link.confirmed or not sender.confirms)
        }
        return [_ANOTHERS if alias in others else subject_id for alias in aliases]

    def _alias(self, found: Described) -> str | None:
        """Give the pseudonym of a patient's number, None where the file has none."""
        if not found.get("patient_id"):
            return None
        return self._platform.vault.subject_id(found["issuer"], found["patient_id"])

    def _image(self, found: Described, holder_id: str, alias: str | None, data: bytes) -> _Image:
        key = self._platform.vault.arrival_key
        study_key = key("study", holder_id, found["study_uid"])
        person = (found["issuer"], found["patient_id"], found["birth_date"])
        return _Image(
            holder_id=holder_id,
            alias=alias,
            study_key=study_key,
            series_key=key("series", holder_id, found["series_uid"]),
            image_key=key("image", holder_id, found["sop_uid"]),
            digest=self._digest(holder_id, found["digest"]),
            header=found["header"] | {"study": study_key, "person": key("person", *person)},
            data=data,
        )

    def _digest(self, holder_id: str, sha256: str) -> str:
        """Keyed: a plain digest would tell who has the file that it is here."""
        return self._platform.vault.arrival_key("bytes", holder_id, sha256)

    async def _keep(self, images: Mapping[int, _Image], sender: Sender) -> dict[int, Receipt]:
        receipts, fresh = await self._compared(images)
        by_series: dict[str, dict[int, _Image]] = {}
        for place, image in fresh.items():
            by_series.setdefault(image.series_key, {})[place] = image
        for series in by_series.values():
            try:
                receipts |= await self._kept(series, sender)
            except Rejected as error:  # the person was erased
                receipts |= dict.fromkeys(series, Receipt.because("refused", error))
        return receipts

    async def _compared(
        self, images: Mapping[int, _Image]
    ) -> tuple[dict[int, Receipt], dict[int, _Image]]:
        """Tell apart what is here already, what contradicts it, and what is new."""
        pool = self._platform.pool
        keys = [image.image_key for image in images.values()]
        rows = await pool.fetch(
            "select image_key, digest from image where image_key = any($1)", keys
        )
        seen = {row["image_key"]: row["digest"] for row in rows}
        closed = await _closed(pool, {image.series_key for image in images.values()})
        receipts: dict[int, Receipt] = {}
        fresh: dict[int, _Image] = {}
        for place, image in images.items():
            before = seen.get(image.image_key)
            if before is None and image.series_key not in closed:
                fresh[place] = image
                seen[image.image_key] = image.digest
            elif before is None:
                receipts[place] = _LATE
            elif before == image.digest:
                receipts[place] = Receipt("duplicate", series_key=image.series_key)
            else:
                receipts[place] = _CONFLICTING
        return receipts, fresh

    async def _kept(self, images: Mapping[int, _Image], sender: Sender) -> dict[int, Receipt]:
        """Store images of one series: ciphertext, then rows; durable when this returns.

        They lie in one blob of their own: who comes second takes theirs away.
        """
        first = next(iter(images.values()))
        path = f"staging/{first.holder_id}/{uuid.uuid4().hex}"
        contents = [image.data for image in images.values()]
        parts = await self._platform.objects.put_parts(path, first.holder_id, contents)
        async with self._platform.pool.acquire() as connection, connection.transaction():
            kept: set[str] = set()
            if await _opened(connection, first, sender):
                kept = await _insert(connection, list(images.values()), parts)
        receipts = {
            place: Receipt("kept", series_key=image.series_key)
            for place, image in images.items()
            if image.image_key in kept
        }
        overtaken = {place: image for place, image in images.items() if place not in receipts}
        if overtaken:  # at this moment somebody else sent the same images, or others under the UIDs
            if not kept:
                await self._platform.objects.delete([path])
            again, fresh = await self._compared(overtaken)
            if fresh:  # and what they sent is gone already
                raise changed()
            receipts |= again
        return receipts


# Of a scan from before 0004_person.sql nobody knows whom it named: its files must come again.
_FIND = """
select image.digest, series_key, coalesce(image.header->>'person', series.person) as person,
       series.state = 'arriving' and series.actor_id = $2 and series.ends = $3 as theirs
from image join series using (series_key)
where image.digest = any($1) and (image.header is not null or series.person <> '')
"""
_OPEN = """
insert into series (series_key, study_key, subject_id, alias, user_id, actor_id, confirms, ends)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (series_key) do update set
    state = case series.state when 'announced' then 'announced' else 'arriving' end,
    actor_id = excluded.actor_id, confirms = excluded.confirms,
    ends = case when series.state = 'arriving' and series.ends = 'quiet'
        then 'quiet' else excluded.ends end, -- another sender waits for nobody's word
    changed_at = now()
returning state
"""


async def _opened(connection: Connection, image: _Image, sender: Sender) -> bool:
    """Open an image's series, or keep it open; not one that has become a scan meanwhile."""
    state = await connection.fetchval(
        _OPEN,
        *(image.series_key, image.study_key, image.holder_id, image.alias),
        *(sender.user_id, sender.actor_id, sender.confirms, sender.ends),
    )
    return state != "announced"


async def _insert(
    connection: Connection, images: Sequence[_Image], parts: Sequence[Part]
) -> set[str]:
    """Keep rows; the keys of those that nobody else has kept meanwhile."""
    rows = await connection.fetch(
        "insert into image (image_key, series_key, digest, header, object)"
        " select * from unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::jsonb[])"
        " order by 1 on conflict do nothing returning image_key",
        [image.image_key for image in images],
        [image.series_key for image in images],
        [image.digest for image in images],
        [json.dumps(image.header) for image in images],
        [json.dumps(asdict(part)) for part in parts],
    )
    return {row["image_key"] for row in rows}


async def _closed(pool: Pool, series_keys: Iterable[str]) -> set[str]:
    rows = await pool.fetch(
        "select series_key from series where state = 'announced' and series_key = any($1)",
        list(series_keys),
    )
    return {row["series_key"] for row in rows}


def _not_taken(found: Described) -> Receipt:
    reason = Rejected(*found["refused"])
    return Receipt.because("left_out" if reason.code in LEFT_OUT else "refused", reason)


_NAMELESS = Receipt.because(
    "refused", Rejected("missing_attribute", "PatientID is missing: whose scan is it?")
)
_ANOTHERS = Receipt.because("refused", mismatch())
_OTHER_STUDY = Receipt.because(
    "refused",
    Rejected("other_study", "the image belongs to another study than the request names"),
)
_CONFLICTING = Receipt.because(
    "refused",
    Rejected(
        "conflicting_instances",
        "another image is here under the same UID",
        "the first one is kept; which of the two is right?",
    ),
)
_LATE = Receipt.because(
    "refused",
    Rejected(
        "series_closed",
        "the series was taken in as a whole before this image came",
        "send all its images together",
    ),
)
