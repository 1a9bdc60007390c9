# SPDX-License-Identifier: Apache-2.0
"""What a parser does when it was taken over, or is broken; for the tests of the sandbox.

It is part of the distribution because a parser runs isolated and imports only what is installed.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from memoryguard.common.errors import Rejected

Answer: TypeAlias = tuple[Any, list[bytes]]


def echo(files: Sequence[bytes], **said: object) -> Answer:
    """Give everything back."""
    return said, list(files)


def surroundings(files: Sequence[bytes]) -> Answer:
    """Tell what a parser knows and may do."""
    return {
        "arguments": sys.argv[1:],
        "pid": os.getpid(),
    }, []


def attempt(files: Sequence[bytes], *, what: str) -> Answer:
    """Try what a parser must not be able to do; tell how it ended."""
    tries: dict[str, Callable[[], object]] = {
        "read": lambda: Path("/etc/hostname").read_text("utf-8"),
        "write": lambda: Path("/tmp/parser").write_text("x", "utf-8"),  # noqa: S108
        "list": lambda: os.listdir("/"),  # noqa: PTH208
        "environment of the parent": lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes(),
        "socket": socket.socket,
        "fork": os.fork,
        "program": lambda: subprocess.run(["/bin/true"], check=True),
        "limits": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
        "memory": lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)),
        "kill": lambda: os.kill(os.getppid(), 0),
        "look into the parent": lambda: _ptrace(os.getppid()),
    }
    try:
        tries[what]()
    except (OSError, ValueError) as error:
        return type(error).__name__, []
    return "done", []


def _ptrace(pid: int) -> None:
    attach = 16
    if ctypes.CDLL(None, use_errno=True).ptrace(attach, pid, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    os.waitpid(pid, 0)


def wait(files: Sequence[bytes], *, seconds: float) -> Answer:
    """Answer late."""
    time.sleep(seconds)
    return None, []


def allocate(files: Sequence[bytes], *, amount: int) -> Answer:
    """Need memory."""
    return len(bytearray(amount)), []


def refuse(files: Sequence[bytes]) -> Answer:
    """Refuse a file."""
    raise Rejected("bad_example", "no good", "try another")


def fail(files: Sequence[bytes]) -> Answer:
    """Have a bug, and a message with what stood in the file."""
    raise ValueError(files[0].decode())


def die(files: Sequence[bytes], *, how: str) -> Answer:
    """End as native code ends that is broken."""
    {"segfault": lambda: ctypes.string_at(0), "abort": os.abort, "exit": lambda: os._exit(0)}[how]()
    return None, []


def chatter(files: Sequence[bytes]) -> Answer:
    """Write what stands in a file where a log may take it up."""
    os.write(2, files[0])
    return None, []


def say(files: Sequence[bytes], *, over_and_over: bool = False) -> Answer:
    """Answer with bytes that our code would not write, and wait for the end."""
    while True:
        os.write(1, files[0])
        if not over_and_over:
            signal.pause()


CALLS = {
    call.__name__: call
    for call in (*(echo, surroundings, attempt, wait, allocate, refuse, fail, die, chatter, say),)
}
