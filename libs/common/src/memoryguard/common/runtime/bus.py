# SPDX-License-Identifier: Apache-2.0
"""The bus as the runtime sees it: publish a batch, consume in order per key, commit what is stored.

Delivery is at least once. A caller may not assume that a record comes only once, nor any order
between different keys.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Record:
    """One message: ``body`` is a CloudEvent in structured JSON mode."""

    topic: str
    key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Received(Record):
    """A record as it came: its place in the topic."""

    position: int


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
        self, group: str, topics: Sequence[str] = (), pattern: str | None = None
    ) -> AbstractAsyncContextManager[Consumer]:
        """Join a group on topics, or on every topic that matches a pattern, from the earliest."""
        ...
