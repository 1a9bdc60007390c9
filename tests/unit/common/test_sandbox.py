# SPDX-License-Identifier: Apache-2.0
"""Parsers that hang, grow, die, lie or try to get out: each ends in a code, and another starts."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import struct
import sys
import termios
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from memoryguard.common.errors import Rejected, Unavailable
from memoryguard.common.runtime import seccomp
from memoryguard.common.runtime.sandbox import Limits, Sandbox
from memoryguard.common.testing import parsers

MODULE = parsers.__name__
SECONDS = 1.0
SECRET = b"SECRETNAME"


@pytest_asyncio.fixture
async def sandbox() -> AsyncGenerator[Sandbox]:
    found = Sandbox(MODULE, parsers=1, limits=Limits(256 << 20, SECONDS))
    yield found
    await found.close()


async def code_of(sandbox: Sandbox, name: str, *files: bytes, **arguments: object) -> str:
    with pytest.raises(Rejected) as error:
        await sandbox.call(name, files, **arguments)
    assert "SECRET" not in error.value.message + error.value.hint
    return error.value.code


async def pid_of(sandbox: Sandbox) -> int:
    return (await sandbox.call("surroundings", []))[0]["pid"]


def message(document: object, blobs: bytes = b"") -> bytes:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return struct.pack(">I", len(body)) + body + blobs


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def gone(pid: int) -> bool:
    """Whether a process has ended and was waited for: a zombie is still there."""
    return not Path(f"/proc/{pid}").exists()


def waiting_for(pid: int) -> bool:
    """Whether much lies in the pipe to a process."""
    found = bytearray(4)
    with Path(f"/proc/{pid}/fd/0").open("rb", buffering=0) as stream:
        fcntl.ioctl(stream, termios.FIONREAD, found)
    return int.from_bytes(found, sys.byteorder) > 4096


async def eventually(true: object, *arguments: object) -> None:
    deadline = time.monotonic() + 10
    while not true(*arguments):  # type: ignore[operator]
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_files_and_arguments_come_back(sandbox: Sandbox) -> None:
    files = [b"", b"x" * 70_000, bytes(range(256)) * 40_000]
    said = {"text": "ä\n\udce4", "many": [1, 2.5, None], "on": True}
    assert await sandbox.call("echo", files, **said) == (said, files)
    assert await sandbox.call("echo", []) == ({}, [])


async def test_a_parser_serves_many_calls_and_waits_for_none_of_others() -> None:
    sandbox = Sandbox(MODULE, parsers=2)
    answers = await asyncio.gather(*(sandbox.call("surroundings", []) for _ in range(20)))
    assert len({answer["pid"] for answer, _ in answers}) == 2
    await sandbox.close()
    assert all(gone(answer["pid"]) for answer, _ in answers)
    with pytest.raises(Unavailable):
        await sandbox.call("echo", [])


async def test_it_is_told_no_secret(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORYGUARD_VAULT_KEY", "SECRETKEY")
    found, _ = await sandbox.call("surroundings", [])
    assert environment_of(found["pid"]) == b"OPENBLAS_NUM_THREADS=1\0"
    assert found["arguments"] == [MODULE, str(256 << 20), str(SECONDS)]


@pytest.mark.parametrize(
    "what",
    [
        *("read", "write", "list", "environment of the parent", "socket", "fork", "program"),
        *("limits", "memory", "kill", "look into the parent"),
    ],
)
async def test_it_can_do_nothing_but_compute(sandbox: Sandbox, what: str) -> None:
    """Even as root; without the filter, files, sockets and pipes cannot be opened all the same."""
    outcome, _ = await sandbox.call("attempt", [], what=what)
    opening = {"read", "write", "list", "environment of the parent", "socket", "program"}
    if seccomp.available():
        assert outcome == ("ValueError" if what in ("limits", "memory") else "PermissionError")
    else:
        assert what not in opening or outcome == "OSError"


async def test_refusals_keep_their_words_and_the_parser(sandbox: Sandbox) -> None:
    before = await pid_of(sandbox)
    with pytest.raises(Rejected) as error:
        await sandbox.call("refuse", [])
    assert (error.value.code, error.value.message, error.value.hint) == (
        *("bad_example", "no good", "try another"),
    )
    assert await pid_of(sandbox) == before


async def test_a_parser_that_takes_too_long_is_replaced(sandbox: Sandbox) -> None:
    before, start = await pid_of(sandbox), time.monotonic()
    assert await code_of(sandbox, "wait", seconds=60) == "parsing_too_slow"
    assert time.monotonic() - start < SECONDS + 2
    assert gone(before)
    assert await pid_of(sandbox) != before


async def test_a_parser_that_needs_too_much_memory_is_replaced(sandbox: Sandbox) -> None:
    before = await pid_of(sandbox)
    assert (await sandbox.call("allocate", [], amount=100 << 20))[0] == 100 << 20
    assert await code_of(sandbox, "allocate", amount=300 << 20) == "too_large"
    assert await pid_of(sandbox) != before
    assert await code_of(sandbox, "echo", bytes(300 << 20)) == "too_large"
    assert await sandbox.call("echo", [b"x"]) == ({}, [b"x"])


@pytest.mark.parametrize("how", ["segfault", "abort", "exit"])
async def test_a_parser_that_dies_is_replaced(sandbox: Sandbox, how: str) -> None:
    before = await pid_of(sandbox)
    assert await code_of(sandbox, "die", SECRET, how=how) == "parser_failed"
    assert gone(before)
    assert await sandbox.call("echo", [b"x"]) == ({}, [b"x"])


async def test_a_parser_that_dies_while_files_are_sent(sandbox: Sandbox) -> None:
    pid = await pid_of(sandbox)
    os.kill(pid, signal.SIGSTOP)  # its input fills up
    call = asyncio.create_task(code_of(sandbox, "echo", bytes(8 << 20)))
    await eventually(waiting_for, pid)
    os.kill(pid, signal.SIGKILL)
    assert await call == "parser_failed"
    assert await sandbox.call("echo", [b"x"]) == ({}, [b"x"])


async def test_a_parser_that_was_killed_while_idle_is_nobodys_fault(sandbox: Sandbox) -> None:
    pid = await pid_of(sandbox)
    os.kill(pid, signal.SIGKILL)
    await eventually(ended, pid)
    assert await pid_of(sandbox) != pid


async def test_a_bug_is_said_without_what_the_file_said(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    assert await code_of(sandbox, "fail", SECRET) == "parser_failed"
    assert await sandbox.call("chatter", [SECRET]) == (None, [])
    said = [vars(record) for record in caplog.records]
    assert [record["why"].split(":")[0] for record in said] == ["ValueError at parsers.py"]
    assert "SECRET" not in str(said)
    assert "SECRET" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"\xff\xff\xff\xff",
        message(b"not json"),
        message(b"\xff\xfe"),
        message(b"[" * 200_000),
        message(b'{"blobs":' + b"[" * 200_000),
        message([]),
        message({"answer": 1}),
        message({"blobs": []}),
        message({"answer": 1, "blobs": 3}),
        message({"answer": 1, "blobs": ["3"]}),
        message({"answer": 1, "blobs": [True]}, b"x"),
        message({"answer": 1, "blobs": [-1]}),
        message({"answer": 1, "blobs": [1.5]}),
        message({"answer": 1, "blobs": [1 << 60]}),
        message({"answer": 1, "blobs": [200 << 20, 200 << 20]}),
        message(b'{"answer": NaN, "blobs": []}'),
        message(b'{"answer": ' + b"9" * 5000 + b', "blobs": []}'),
        message({"refused": ["code", "message"], "blobs": []}),
        message({"refused": ["code", "two\nlines", ""], "blobs": []}),
        message({"refused": ["<b>", "", ""], "blobs": []}),
        message({"refused": "codes", "blobs": []}),
        message({"failed": ["x"], "blobs": []}),
    ],
    ids=range(23),
)
async def test_nonsense_is_never_believed(sandbox: Sandbox, answer: bytes) -> None:
    before = await pid_of(sandbox)
    assert await code_of(sandbox, "say", answer) == "parser_failed"
    assert gone(before)


async def test_an_answer_without_an_end_is_cut_off(sandbox: Sandbox) -> None:
    assert await code_of(sandbox, "say", bytes([0, 0xFF]) * 999, over_and_over=True) == (
        "parser_failed"
    )
    half = message({"answer": 1, "blobs": [100]}, b"x")
    assert await code_of(sandbox, "say", half) == "parsing_too_slow"


async def test_a_cancelled_call_leaves_its_place_free(sandbox: Sandbox) -> None:
    pid = await pid_of(sandbox)
    for file in (b"x", bytes(8 << 20)):
        call = asyncio.create_task(sandbox.call("wait", [file], seconds=60))
        waiting = asyncio.create_task(sandbox.call("echo", [b"y"]))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await waiting == ({}, [b"y"])
    await eventually(gone, pid)


async def test_a_call_cancelled_while_its_parser_starts_leaves_nothing(sandbox: Sandbox) -> None:
    for turns in (1, 3, 10, 50):
        call = asyncio.create_task(sandbox.call("wait", [], seconds=60))
        for _ in range(turns):
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert await sandbox.call("echo", [b"x"]) == ({}, [b"x"])


PARENT = """
import asyncio, sys
from pathlib import Path
from memoryguard.common.runtime import seccomp
from memoryguard.common.runtime.sandbox import Limits, Sandbox

