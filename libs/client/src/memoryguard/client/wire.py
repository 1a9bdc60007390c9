# SPDX-License-Identifier: Apache-2.0
"""What is said and how often: flows of steps, without any input or output.

A flow is a generator. It yields steps and is sent their outcomes; `Client` and `AsyncClient` take
the same steps, each in its way. So everything that is known about the platform, retries included,
is written once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Generic, TypeAlias, TypeVar

from memoryguard.client.errors import AWAY, TOO_MANY, ApiError, no_answer

T = TypeVar("T")
Document: TypeAlias = dict[str, Any]

TRIES = 4
PAUSE_S = 0.25
MAX_PAUSE_S = 30.0
SAFE = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent: its length, and a way to make its pieces (anew for every try)."""

    bytes: int
    pieces: Callable[[], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``tries`` bounds how often it is sent; only what is safe is sent twice."""

    method: str
    path: str
    body: Body | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    timeout_s: float = 300.0
    tries: int = TRIES


@dataclass(frozen=True, slots=True)
class Open:
    """Send a request; sent back is a `Head`. An earlier answer is closed."""

    request: Request


@dataclass(frozen=True, slots=True)
class Head:
    """How an answer begins. Names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Read:
    """Read on in the answer; sent back are bytes, none at its end."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Give(Generic[T]):
    """Hand something out in the middle of a flow."""

    value: T


Step: TypeAlias = Open | Read | Pause
Flow: TypeAlias = Generator[Step, Any, T]
Stream: TypeAlias = Generator[Step | Give[T], Any, None]


def opened(request: Request) -> Flow[Head]:
    """Open an answer that is none of an error, trying again where that is safe.

    Safe are reads; and whatever was refused with 429 was not begun.
    """
    for tried in range(1, request.tries + 1):
        try:
            head: Head = yield Open(request)
            if head.status < 400:
                return head
            raise problem(head, (yield from content()))
        except ApiError as error:
            may_repeat = error.status == TOO_MANY or (request.method in SAFE and error.is_away)
            if not may_repeat or tried == request.tries:
                raise
            yield Pause(pause_s(tried, error))
    raise AssertionError("unreachable: the last try returns or raises")


def pause_s(tried: int, error: ApiError | None = None) -> float:
    """Seconds before the next try: as the platform asks, or twice as many each time."""
    asked = error.retry_after_s if error else None
    return min(asked if asked is not None else PAUSE_S * 2 ** (tried - 1), MAX_PAUSE_S)


def content() -> Flow[bytes]:
    """Read an opened answer to its end."""
    pieces: list[bytes] = []
    while piece := (yield Read()):
        pieces.append(piece)
    return b"".join(pieces)


def fetched(request: Request) -> Flow[bytes]:
    """Ask; the content of the answer. One that breaks off is asked for again, as `opened`."""
    for tried in range(1, request.tries + 1):
        yield from opened(request)
        try:
            return (yield from content())
        except ApiError:
            if request.method not in SAFE or tried == request.tries:
                raise
        yield Pause(pause_s(tried))
    raise AssertionError("unreachable: the last try returns or raises")


def asked(request: Request) -> Flow[Document]:
    """Ask; the JSON document of the answer."""
    return parsed((yield from fetched(request)))


def last_of(stream: Stream[T]) -> Flow[T]:
    """Run a stream to its end; the last that it gave."""
    last: list[T] = []
    step = next(stream, None)
    while step is not None:
        try:
            outcome: Any = None
            if isinstance(step, Give):
                last = [step.value]
            else:
                try:
                    outcome = yield step
                except ApiError as error:
                    step = stream.throw(error)
                    continue
            step = stream.send(outcome)
        except StopIteration:
            break
    (value,) = last
    return value


def get(path: str) -> Flow[Document]:
    """Read a JSON document, for what has no method of its own."""
    return asked(Request("GET", path))


def get_bytes(path: str) -> Flow[bytes]:
    """Read whatever lies at a path."""
    return fetched(Request("GET", path))


def send(method: str, path: str, document: Mapping[str, Any]) -> Flow[Document]:
    """Send a JSON document and read the answer, for what has no method of its own."""
    return asked(request_with(method, path, document))


def delete(path: str) -> Flow[Document]:
    """Delete what lies at a path and read the answer."""
    return asked(Request("DELETE", path))


def request_with(
    method: str, path: str, document: Mapping[str, Any], *, tries: int = TRIES
) -> Request:
    """Make a request that carries a JSON document."""
    data = json.dumps(document).encode()
    headers = {"Content-Type": "application/json"}
    return Request(method, path, Body(len(data), lambda: [data]), headers, tries=tries)


def parsed(data: bytes) -> Document:
    """Read a JSON document.

    Raises
    ------
    ApiError
        ``bad_answer``.
    """
    try:
        document = json.loads(data)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ApiError("bad_answer", "the platform answered with something else than a document")
    return document


def problem(head: Head, data: bytes) -> ApiError:
    """Read a problem document (RFC 9457); a proxy that reaches nobody writes none."""
    after = head.headers.get("retry-after", "")
    wait_s = float(after) if after.isascii() and after.isdigit() else None
    request_id = head.headers.get("x-request-id")
    try:
        document = json.loads(data)
        code, message, hint = document["code"], document["title"], document.get("hint", "")
    except (ValueError, KeyError, TypeError):
        code, message, hint = "bad_answer", f"the platform answered {head.status}", ""
        document = {}
        if head.status in AWAY:
            away = no_answer()
            code, message, hint = away.code, away.message, away.hint
    return ApiError(
        code, message, hint,
        status=head.status, retry_after_s=wait_s, request_id=request_id, document=document,
    )  # fmt: skip
