# SPDX-License-Identifier: Apache-2.0
"""Every method of both clients, each written once as a flow."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

from memoryguard.client import audit, people, uploading, wire
from memoryguard.client import scans as of_scans
from memoryguard.client.wire import Flow, Stream

P = ParamSpec("P")
T = TypeVar("T")


class Sync(Protocol):
    """`Client`: takes the steps of a flow one after the other."""

    def run(self, flow: Flow[T]) -> T:
        """Take every step; what came of it."""
        ...

    def iterate(self, stream: Stream[T]) -> Iterator[T]:
        """Take steps until something is given."""
        ...


class Async(Protocol):
    """`AsyncClient`: the same, awaited."""

    def arun(self, flow: Flow[T]) -> Coroutine[Any, Any, T]:
        """Take every step; what came of it."""
        ...

    def aiterate(self, stream: Stream[T]) -> AsyncIterator[T]:
        """Take steps until something is given."""
        ...


class Asking(Generic[P, T]):
    """A method that returns, or is awaited, by whose it is."""

    def __init__(self, flow: Callable[P, Flow[T]]) -> None:
        self._flow = flow
        self.__doc__ = flow.__doc__

    @overload
    def __get__(self, client: Sync, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: Async, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        """Bind the flow to a client."""
        run = client.run if hasattr(client, "run") else client.arun

        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return run(self._flow(*args, **kwargs))

        return method


class Giving(Generic[P, T]):
    """A method that is iterated over, with ``for`` or ``async for``."""

    def __init__(self, stream: Callable[P, Stream[T]]) -> None:
        self._stream = stream
        self.__doc__ = stream.__doc__

    @overload
    def __get__(self, client: Sync, owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, client: Async, owner: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        """Bind the stream to a client."""
        iterate = client.iterate if hasattr(client, "iterate") else client.aiterate

        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return iterate(self._stream(*args, **kwargs))

        return method


class Methods:
    """What both clients can do. Every error is an `ApiError`."""

    upload = Asking(uploading.upload)
    status = Asking(of_scans.status)
    watch = Giving(of_scans.watch)
    wait = Asking(of_scans.wait)
    analysis = Asking(of_scans.analysis)
    scans = Giving(of_scans.scans)
    download = Asking(of_scans.download)
    report = Asking(of_scans.report)

    record_health = Asking(people.record_health)
    erase = Asking(people.erase)
    invite = Asking(people.invite)
    withdraw = Asking(people.withdraw)
    accept = Asking(people.accept)
    consents = Asking(people.consents)
    revoke = Asking(people.revoke)
    session_link = Asking(people.session_link)
    worklist = Asking(people.worklist)
    link_patient = Asking(people.link_patient)
    discard_patient = Asking(people.discard_patient)

    log_key = Asking(audit.log_key)
    checkpoint = Asking(audit.checkpoint)
    entries_of_scan = Asking(audit.entries_of_scan)
    entry = Asking(audit.entry)
    entry_proof = Asking(audit.entry_proof)
    review = Asking(audit.review)
    sign_review = Asking(audit.sign_review)
    ledger = Asking(audit.ledger)

    get = Asking(wire.get)
    get_bytes = Asking(wire.get_bytes)
    send = Asking(wire.send)
    delete = Asking(wire.delete)
