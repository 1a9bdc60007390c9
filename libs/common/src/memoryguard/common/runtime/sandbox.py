# SPDX-License-Identifier: Apache-2.0
"""Processes of their own for the bytes of strangers: limited, without secrets, replaced on failure.

A parser that is tricked can see nothing but the files it was given and one person's key of UIDs;
it cannot allocate or write more than its limits, nor take longer than its time. What it answers is
JSON and bytes, never objects.

A message on its standard input or output is the length of a JSON document (4 bytes, big endian),
the document, and the blobs whose lengths stand in the document under ``blobs``.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import resource
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any, TypeAlias

from memoryguard.common.errors import Rejected

Message: TypeAlias = tuple[dict[str, Any], list[bytes]]
_LENGTH = struct.Struct(">I")


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
        Processes side by side.
    limits
        Of each.
    """

    def __init__(
        self,
        module: str,
        parsers: int = 2,
        limits: Limits = Limits(),
    ) -> None:
        self._module = module
        self._limits = limits
        self._idle: asyncio.LifoQueue[asyncio.subprocess.Process | None] = asyncio.LifoQueue()
        for _ in range(parsers):
            self._idle.put_nowait(None)  # started when it is needed
        self._parsers = parsers

    async def close(self) -> None:
        """End every parser, after its call."""
        for _ in range(self._parsers):
            if (parser := await self._idle.get()) is not None:
                await _end(parser)

    async def call(
        self, name: str, files: Sequence[bytes], **arguments: object
    ) -> tuple[Any, list[bytes]]:
        """Call a function of the module on files; its answer and the files it wrote.

        Raises
        ------
        Rejected
            What the function refused; ``parsing_too_slow``; ``parser_failed`` when the process
            died of it (as when its memory was not enough).
        """
        parser, healthy = await self._idle.get(), False
        try:
            parser = parser or await self._start()
            async with asyncio.timeout(self._limits.seconds):
                answer, blobs = await _ask(parser, {"call": name, "with": arguments}, files)
            healthy = True
        except TimeoutError:
            raise Rejected(
                "parsing_too_slow", "a file takes too long to read", "is it damaged?"
            ) from None
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Rejected(
                "parser_failed", "a file cannot be read within the limits", "is it damaged?"
            ) from None
        finally:
            if parser is not None and not healthy:
                await _end(parser)
            self._idle.put_nowait(parser if healthy else None)
        if refused := answer.get("refused"):
            raise Rejected(*refused)
        return answer["answer"], blobs

    async def _start(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-m", __name__, self._module, str(self._limits.memory_bytes),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            env={"OPENBLAS_NUM_THREADS": "1"},  # each thread would reserve memory that is limited
            start_new_session=True,
        )  # fmt: skip


async def _ask(
    parser: asyncio.subprocess.Process, document: dict[str, Any], files: Sequence[bytes]
) -> Message:
    assert parser.stdin is not None  # noqa: S101  # started with pipes
    assert parser.stdout is not None  # noqa: S101

    async def send(stdin: asyncio.StreamWriter) -> None:
        for piece in _pieces(document, files):
            stdin.write(piece)
            await stdin.drain()

    async def receive(stdout: asyncio.StreamReader) -> Message:
        (length,) = _LENGTH.unpack(await stdout.readexactly(_LENGTH.size))
        answer = json.loads(await stdout.readexactly(length))
        return answer, [await stdout.readexactly(size) for size in answer["blobs"]]

    _, answer = await asyncio.gather(send(parser.stdin), receive(parser.stdout))
    return answer


async def _end(parser: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        parser.kill()
    await parser.wait()


def _pieces(document: dict[str, Any], blobs: Sequence[bytes]) -> list[bytes]:
    body = json.dumps(document | {"blobs": [len(blob) for blob in blobs]}).encode()
    return [_LENGTH.pack(len(body)), body, *blobs]


# --- inside the parser ----------------------------------------------------------------------------


def _answered(calls: Any, document: dict[str, Any], files: list[bytes]) -> Message:
    try:
        answer, blobs = calls[document["call"]](files, **document["with"])
    except Rejected as error:
        return {"refused": [error.code, error.message, error.hint]}, []
    except MemoryError:
        return {"refused": ["too_large", "a file needs more memory than is given to it", ""]}, []
    return {"answer": answer}, blobs


def _received(stream: IO[bytes]) -> Message | None:
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    document = json.loads(stream.read(_LENGTH.unpack(head)[0]))
    return document, [stream.read(size) for size in document["blobs"]]


def _confine(memory_bytes: int) -> None:
    """Take from this process what it does not need, before it sees a file."""
    for kind, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 16),
    ):
        resource.setrlimit(kind, (most, most))


def main() -> None:
    """Answer calls to the functions of the module that is named, until the input ends."""
    _confine(int(sys.argv[2]))
    calls = importlib.import_module(sys.argv[1]).CALLS
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    while (message := _received(stdin)) is not None:
        document, files = message
        del message
        for piece in _pieces(*_answered(calls, document, files)):
            stdout.write(piece)
        stdout.flush()
        del document, files


if __name__ == "__main__":
    main()