async def main():
    found = [Sandbox(sys.argv[1], 1, Limits(seconds=1)) for _ in range(2)]
    pids = [(await sandbox.call("surroundings", []))[0]["pid"] for sandbox in found]
    call = asyncio.create_task(found[1].call("wait", [bytes(8 << 20)], seconds=60))
    while int(Path(f"/proc/{pids[1]}/io").read_text().split()[1]) < 8 << 20:  # bytes read
        await asyncio.sleep(0.01)
    print(*pids, flush=True)
    await call

asyncio.run(main())
"""


async def test_a_parser_ends_with_its_parent() -> None:
    """An idle one as its input ends; one in the midst of a call by its own clock."""
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PARENT, MODULE), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in (await parent.stdout.readline()).split()]
    assert len(pids) == 2
    parent.kill()
    await parent.wait()
    for pid in pids:
        await eventually(ended, pid)


def ended(pid: int) -> bool:
    """Whether it runs no more; whoever adopted it may not have waited for it."""
    try:
        return " Z " in Path(f"/proc/{pid}/stat").read_text("utf-8")
    except OSError:
        return True


async def test_a_module_that_cannot_be_imported_is_our_fault(
    capfd: pytest.CaptureFixture[str],
) -> None:
    sandbox = Sandbox("memoryguard.common.testing.nothing", parsers=1)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await sandbox.call("echo", [])
    await sandbox.close()
    assert "ModuleNotFoundError" in capfd.readouterr().err
