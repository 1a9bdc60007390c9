# SPDX-License-Identifier: Apache-2.0
"""The bus as the runtime sees it: publish a batch, consume in order per key, commit what is stored.

Delivery is at least once. A caller may not assume that a record comes only once, nor any order
between different keys.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

Place: TypeAlias = tuple[str, int]
"""A topic, and a partition of it; the embedded bus has only partition 0."""

Resume: TypeAlias = Callable[[Sequence[Place]], Awaitable[Mapping[Place, int]]]
"""Asked where to go on in places that were just assigned: the next position to read, for those it
knows. Called again for all of them whenever places are shared out anew."""


@dataclass(frozen=True, slots=True)
class Record:
    """One message: ``body`` is a CloudEvent in structured JSON mode."""

    topic: str
    key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Received(Record):
    """A record as it came, with its place; positions grow in a place, perhaps with gaps."""

    position: int
    partition: int = 0

    @property
    def place(self) -> Place:
        """Topic and partition."""
        return self.topic, self.partition


class Consumer(Protocol):
    """A member of a consumer group."""

    def batches(self) -> AsyncIterator[Sequence[Received]]:
        """Yield batches, for ever. Asking for the next batch commits the one before."""
        ...


class Bus(Protocol):
    """Two adapters: ``PostgresBus`` for one command on a laptop, Kafka for real deployments."""

    async def publish(self, records: Sequence[Record]) -> None:
        """Append the records; on return they are durable. May append a record twice."""
        ...

    def consumer(
        self,
        group: str,
        topics: Sequence[str] = (),
        pattern: str | None = None,
        resume: Resume | None = None,
    ) -> AbstractAsyncContextManager[Consumer]:
        """Join a group on topics, or on every topic that matches a pattern, from the earliest.

        With ``resume``, places that it knows are read from the positions that it gives, whatever
        was committed; so whoever stores positions with what they read repeats and misses nothing.
        A position that the place does not have, as when the bus was made anew, means its earliest.
        Errors of ``resume`` are raised by ``batches``.
        """
        ...
