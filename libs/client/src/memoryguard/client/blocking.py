# SPDX-License-Identifier: Apache-2.0
"""The client that blocks: Python's own HTTP, no thread, no event loop."""

from __future__ import annotations

import http.client
import time
from collections.abc import Generator, Iterator
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from memoryguard.client.errors import ApiError, no_answer
from memoryguard.client.methods import Methods
from memoryguard.client.wire import Flow, Give, Head, Open, Pause, Request, Step, Stream

T = TypeVar("T")
READ_BYTES = 1 << 18


class Client(Methods):
    """Talks to one platform with one bearer token.

    Parameters
    ----------
    url
        Where the platform listens, for instance ``http://127.0.0.1:8470``.
    token
        Bearer token.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = urlsplit(url)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._exchange: _Exchange | None = None

    def __enter__(self) -> Self:
        """Open nothing yet: each request has a connection of its own."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close what is still open."""
        self._close()

    def run(self, flow: Flow[T]) -> T:
        """Take every step of a flow; what came of it."""
        try:
            step, outcome = next(flow), None
            while True:
                try:
                    outcome = self._take(step)
                except ApiError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(outcome)
        except StopIteration as end:
            return end.value
        finally:
            self._close()

    def iterate(self, stream: Stream[T]) -> Iterator[T]:
        """Take steps until something is given."""
        try:
            yield from self._given(stream)
        finally:
            self._close()

    def _given(self, stream: Stream[T]) -> Generator[T]:
        step = next(stream, None)
        while step is not None:
            try:
                if isinstance(step, Give):
                    yield step.value
                    step = next(stream, None)
                    continue
                try:
                    outcome = self._take(step)
                except ApiError as error:
                    step = stream.throw(error)
                else:
                    step = stream.send(outcome)
            except StopIteration:
                return

    def _take(self, step: Step) -> Any:
        match step:
            case Pause(seconds):
                time.sleep(seconds)
                return None
            case Open(request):
                self._close()
                self._exchange = _Exchange(self._url.scheme, self._url.netloc, request)
                return self._exchange.head(self._url.path, request, self._headers)
            case _:
                assert self._exchange  # noqa: S101  # flows open before they read
                return self._exchange.read()

    def _close(self) -> None:
        if self._exchange is not None:
            self._exchange.close()
            self._exchange = None


class _Exchange:
    """One request and its answer."""

    def __init__(self, scheme: str, host: str, request: Request) -> None:
        kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
        self._connection = kind(host, timeout=request.timeout_s)
        self._response: http.client.HTTPResponse | None = None

    def head(self, base: str, request: Request, headers: dict[str, str]) -> Head:
        body, sent = None, headers | dict(request.headers)
        if request.body:
            body = iter(request.body.pieces())
            sent["Content-Length"] = str(request.body.bytes)
        try:
            self._connection.request(request.method, base.rstrip("/") + request.path, body, sent)
            self._response = self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise no_answer() from error
        names = {name.lower(): value for name, value in self._response.getheaders()}
        return Head(self._response.status, names)

    def read(self) -> bytes:
        assert self._response  # noqa: S101  # a head was answered
        try:
            piece = self._response.read1(READ_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise no_answer() from error
        if not piece and self._response.length:
            raise no_answer()  # it ends before its length
        return piece

    def close(self) -> None:
        self._connection.close()
