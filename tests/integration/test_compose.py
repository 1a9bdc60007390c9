# SPDX-License-Identifier: Apache-2.0
"""docker-compose.yml without containers: its own commands and environments as plain processes.

PostgreSQL, Apache Kafka, the object store and nginx are real. Only what containers would give is
put in place: host names and ports become places on this machine.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import aiohttp
import pytest
import pytest_asyncio
from deployment import ROOT, Json, Process, compose, dockerfile, dotenv, go_tool, process, program
from series import small_series

from memoryguard.cli.audit import key_of
from memoryguard.cli.home import Home
from memoryguard.client import AsyncClient
from memoryguard.common.contracts.flow import SERVICES
from memoryguard.common.errors import EX_CONFIG
from memoryguard.common.runtime.database import connect
from memoryguard.common.runtime.postgres import embedded_postgres
from memoryguard.common.testing.broker import Broker, free_port
from memoryguard.tlog.checkpoint import open_checkpoint
from memoryguard.tlog.cosignature import WitnessKey
from memoryguard.tlog.note import VerifierKey
from memoryguard.tlog.witnessed import check_witnesses

pytestmark = pytest.mark.slow

JOBS = ("prepare-database", "prepare-topics", "prepare-bucket")
READY_S = 120.0
BIN = Path(sys.executable).parent


@dataclass
class Here:
    """Where on this machine lies what containers would find by name."""

    folder: Path
    home: Home
    services: Json
    sockets: str
    kafka: str
    objects: str
    secrets: list[str]
    ports: dict[str, int]

    def process(self, name: str) -> Process:
        """Command and environment of a container, with names and folders mapped to this machine."""
        container = self.services[name]
        described = process(container, container.get("environment", {}))
        environment = {k: self._mapped(v) for k, v in described.environment.items()}
        environment["PATH"] = f"{BIN}{os.pathsep}/usr/sbin{os.pathsep}/usr/bin{os.pathsep}/bin"
        if name in self.ports:
            environment["MEMORYGUARD_PORT"] = str(self.ports[name])
        return Process([self._mapped(part) for part in described.command], environment)

    def witness(self, *arguments: str) -> Process:
        """The witness, with its port mapped; or another command of it, as `compose run` has it."""
        its = self.process("witness")
        entry = list(self.services["witness"]["entrypoint"])
        if arguments:
            return Process([*entry, *map(self._mapped, arguments)], its.environment)
        return Process([*its.command, "--port", str(self.ports["witness"])], its.environment)

    def _mapped(self, value: str) -> str:
        value = {"/state": str(self.folder / "witness"), "0.0.0.0": "127.0.0.1"}.get(value, value)
        value = re.sub(r"@postgres:5432/(\w+)", rf"@/\1?host={quote(self.sockets)}", value)
        return value.replace("kafka:9092", self.kafka).replace("http://objects:7070", self.objects)

    def run(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run a container that ends by itself."""
        its = self.process(name)
        return subprocess.run(
            its.command, env=its.environment, cwd=self.folder, capture_output=True, text=True
        )


@contextmanager
def running(name: str, its: Process, folder: Path) -> Generator[subprocess.Popen[bytes]]:
    """Run a container until the end of the block; it must stop well when told to."""
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        started = subprocess.Popen(
            its.command, env=its.environment, cwd=folder, stdout=out, stderr=out
        )
    try:
        yield started
        started.send_signal(signal.SIGTERM)
        assert started.wait(60) == 0, log.read_text()
    finally:
        started.kill()
        started.wait()


