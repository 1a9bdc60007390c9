# SPDX-License-Identifier: Apache-2.0
"""What a service is: handlers from one event to facts, routes, and perhaps a task of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from memoryguard.common.contracts.event import Event, Fact
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.database import Connection

Transform: TypeAlias = Callable[[Event], Awaitable[Sequence[Fact]]]
"""Outside any transaction; may take minutes; pure, or with content-addressed effects only."""

Record: TypeAlias = Callable[[Event, Connection], Awaitable[Sequence[Fact]]]
"""Inside the transaction; short; SQL only."""

RecordAll: TypeAlias = Callable[[Sequence[Event], Connection], Awaitable[None]]
"""The same for events of different people at once, without answers. It refuses all of them when one
is at fault: the runtime then tries halves, until that one is alone."""


@dataclass(frozen=True, slots=True)
class Handler:
    """How a service answers one kind of event.

    ``version`` is part of the ids of the answers: raise it when the same event shall give new
    answers on a replay.
    """

    transform: Transform | None = None
    record: Record | None = None
    record_all: RecordAll | None = None
    version: int = 1


@dataclass(frozen=True, slots=True)
class Service:
    """One service. ``concurrency`` people are worked on side by side.

    ``projection`` names the tables that are derived from events alone, in the order in which
    handlers write to them: a rebuild empties them. ``session`` gives the bearer token that a
    session's cookie stands for; without it the service's routes know no cookies.
    """

    name: str
    handlers: Mapping[type[Fact], Handler] = field(default_factory=dict[type[Fact], Handler])
    routes: Sequence[Route] = ()
    background: Sequence[Callable[[], Awaitable[None]]] = ()
    concurrency: int = 8
    projection: Sequence[str] = ()
    session: Callable[[str], Awaitable[str | None]] | None = None
