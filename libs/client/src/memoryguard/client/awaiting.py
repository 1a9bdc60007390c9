# SPDX-License-Identifier: Apache-2.0
"""The client that is awaited, on aiohttp."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self, TypeVar

from memoryguard.client.errors import ApiError, no_answer
from memoryguard.client.methods import Methods
from memoryguard.client.wire import Flow, Give, Head, Open, Pause, Request, Step, Stream

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")
READ_BYTES = 1 << 18
CONNECT_S = 30.0


class AsyncClient(Methods):
    """Talks to one platform with one bearer token; several of its methods may run side by side.

    Parameters
    ----------
    url, token
        As of `Client`.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open a pool of connections."""
        import aiohttp

        headers = {"Authorization": f"Bearer {self._token}"}
        self._session = aiohttp.ClientSession(headers=headers, auto_decompress=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        if self._session:
            await self._session.close()

    async def arun(self, flow: Flow[T]) -> T:
        """Take every step of a flow; what came of it."""
        async with self._exchange() as exchange:
            try:
                step = next(flow)
                while True:
                    try:
                        outcome = await exchange.take(step)
                    except ApiError as error:
                        step = flow.throw(error)
                    else:
                        step = flow.send(outcome)
            except StopIteration as end:
                return end.value

    async def aiterate(self, stream: Stream[T]) -> AsyncIterator[T]:
        """Take steps until something is given."""
        async with self._exchange() as exchange:
            step = next(stream, None)
            while step is not None:
                if isinstance(step, Give):
                    yield step.value
                    step = next(stream, None)
                    continue
                try:
                    try:
                        outcome = await exchange.take(step)
                    except ApiError as error:
                        step = stream.throw(error)
                    else:
                        step = stream.send(outcome)
                except StopIteration:
                    return

    def _exchange(self) -> _Exchange:
        assert self._session, "use it as: async with AsyncClient(url, token) as platform"  # noqa: S101
        return _Exchange(self._session, self._url)


class _Exchange:
    """The requests of one flow, each answer closed before the next is opened."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self._stack = AsyncExitStack()
        self._response: aiohttp.ClientResponse | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def take(self, step: Step) -> Any:
        import asyncio

        import aiohttp

        try:
            match step:
                case Pause(seconds):
                    return await asyncio.sleep(seconds)
                case Open(request):
                    return await self._open(request)
                case _:
                    assert self._response  # noqa: S101  # flows open before they read
                    return await self._response.content.readany()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise no_answer() from error

    async def _open(self, request: Request) -> Head:
        import aiohttp

        await self._stack.aclose()
        headers, data = dict(request.headers), None
        if request.body:
            headers["Content-Length"] = str(request.body.bytes)
            data = _awaited(request.body.pieces())
        wait = aiohttp.ClientTimeout(None, sock_connect=CONNECT_S, sock_read=request.timeout_s)
        self._response = await self._stack.enter_async_context(
            self._session.request(
                request.method, self._url + request.path,
                data=data, headers=headers, timeout=wait, allow_redirects=False,
            )
        )  # fmt: skip
        names = {name.lower(): value for name, value in self._response.headers.items()}
        return Head(self._response.status, names)


async def _awaited(pieces: Iterable[bytes]) -> AsyncGenerator[bytes]:
    for piece in pieces:
        yield piece
