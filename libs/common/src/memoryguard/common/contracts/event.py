# SPDX-License-Identifier: Apache-2.0
"""One event: a CloudEvents 1.0 envelope around one fact, and how it becomes bytes and back."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny
from pydantic_core import from_json

from memoryguard.common.errors import Rejected

MAX_EVENT_BYTES = 900_000
"""Larger events are refused before the outbox: Kafka's default limit is 1 MiB a message."""

EVENT_NAMESPACE = uuid.UUID("6f0f5b62-3c0e-5b39-9d55-2f0d8a4a6c11")
"""Namespace of all derived event ids."""

SubjectId = str
"""A person's pseudonym: 32 hexadecimal digits. The key of every event."""

NOBODY: SubjectId = "0" * 32
"""Key of an event that concerns nobody in particular."""


class Fact(BaseModel):
    """What an event says. Subclasses name their CloudEvents type; see ``events.py``."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    type: ClassVar[str]
    natural_key: ClassVar[str | None] = None
    """Field that names the fact itself: however often it is said, it is one event."""

    subject_id: SubjectId = Field(description="Pseudonym of the person; the event's key.")


class Event(BaseModel):
    """A CloudEvents 1.0 envelope in structured JSON mode.

    ``producerepoch`` and ``producercounter`` are set by the relay when it first publishes the
    event: 1, 2, 3 … per source and epoch, without gaps, so that a missing event can be proved.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(min_length=1, max_length=200)
    source: str = Field(min_length=1, max_length=200)
    type: str = Field(pattern=r"^memoryguard\.[a-z]+\.[a-z]+\.v[0-9]+$")
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    partitionkey: str = Field(min_length=1, max_length=200)
    correlationid: str
    causationid: str | None = None
    traceparent: str | None = None
    producerepoch: str | None = None
    producercounter: int | None = Field(default=None, ge=1)
    data: SerializeAsAny[Fact]

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy without the bytes, which may be other ones after an update."""
        copied = super().model_copy(update=update, deep=deep)
        vars(copied).pop("_bytes", None)
        return copied

    def to_bytes(self) -> bytes:
        """Canonical JSON: sorted keys, no spaces, absent attributes left out."""
        return self._bytes

    @cached_property
    def _bytes(self) -> bytes:
        return encode(self.model_dump(mode="json", exclude_none=False))


def encode(document: Mapping[str, Any]) -> bytes:
    """Write an envelope as canonical JSON bytes, leaving out envelope attributes that are null."""
    kept = {key: value for key, value in document.items() if value is not None}
    return json.dumps(
        kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def derived_id(*parts: object) -> str:
    """Derive an event id (UUIDv5) from what caused it, so that a replay gives the same id."""
    return str(uuid.uuid5(EVENT_NAMESPACE, "|".join(str(part) for part in parts)))


def new_event(
    fact: Fact,
    *,
    source: str,
    event_id: str | None = None,
    cause: Event | None = None,
    traceparent: str | None = None,
    time: datetime | None = None,
) -> Event:
    """Wrap a fact.

    Parameters
    ----------
    fact
        What happened.
    source
        Who says it, for instance ``/memoryguard/ingest``.
    event_id
        Derived id; a random one when nothing caused the event.
    cause
        The event it answers; its correlation id is carried on.
    traceparent
        W3C trace context.
    time
        When it happened; now, when nobody says.

    Raises
    ------
    Rejected
        ``event_too_large``.
    """
    identity = event_id or str(uuid.uuid4())
    event = Event(
        id=identity,
        source=source,
        type=fact.type,
        time=time or datetime.now(UTC),
        partitionkey=fact.subject_id,
        correlationid=cause.correlationid if cause else identity,
        causationid=cause.id if cause else None,
        traceparent=traceparent,
        data=fact,
    )
    if len(event.to_bytes()) > MAX_EVENT_BYTES:
        raise Rejected("event_too_large", "an event may have at most 900,000 bytes")
    return event


def decode(body: bytes, facts: Mapping[str, type[Fact]]) -> Event:
    """Read an event whose type is one of ``facts``.

    Raises
    ------
    Rejected
        ``malformed_event`` when it is not a valid CloudEvent of a known type.
    """
    try:
        return decode_document(from_json(body), facts)
    except ValueError as error:
        raise _malformed() from error


def decode_document(document: Any, facts: Mapping[str, type[Fact]]) -> Event:
    """Do what `decode` does with JSON that has been parsed already."""
    try:
        # What a newer producer has added within v1 is passed over, or a rolling upgrade would fail.
        data = facts[document["type"]].model_validate(document["data"], extra="ignore")
        return Event.model_validate({**document, "data": data}, extra="ignore")
    except (ValueError, TypeError, KeyError) as error:
        raise _malformed() from error


def _malformed() -> Rejected:
    return Rejected(
        "malformed_event",
        "the message is not a valid event of a known type",
        "compare it with the schemas in libs/common/schemas",
    )
