# SPDX-License-Identifier: Apache-2.0
"""What runs inside a parser's process (`sandbox`): it confines itself, then answers calls.

Run as ``python -I -m memoryguard.common.runtime.confined MODULE MEMORY_BYTES SECONDS``. Everything
the module needs must be imported with it: later it can open nothing, not even a source file.

A message on standard input or output is the length of a JSON document (4 bytes, big endian), the
document, and the blobs whose lengths stand in the document under ``blobs``. The first message of a
parser says that it is ready.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, TypeAlias

from memoryguard.common.errors import Rejected
from memoryguard.common.runtime import seccomp

Blob: TypeAlias = bytes | memoryview
Message: TypeAlias = tuple[dict[str, Any], list[bytes]]
Answer: TypeAlias = tuple[dict[str, Any], Sequence[Blob]]
Call: TypeAlias = Callable[..., tuple[Any, Sequence[Blob]]]

LENGTH = struct.Struct(">I")


def pieces(document: Mapping[str, Any], blobs: Sequence[Blob]) -> list[Blob]:
    """Write a message, without copying its blobs."""
    sizes = [len(blob) for blob in blobs]
    body = json.dumps({**document, "blobs": sizes}, allow_nan=False).encode()
    return [LENGTH.pack(len(body)), body, *blobs]


def main() -> None:
    """Answer calls to the functions of a module, until the input ends or something breaks."""
    module, memory_bytes, seconds = sys.argv[1:]
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    _limit(resource.RLIMIT_AS, int(memory_bytes))
    calls: Mapping[str, Call] = importlib.import_module(module).CALLS
    _confine()
    _send(stdout, {"answer": "ready"}, [])
    while (answer := _answer(calls, stdin, math.ceil(float(seconds)) + 1)) is not None:
        _send(stdout, *answer)
        signal.alarm(0)
        if "failed" in answer[0]:
            return
        del answer  # before the next files come


def _confine() -> None:
    """Take from this process what it does not need, before it sees a file."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # what codecs write about a file may hold what stands in it
    os.close(nowhere)
    for kind in (
        resource.RLIMIT_NOFILE,  # no file, no socket, no pipe: only the two that are open
        resource.RLIMIT_FSIZE,
        resource.RLIMIT_CORE,
        resource.RLIMIT_NPROC,  # (root is exempt)
    ):
        _limit(kind, 0)
    if seccomp.available():
        seccomp.confine()


def _limit(kind: int, most: int) -> None:
    resource.setrlimit(kind, (most, most))


def _answer(calls: Mapping[str, Call], stdin: IO[bytes], seconds: int) -> Answer | None:
    try:
        message = _received(stdin, seconds)
        if message is None:
            return None
        document, files = message
        answer, blobs = calls[document["call"]](files, **document["with"])
    except Rejected as error:
        return {"refused": [error.code, error.message, error.hint]}, []
    except MemoryError:
        return {"failed": "too_large"}, []
    except Exception as error:  # noqa: BLE001  # a bug, said without any value out of the file
        return {"failed": "parser_failed", "why": f"{type(error).__name__} at {_place(error)}"}, []
    return {"answer": answer}, blobs


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "?"
    return f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"  # noqa: PTH119


def _received(stream: IO[bytes], seconds: int) -> Message | None:
    """Read a message; None when the input ended, in the midst of one or not."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    signal.alarm(seconds)  # a parser whose parent was killed has nobody else who ends it
    body = stream.read(LENGTH.unpack(head)[0])
    try:
        document = json.loads(body)
    except ValueError:
        return None
    blobs = [stream.read(size) for size in document["blobs"]]
    whole = [len(blob) for blob in blobs] == document["blobs"]
    return (document, blobs) if whole else None


def _send(stream: IO[bytes], document: Mapping[str, Any], blobs: Sequence[Blob]) -> None:
    for piece in pieces(document, blobs):
        stream.write(piece)
    stream.flush()


if __name__ == "__main__":
    main()
