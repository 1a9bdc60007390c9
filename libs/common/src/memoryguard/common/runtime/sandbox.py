# SPDX-License-Identifier: Apache-2.0
"""Processes of their own for the bytes of strangers: limited, without secrets, replaced on failure.

A parser that is tricked holds nothing but the files it is given from then on, and the keys of UIDs
that come with them. It cannot open a file or a socket, start or look into a process, allocate more
than its limit, nor take longer than its time (`confined`, `seccomp`; where that is not available,
another process of the same user is in its reach). What it answers is JSON and bytes, never objects,
and no more than it could hold. That it is replaced after every file would cost a tenth of a second
each, and is not done.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, NoReturn

from memoryguard.common.errors import Rejected, Unavailable
from memoryguard.common.runtime import confined

MAX_DOCUMENT_BYTES = 16 << 20
"""Of one answer's JSON; a header with 4,096 frames has one."""
PIPE_BYTES = 1 << 20
START_S = 60.0
"""What a parser may take to import its module."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one parser; ``seconds`` are of one call."""

    memory_bytes: int = 512 << 20
    seconds: float = 10.0


class Sandbox:
    """Some parsers, each busy with one call at a time.

    Parameters
    ----------
    module
        Where the functions are: its ``CALLS`` gives them their names. Each takes a list of files
        and plain arguments, and gives plain data and a list of files.
    parsers
        Processes side by side; each is started when it is first needed.
    limits
        Of each.
    """

    def __init__(self, module: str, parsers: int = 2, limits: Limits = Limits()) -> None:
        self._parsers = [Parser(module, limits) for _ in range(parsers)]
        self._threads = ThreadPoolExecutor(parsers, "parser")
        self._idle: asyncio.LifoQueue[Parser] = asyncio.LifoQueue()
        for parser in self._parsers:
            self._idle.put_nowait(parser)
        self._closed = False

    async def close(self) -> None:
        """End every parser, after its call; later calls are refused."""
        self._closed = True
        for _ in self._parsers:
            (await self._idle.get()).close()
        self._threads.shutdown(wait=False)

    async def call(
        self, name: str, files: Sequence[bytes], **arguments: object
    ) -> tuple[Any, list[bytes]]:
        """Call a function as `Parser.call` does, without holding up the event loop.

        Raises
        ------
        Rejected, Unavailable
            As `Parser.call`; ``no_parser`` also when the sandbox is closed.
        """
        if self._closed:
            _no_parser()
        parser = await self._idle.get()
        called = asyncio.get_running_loop().run_in_executor(
            self._threads, partial(parser.call, name, files, **arguments)
        )
        called.add_done_callback(partial(self._free, parser))
        try:
            return await asyncio.shield(called)
        except asyncio.CancelledError:
            parser.kill()  # the thread ends with it
            raise

    def _free(self, parser: Parser, called: asyncio.Future[tuple[Any, list[bytes]]]) -> None:
        if not called.cancelled():
            called.exception()  # nobody may be waiting for it any more
        self._idle.put_nowait(parser)


