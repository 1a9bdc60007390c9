# SPDX-License-Identifier: Apache-2.0
"""A real Apache Kafka broker as a child process: KRaft mode, one node, on loopback, no Docker.

``make kafka`` runs one in the foreground::

    python -m memoryguard.common.testing.broker --jars .kafka/libs --folder .kafka/broker
"""

from __future__ import annotations

import argparse
import base64
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from memoryguard.common.errors import EX_CONFIG, Misconfigured

START_S = 60.0
POLL_S = 0.02
HOST = "127.0.0.1"
# A broker for trying things out: small, quick to start, quick to say that it is up.
JVM = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
LOGGING = """\
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d %p %c %m%n
"""
PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    # Topics are made from flow.py, never by a typing error.
    "auto.create.topics.enable": "false",
    # One node has one replica of everything.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # Groups form at once, and a killed member is missed soon.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "500",
}


_GIVEN: set[int] = set()


def free_port() -> int:
    """Find a port that nobody listens on just now, and that was not given before."""
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port: int = probe.getsockname()[1]
        if port not in _GIVEN:
            _GIVEN.add(port)
            return port


@dataclass
class Broker:
    """A broker that can be started, stopped, killed and started again on the same data.

    As a context manager it is started, and killed at the end.

    Attributes
    ----------
    jars
        Folder with Kafka's jars, as ``make .kafka/libs`` fills it.
    folder
        Data, settings and log of this broker.
    port, controller_port
        Of the listener without a login, and of KRaft's controller.
    properties
        More settings of the broker, for instance of another listener in ``listeners``.
    listeners
        More listeners, name to port; ``properties`` describes them.
    scram
        Users of SCRAM-SHA-512 and their passwords, made with the data folder.
    """

    jars: Path
    folder: Path
    port: int = field(default_factory=free_port)
    controller_port: int = field(default_factory=free_port)
    properties: Mapping[str, str] = field(default_factory=dict[str, str])
    listeners: Mapping[str, int] = field(default_factory=dict[str, int])
    scram: Mapping[str, str] = field(default_factory=dict[str, str])
    process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Broker:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it."""
        self.kill()

    @property
    def servers(self) -> str:
        """Address for clients."""
        return f"{HOST}:{self.port}"

    def start(self) -> None:
        """Start, making the data folder the first time; returns when the broker takes connections.

        Raises
        ------
        Misconfigured
            ``no_java``, ``no_kafka_jars``, ``broker_not_started``.
        """
        check_parts(self.jars)
        self._configure()
        if not (self.folder / "data" / "meta.properties").exists():
            self._format()
        with (self.folder / "broker.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603  # no input
                self._java("kafka.Kafka", "server.properties"),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches us, and we stop it
            )
        self._wait_until_up()

    def stop(self) -> None:
        """Stop it as an operator would."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it (SIGKILL)."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait()
            self.process = None

    def _java(self, *arguments: str) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}"
        return ["java", *JVM, logging, "-cp", f"{self.jars}/*", *arguments]

    def _format(self) -> None:
        cluster = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        # With "=", for one id in 64 begins with "-" and would be taken for an option.
        users = [
            f"--add-scram=SCRAM-SHA-512=[name={name},password={password}]"
            for name, password in self.scram.items()
        ]
        tool = ("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}")
        made = subprocess.run(  # noqa: S603  # no input
            self._java(*tool, *users, "-c", "server.properties"),
            cwd=self.folder,
            capture_output=True,
            check=False,
        )
        if made.returncode != 0:
            said = (made.stderr or made.stdout).decode(errors="replace").strip().split("\n")[-1]
            raise Misconfigured(
                "broker_not_started",
                f"Kafka could not make its data folder: {said[:300]}",
                f"exit status {made.returncode}",
            )

    def _configure(self) -> None:
        """Write the settings: ports may be others than at the last start."""
        controller = f"{HOST}:{self.controller_port}"
        more = "".join(f",{name}://{HOST}:{port}" for name, port in self.listeners.items())
        kinds = "".join(f",{name}:{name}" for name in self.listeners)
        settings = {
            **PROPERTIES,
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"PLAINTEXT://{self.servers},CONTROLLER://{controller}{more}",
            "advertised.listeners": f"PLAINTEXT://{self.servers}{more}",
            "listener.security.protocol.map": f"CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT{kinds}",
            "log.dirs": str(self.folder / "data"),
            **self.properties,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "log4j2.properties").write_text(LOGGING)
        (self.folder / "server.properties").write_text(
            "".join(f"{name}={value}\n" for name, value in settings.items())
        )

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + START_S
        closed = [self.port, *self.listeners.values()]  # they open one after the other
        running = self.process
        while closed and running and running.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection((HOST, closed[0]), timeout=1).close()
            except OSError:
                time.sleep(POLL_S)
            else:
                del closed[0]
        if closed:
            self.kill()
            raise Misconfigured(
                "broker_not_started", "Kafka does not start", f"see {self.folder / 'broker.log'}"
            )


def check_parts(jars: Path) -> None:
    """Misconfigured when Java or Kafka's jars are missing; the hint says how to get them."""
    if shutil.which("java") is None:
        raise Misconfigured(
            "no_java", "Kafka needs Java 17 or newer", "Debian: apt-get install openjdk-17-jre"
        )
    if not any(jars.glob("kafka_*.jar")):
        raise Misconfigured(
            "no_kafka_jars", "Kafka's jars are not there", "make kafka fetches them with Maven"
        )


def main() -> None:
    """Run a broker in the foreground until Ctrl-C."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--jars", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, default=9092)
    given = parser.parse_args()
    broker = Broker(given.jars.resolve(), given.folder.resolve(), given.port)
    try:
        broker.start()
    except Misconfigured as error:
        print(f"{error} ({error.hint})", file=sys.stderr)
        raise SystemExit(EX_CONFIG) from None
    print(f"Apache Kafka at {broker.servers}; Ctrl-C stops it", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        signal.pause()
    except KeyboardInterrupt:
        broker.stop()


if __name__ == "__main__":
    main()
