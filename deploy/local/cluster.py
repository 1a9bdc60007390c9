# SPDX-License-Identifier: Apache-2.0
"""The platform as it is deployed, on one machine without containers (``make cluster``).

Real Apache Kafka, real PostgreSQL, several replicas of every service as processes of their own,
and nginx in front with the generated route table. A service or an nginx that ends is started again,
as an orchestrator would: kill what you like. ``memoryguard`` commands find it by ``--home``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from memoryguard.cli.home import Home, make_home
from memoryguard.common.contracts.flow import SERVICES
from memoryguard.common.errors import EX_CONFIG, MemoryGuardError, Misconfigured, Unavailable
from memoryguard.common.runtime.database import prepare
from memoryguard.common.runtime.postgres import embedded_postgres
from memoryguard.common.runtime.settings import KafkaSettings
from memoryguard.common.runtime.topics import create_topics
from memoryguard.common.testing.broker import HOST, Broker, free_port

ROUTES = Path(__file__).resolve().parents[1] / "front" / "routes.conf"
READY_S = 120.0
POLL_S = 0.1
AGAIN_S = 1.0
STOP_S = 90.0

NGINX = """\
{user}daemon off;
pid nginx.pid;
error_log stderr crit;  # milder lines name requested paths, and some paths are secrets
worker_processes 1;
events {{}}
http {{
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
{upstreams}
    server {{
        listen {address};
        include {routes};
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the cluster, and how to tell that it is up."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    ready_url: str


@asynccontextmanager
async def cluster(
    home: Home,
    jars: Path,
    *,
    port: int = 0,
    replicas: int = 2,
    told: Callable[[str], None] = lambda line: None,
) -> AsyncGenerator[str]:
    """Run everything; yield the front's URL when all of it is ready.

    Parameters
    ----------
    home
        Folder of keys, objects, database and broker.
    jars
        Kafka's jars.
    port
        Of the front; 0 takes a free one.
    replicas
        Processes of each service.
    told
        Hears what is going on.
    """
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if nginx is None:
        raise Misconfigured("no_nginx", "nginx is missing", "Debian: apt-get install nginx-light")
    async with AsyncExitStack() as stack:
        stack.enter_context(home.locked())
        told("PostgreSQL")
        database_url = await stack.enter_async_context(embedded_postgres(home.folder / "postgres"))
        told("Apache Kafka")
        broker = Broker(jars, home.folder / "kafka")
        stack.callback(broker.stop)
        await asyncio.to_thread(broker.start)
        kafka = KafkaSettings(servers=broker.servers)
        await prepare(database_url, SERVICES)
        await create_topics(kafka)
        shared = home.environment(database_url) | {
            "MEMORYGUARD_KAFKA_SERVERS": broker.servers,
            "MEMORYGUARD_PROCESSOR_THREADS": "1",
        }
        services = [_service(home, name, n, shared) for name in SERVICES for n in range(replicas)]
        front = _front(home, nginx, services, port or free_port())
        told(f"{len(services)} processes of {len(SERVICES)} services, and nginx")
        running: dict[str, asyncio.subprocess.Process] = {}
        keeping = [asyncio.create_task(_keep(each, running, told)) for each in [*services, front]]
        stack.push_async_callback(_stop, keeping, running)
        await _all_ready([*services, front], keeping)
        url = front.ready_url.removesuffix("/health/live")
        stack.enter_context(home.announced(url, database_url))
        yield url


def _service(home: Home, name: str, number: int, shared: Mapping[str, str]) -> Process:
    port = free_port()
    return Process(
        f"{name}-{number}",
        [sys.executable, "-m", f"memoryguard.{name}"],
        {**shared, "MEMORYGUARD_PORT": str(port)},
        home.folder / "logs" / f"{name}-{number}.log",
        f"http://{HOST}:{port}/health/ready",
    )


def _front(home: Home, nginx: str, services: Sequence[Process], port: int) -> Process:
    """Route as the generated table says; the upstreams are the processes of this cluster."""
    folder = home.folder / "front"
    folder.mkdir(exist_ok=True)
    upstreams = "".join(
        f"    upstream {name} {{\n        least_conn;\n{_servers(name, services)}    }}\n"
        for name in SERVICES
    )
    (folder / "nginx.conf").write_text(
        NGINX.format(
            user="user root;\n" if os.geteuid() == 0 else "",
            upstreams=upstreams,
            address=f"{HOST}:{port}",
            routes=ROUTES,
        )
    )
    return Process(
        "front",
        [nginx, "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"],
        {},
        home.folder / "logs" / "front.log",
        f"http://{HOST}:{port}/health/live",
    )


def _servers(name: str, services: Sequence[Process]) -> str:
    own = [each for each in services if each.name.rpartition("-")[0] == name]
    return "".join(f"        server {each.ready_url.split('/')[2]};\n" for each in own)


async def _keep(
    process: Process,
    running: dict[str, asyncio.subprocess.Process],
    told: Callable[[str], None],
) -> None:
    """Run a process, and again when it ends; one that cannot even start is for a person to mend."""
    process.log.parent.mkdir(exist_ok=True)
    while True:
        first = process.name not in running
        with process.log.open("ab") as log:
            child = await asyncio.create_subprocess_exec(
                *process.command,
                env=os.environ | process.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches us, and we stop it
            )
        running[process.name] = child
        status = await child.wait()
        if status == EX_CONFIG and first:
            raise Misconfigured(
                "process_misconfigured", f"{process.name} is misconfigured", f"see {process.log}"
            )
        told(f"{process.name} ended with status {status}; started again")
        await asyncio.sleep(AGAIN_S)


async def _all_ready(processes: Sequence[Process], keeping: Sequence[asyncio.Task[None]]) -> None:
    deadline = time.monotonic() + READY_S
    async with aiohttp.ClientSession() as session:
        for process in processes:
            while not await _ready(session, process.ready_url):
                for task in keeping:
                    if task.done():
                        task.result()
                if time.monotonic() > deadline:
                    raise Unavailable(
                        "not_started", f"{process.name} does not start", f"see {process.log}"
                    )
                await asyncio.sleep(POLL_S)


async def _ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            return response.status == 200
    except (aiohttp.ClientError, OSError):
        return False


async def _stop(
    keeping: Sequence[asyncio.Task[None]], running: Mapping[str, asyncio.subprocess.Process]
) -> None:
    """Let every process finish what it has in hand."""
    for task in keeping:
        task.cancel()
    await asyncio.wait(keeping)
    for child in running.values():
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            for child in running.values():
                await child.wait()
    finally:
        for child in running.values():
            with contextlib.suppress(ProcessLookupError):
                child.kill()


async def run(folder: Path, jars: Path, port: int, replicas: int) -> None:
    """Run until Ctrl-C."""
    home = make_home(folder)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)

    def told(line: str) -> None:
        print(f"  {line}", flush=True)

    async with cluster(home, jars, port=port, replicas=replicas, told=told) as url:
        print(f"MemoryGuard serves at {url}; logs are in {home.folder / 'logs'}")
        print(f"Try: memoryguard demo --home {folder}    Ctrl-C stops everything", flush=True)
        await stopping.wait()
        print("  stopping", flush=True)


def main() -> None:
    """Run a cluster in the foreground."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path("memoryguard-cluster"))
    parser.add_argument("--jars", type=Path, required=True)
    parser.add_argument("--port", type=int, default=8480, help="0 takes a free one")
    parser.add_argument("--replicas", type=int, default=2)
    given = parser.parse_args()
    try:
        asyncio.run(run(given.home, given.jars.resolve(), given.port, given.replicas))
    except MemoryGuardError as error:
        print(f"{error} ({error.hint})" if error.hint else error, file=sys.stderr)
        raise SystemExit(EX_CONFIG if isinstance(error, Misconfigured) else 1) from None


if __name__ == "__main__":
    main()