class Parser:
    """One process, for one caller at a time; started when it is needed, kept while it is sound.

    Parameters
    ----------
    module, limits
        As of `Sandbox`.
    """

    def __init__(self, module: str, limits: Limits = Limits()) -> None:
        self._module = module
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False

    def call(
        self, name: str, files: Sequence[bytes], **arguments: object
    ) -> tuple[Any, list[bytes]]:
        """Call a function of the module on files; its answer and the files it wrote.

        Raises
        ------
        Rejected
            What the function refused; ``parsing_too_slow``; ``too_large`` when its memory was not
            enough; ``parser_failed`` when the process broke or died of it.
        Unavailable
            ``no_parser``: the process cannot be started.
        """
        process = self._running()
        sound = False
        try:
            answer, blobs = self._asked(process, {"call": name, "with": arguments}, files)
            sound = "failed" not in answer
        finally:
            if not sound:
                self.close()
        if refused := answer.get("refused"):
            raise Rejected(*refused)
        if not sound:
            self._failed(answer)
        return answer["answer"], blobs

    def start(self) -> None:
        """Start the process before it is needed.

        Raises
        ------
        Unavailable
            ``no_parser``.
        """
        self._running()

    def peak_bytes(self) -> int:
        """Give the largest resident memory of its process so far (Linux); 0 without one."""
        if self._process is None or self._process.poll() is not None:
            return 0
        status = Path(f"/proc/{self._process.pid}/status").read_text("utf-8")
        return int(status.split("VmHWM:")[1].split()[0]) << 10

    def kill(self) -> None:
        """End the process, whatever it does; a call in another thread fails."""
        self._killed = True  # it may live a moment longer
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """End the process, and forget it."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):  # of what it did not read
                    stream.close()

    def _running(self) -> subprocess.Popen[bytes]:
        """Give a process that runs: one that was killed while idle is nobody's fault."""
        if self._process is not None and not self._killed and self._process.poll() is None:
            return self._process
        self.close()
        self._killed = False
        process = self._process = subprocess.Popen(  # noqa: S603
            [
                *(sys.executable, "-I", "-m", confined.__name__, self._module),
                *(str(self._limits.memory_bytes), str(self._limits.seconds)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"OPENBLAS_NUM_THREADS": "1"},  # each thread would reserve memory that is limited
            start_new_session=True,
        )
        _widen(process.stdin, process.stdout)
        try:
            with _deadline(self.kill, START_S):
                _receive(process.stdout, 0)
        except (EOFError, _Nonsense):
            self.close()
            _no_parser()
        return process

    def _asked(
        self, process: subprocess.Popen[bytes], document: dict[str, Any], files: Sequence[bytes]
    ) -> confined.Message:
        with _deadline(self.kill, self._limits.seconds) as late:
            try:
                with suppress(BrokenPipeError):  # it may have said why
                    _send(process.stdin, document, files)
                return _receive(process.stdout, self._limits.memory_bytes)
            except (EOFError, _Nonsense):
                if late.is_set():
                    raise Rejected(
                        "parsing_too_slow", "a file takes too long to read", "is it damaged?"
                    ) from None
                self._failed({})

    def _failed(self, answer: dict[str, Any]) -> NoReturn:
        if answer.get("failed") == "too_large":
            raise Rejected("too_large", "a file needs more memory than is given to its reading")
        why = answer.get("why", "it died")
        logger.error("a parser failed", extra={"parser": self._module, "why": why})
        raise Rejected(
            "parser_failed", "a file cannot be read within the limits", "is it damaged?"
        ) from None


class _Nonsense(Exception):
    """The answer is none that our own code gives: the parser is somebody else's by now."""


@contextmanager
def _deadline(kill: Callable[[], None], seconds: float) -> Generator[threading.Event]:
    """Kill after some time, and say so."""
    late = threading.Event()

    def expire() -> None:
        late.set()
        kill()

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()


def _widen(*pipes: IO[bytes] | None) -> None:
    """Let pipes hold more, where the system lets us: fewer turns for the same bytes."""
    for pipe in pipes:
        if pipe is not None and hasattr(fcntl, "F_SETPIPE_SZ"):
            with suppress(OSError):
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _send(stream: IO[bytes] | None, document: dict[str, Any], files: Sequence[bytes]) -> None:
    assert stream is not None  # noqa: S101  # started with pipes
    for piece in confined.pieces(document, files):
        stream.write(piece)
    stream.flush()


def _receive(stream: IO[bytes] | None, most_bytes: int) -> confined.Message:
    assert stream is not None  # noqa: S101
    (length,) = confined.LENGTH.unpack(_exactly(stream, confined.LENGTH.size))
    if length > MAX_DOCUMENT_BYTES:
        raise _Nonsense
    document = _document(_exactly(stream, length))
    sizes = document["blobs"]
    if sum(sizes) > most_bytes:
        raise _Nonsense
    return document, [_exactly(stream, size) for size in sizes]


def _exactly(stream: IO[bytes], size: int) -> bytes:
    found = stream.read(size)
    if len(found) < size:
        raise EOFError
    return found


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body, parse_constant=_not_a_number)
    except (ValueError, RecursionError):
        raise _Nonsense from None
    match document:
        case {"blobs": list(sizes)} if all(type(size) is int and size >= 0 for size in sizes):
            pass
        case _:
            raise _Nonsense
    match document:
        case {"answer": _} | {"failed": str()}:
            return document
        case {"refused": [str(code), str(message), str(hint)]} if (
            code.isidentifier() and (code + message + hint).isprintable()
        ):
            return document
        case _:
            raise _Nonsense


def _not_a_number(_: str) -> NoReturn:
    raise _Nonsense


def _no_parser() -> NoReturn:
    raise Unavailable("no_parser", "the process that reads files does not start", "see the log")