def until(
    command: list[str], environment: dict[str, str], watched: subprocess.Popen[bytes]
) -> None:
    """Repeat a health check, as the engine does, until it passes."""
    deadline = time.monotonic() + READY_S
    while subprocess.run(command, env=environment, capture_output=True).returncode != 0:
        assert watched.poll() is None, "it ended instead of becoming healthy"
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sockets(
    tmp_path_factory: pytest.TempPathFactory, variables: dict[str, str]
) -> AsyncGenerator[str]:
    """A PostgreSQL that wants passwords, with the owner and database that the image would make."""
    folder = tmp_path_factory.mktemp("compose-pg")
    async with embedded_postgres(folder, durable=False) as url:
        owner = compose(variables)["services"]["postgres"]["environment"]
        connection = await connect(url)
        word = owner["POSTGRES_PASSWORD"]
        await connection.execute(f"create role {owner['POSTGRES_USER']} superuser login"
                                 f" password '{word}'")  # fmt: skip
        await connection.execute(f"create database {owner['POSTGRES_DB']}")
        rules = "local all postgres trust\nlocal all all scram-sha-256\n"
        (folder / "data" / "pg_hba.conf").write_text(rules)
        await connection.execute("select pg_reload_conf()")
        await connection.close()
        yield url.split("host=")[1].replace("%2F", "/")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("compose") / "home")


@pytest.fixture(scope="module")
def variables(home: Home) -> dict[str, str]:
    """The .env file that `memoryguard prepare keys` prints."""
    printed = subprocess.run(
        [BIN / "memoryguard", "prepare", "keys", "--home", home.folder],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return dotenv(printed.stdout)


@pytest.fixture(scope="module")
def kafka(
    kafka_jars: Path, variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Generator[str]:
    """A broker with the settings of the compose file, but for where it listens and writes."""
    described = compose(variables)["services"]["kafka"]["environment"]
    settings = {
        name.removeprefix("KAFKA_").replace("_", ".").lower(): value
        for name, value in described.items()
        if name.startswith("KAFKA_")
    }
    for placed in ("listeners", "advertised.listeners", "controller.quorum.voters", "log.dirs"):
        del settings[placed]
    del settings["heap.opts"]
    folder = tmp_path_factory.mktemp("compose-kafka")
    with Broker(kafka_jars, folder, properties=settings) as broker:
        yield broker.servers


@pytest.fixture(scope="module")
def objects(variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The object store of the compose file, by its own command."""
    folder = tmp_path_factory.mktemp("compose-objects")
    described = compose(variables)["services"]["objects"]
    address = f"127.0.0.1:{free_port()}"
    command = [part.replace("/objects", str(folder)) for part in described["command"]]
    environment = described["environment"] | {"VGW_PORT": address}
    its = Process([go_tool("versitygw"), *command], environment)
    check = [
        each.replace("127.0.0.1:7070", address) for each in described["healthcheck"]["test"][1:]
    ]
    with running("objects", its, folder) as started:
        until(check, {"PATH": os.environ["PATH"]}, started)
        yield f"http://{address}"


@pytest.fixture(scope="module")
def here(home: Home, variables: dict[str, str], sockets: str, kafka: str, objects: str) -> Here:
    """Everything that the platform's own containers need; they have not been started."""
    for name in ("nginx", "wget"):
        program(name)
    return Here(
        folder=home.folder.parent,
        home=home,
        services=compose(variables)["services"],
        sockets=sockets,
        kafka=kafka,
        objects=objects,
        secrets=[value for name, value in variables.items() if "PASSWORD" in name],
        ports={name: free_port() for name in (*SERVICES, "witness")},
    )


@pytest.fixture(scope="module")
def prepared(here: Here) -> Here:
    """The jobs have run, each of them twice."""
    for name in (*JOBS, *JOBS):
        done = here.run(name)
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == 1 and not done.stderr
        assert not [secret for secret in here.secrets if secret in done.stdout]
    assert "every topic is there" in here.run("prepare-topics").stdout
    assert "the bucket is there" in here.run("prepare-bucket").stdout
    return here


def front(here: Here, folder: Path) -> tuple[Process, list[str], str]:
    """The front's process and health check, with its upstreams mapped; and where it listens."""
    address = f"127.0.0.1:{free_port()}"
    text = (ROOT / "deploy" / "front" / "nginx.conf").read_text()
    for name in ("ingest", "audit", "api"):
        line = f"server {name}:8470 resolve;"
        assert text.count(line) == 1
        text = text.replace(line, f"server 127.0.0.1:{here.ports[name]};")
    text = text.replace("listen 8080;", f"listen {address};")
    (folder / "nginx.conf").write_text(text)
    (folder / "routes.conf").symlink_to(ROOT / "deploy" / "front" / "routes.conf")
    its = here.process("front")
    command = [
        {"/tmp/": f"{folder}/", "/etc/memoryguard/nginx.conf": str(folder / "nginx.conf")}.get(p, p)
        for p in its.command
    ]
    if os.geteuid() == 0:  # the container's user is nobody in particular; here root gives way
        command += ["-g", "user root;"]
    check = here.services["front"]["healthcheck"]["test"][1:]
    mapped = [part.replace("127.0.0.1:8080", address) for part in check]
    return Process(command, its.environment), mapped, f"http://{address}"


def witness_key(here: Here) -> str:
    """Make the witness's key as the runbook says."""
    made = here.witness("new-key", "--state", "/state", "--name", "witness.here")
    done = subprocess.run(
        made.command, env=made.environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


async def test_the_platform_of_the_compose_file_takes_a_scan(
    prepared: Here, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        witness, port = prepared.witness(), prepared.ports["witness"]
        key = witness_key(prepared)
        processes = {name: prepared.process(name) for name in SERVICES}
        audit = {"MEMORYGUARD_AUDIT_WITNESSES": f"{key}=http://127.0.0.1:{port}"}
        processes["audit"] = Process(
            processes["audit"].command, {**processes["audit"].environment, **audit}
        )
        started = {
            name: stack.enter_context(running(name, its, tmp_path))
            for name, its in processes.items()
        }
        watched = stack.enter_context(running("witness", witness, tmp_path))
        check = prepared.services["witness"]["healthcheck"]["test"][1:]
        until([part.replace("8471", str(port)) for part in check], witness.environment, watched)
        for name, each in started.items():
            environment = dict(prepared.process(name).environment)
            until(dockerfile().last(name, "HEALTHCHECK"), environment, each)
        (tmp_path / "front").mkdir()
        its, check, url = front(prepared, tmp_path / "front")
        until(check, dict(its.environment), stack.enter_context(running("front", its, tmp_path)))
        token = prepared.home.issuer().issue("somebody", ["patient"])
        async with AsyncClient(url, token) as person:
            scan_id = str((await person.upload(small_series(tmp_path / "noise")))["imaging_id"])
            async with asyncio.timeout(120):
                statuses = [status async for status in person.watch(scan_id)]
        assert statuses[-1]["status"] == "failed", "noise of 24 slices is no head"
        assert statuses[-1]["error"]["code"]
        await _only_routes_are_reached(url, token)
        await _is_witnessed(f"http://127.0.0.1:{port}", key, key_of(prepared.home))
    for name in SERVICES:
        log = (tmp_path / f"{name}.log").read_text()
        assert not [secret for secret in prepared.secrets if secret in log]


async def _only_routes_are_reached(url: str, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(url, headers=headers) as session:
        for path in ("/metrics", "/health/ready", "/api/v1/none"):
            async with session.get(path) as answer:
                assert answer.status == 404
                assert answer.content_type == "application/problem+json"
                assert (await answer.json())["code"] == "no_such_route"
        async with session.get("/health/live") as answer:
            assert await answer.json() == {"status": "live"}
        # Much for nginx: an upload goes on to the service, anything else does not.
        much = b"x" * (3 << 20)
        async with session.post(
            "/api/v1/imaging/upload", data={"file": io.BytesIO(much)}
        ) as answer:
            assert (await answer.json())["code"] == "not_dicom"
        async with session.post("/api/v1/sessions", data=io.BytesIO(much)) as answer:
            assert answer.status == 413


async def _is_witnessed(url: str, witness: str, log_key: VerifierKey) -> None:
    """Wait until the witness has signed a checkpoint of the running platform."""
    deadline = time.monotonic() + READY_S
    address = f"{url}/checkpoint/{hashlib.sha256(log_key.name.encode()).hexdigest()}"
    async with aiohttp.ClientSession() as session:
        while (answer := await session.get(address)).status != 200:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.2)
        note = await answer.text()
    assert open_checkpoint(note, log_key).size > 0
    assert check_witnesses(note, [WitnessKey.parse(witness)], 1, time.time(), READY_S) == []


async def test_a_service_sees_only_its_own_schema(prepared: Here) -> None:
    url = prepared.process("ingest").environment["MEMORYGUARD_DATABASE_URL"]
    connection = await connect(url)
    try:
        assert await connection.fetchval("select current_user") == "memoryguard_ingest"
        for other in set(SERVICES) - {"ingest"}:
            mine = await connection.fetchval("select has_schema_privilege($1, 'usage')", other)
            assert mine is False
        assert not await connection.fetchval("select rolsuper from pg_roles where rolname = user")
    finally:
        await connection.close()


@pytest.mark.parametrize("name", ["ingest", "prepare-database"])
def test_a_wrong_password_is_one_helpful_line(prepared: Here, name: str) -> None:
    its = prepared.process(name)
    url = re.sub(r":\w+@", ":wrong@", its.environment["MEMORYGUARD_DATABASE_URL"])
    assert urlsplit(url).password == "wrong"
    done = subprocess.run(
        its.command, env={**its.environment, "MEMORYGUARD_DATABASE_URL": url},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == EX_CONFIG
    (line,) = done.stderr.splitlines()
    assert "database_login_refused" in line and "prepare database" in line


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("prepare-database", "MEMORYGUARD_DATABASE_URL"),
        ("prepare-topics", "MEMORYGUARD_KAFKA_SERVERS"),
        ("prepare-bucket", "IMAGING_STORAGE_PATH"),
        ("audit", "MEMORYGUARD_AUDIT_SIGNING_KEY"),
        ("ml", "IMAGING_ENCRYPTION_KEY"),
        ("ingest", "MEMORYGUARD_IDENTITY_KEY"),
    ],
)
def test_what_is_missing_is_named_in_one_line(prepared: Here, name: str, variable: str) -> None:
    its = prepared.process(name)
    environment = {k: v for k, v in its.environment.items() if k != variable}
    done = subprocess.run(its.command, env=environment, capture_output=True, text=True)
    assert done.returncode == EX_CONFIG
    (line,) = (each for each in done.stderr.splitlines() if not each.startswith("{"))
    assert variable in line


@pytest.mark.parametrize(
    "passwords",
    ["no json", "[]", '{"ingest": 1}', '{"nobody": "x"}', '{"ingest": ""}', '{"ml": "é"}'],
)
def test_bad_role_passwords_are_refused_without_showing_them(
    prepared: Here, passwords: str
) -> None:
    its = prepared.process("prepare-database")
    done = subprocess.run(
        its.command, env={**its.environment, "MEMORYGUARD_ROLE_PASSWORDS": passwords},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == EX_CONFIG
    (line,) = done.stderr.splitlines()
    assert "bad_role_passwords" in line and passwords not in line


async def test_of_many_who_create_an_object_one_does(
    prepared: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Write-once objects rest on this: the store keeps its word also in a race."""
    from obstore.exceptions import AlreadyExistsError

    from memoryguard.common.runtime.blobs import open_store

    environment = prepared.process("ingest").environment
    for name, value in environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    store = open_store(environment["IMAGING_STORAGE_PATH"])

    async def create(path: str, body: bytes) -> bytes | None:
        try:
            await store.put_async(path, body, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return None
        return body

    for number in range(10):
        path = f"race/{number}"
        tried = await asyncio.gather(*(create(path, bytes([n]) * 50_000) for n in range(16)))
        (winner,) = (body for body in tried if body is not None)
        assert bytes(await (await store.get_async(path)).bytes_async()) == winner
