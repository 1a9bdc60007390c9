# SPDX-License-Identifier: Apache-2.0
"""Logins, TLS and rights: what the runbook says a user needs is enough, and nothing else is."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
from collections.abc import Generator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from memoryguard.common.contracts.flow import STREAMS
from memoryguard.common.errors import Misconfigured
from memoryguard.common.runtime.bus import Record
from memoryguard.common.runtime.bus_kafka import KafkaBus
from memoryguard.common.runtime.history import history
from memoryguard.common.runtime.kafka_client import connection_options
from memoryguard.common.runtime.settings import KafkaSettings
from memoryguard.common.runtime.topics import create_topics
from memoryguard.common.testing.broker import HOST, Broker, free_port

SCANS = "memoryguard.scans.v1"
PASSWORD = "right"
DEADLINE_S = 60.0
# Of Kafka's protocol: kinds of resource, operations, patterns.
TOPIC, GROUP = 2, 3
READ, WRITE, CREATE, DESCRIBE, DESCRIBE_CONFIGS = 3, 4, 5, 8, 10
PREFIXED, ALLOW = 4, 3
# "Rights in Kafka" in docs/RUNBOOK.md, for services whose prefix is "table.".
RIGHTS = {
    "ml": [*((TOPIC, "memoryguard.", each) for each in (READ, WRITE, DESCRIBE)),
           (GROUP, "ml", READ)],
    "preparer": [(TOPIC, "memoryguard.", each) for each in (CREATE, DESCRIBE, DESCRIBE_CONFIGS)],
    "recoverer": [(TOPIC, "memoryguard.", each) for each in (READ, DESCRIBE)],
}  # fmt: skip


def numbered(first: int, count: int) -> list[Record]:
    return [Record(SCANS, "somebody", str(n).encode()) for n in range(first, first + count)]


async def read(bus: KafkaBus, count: int, group: str = "reader", **what: Any) -> list[int]:
    """Read so many numbers as a member of a group."""
    found: list[int] = []
    async with (
        asyncio.timeout(DEADLINE_S),
        bus.consumer(group, **what or {"topics": [SCANS]}) as member,
        aclosing(member.batches()) as batches,  # pyright: ignore[reportArgumentType]
    ):
        while len(found) < count:
            found += [int(each.body) for each in await anext(batches)]
    return found


def certificates(folder: Path) -> Path:
    """Make an authority (``ca.pem``) and a broker's certificate; the PEM keystore's path."""
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)

    def made(
        name: str, issuer: str, signer: ec.EllipticCurvePrivateKey | None, authority: bool
    ) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + day)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]),
                critical=False,
            )
        )
        return builder.sign(signer or key, hashes.SHA256()), key

    authority, authority_key = made("authority", "authority", None, True)
    certificate, key = made("broker", "authority", authority_key, False)
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(authority.public_bytes(pem))
    store = folder / "broker.pem"
    store.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(pem)
        + authority.public_bytes(pem)
    )
    return store


class Guarded:
    """A broker with logins and rights: `admin` may do everything, `nobody` nothing.

    Those two log in with PLAIN, those of ``RIGHTS`` with SCRAM-SHA-512.
    """

    def __init__(self, port: int, ca_file: Path) -> None:
        self.port = port
        self.ca_file = ca_file

    def as_user(self, user: str, password: str = PASSWORD, **options: object) -> KafkaSettings:
        return KafkaSettings.model_validate(
            {
                "servers": f"{HOST}:{self.port}",
                "security": "SASL_SSL",
                "sasl_mechanism": "SCRAM-SHA-512" if user in RIGHTS else "PLAIN",
                "user": user,
                "password": SecretStr(password),
                "ca_file": self.ca_file,
                **options,
            }
        )


@pytest.fixture(scope="module")
def guarded(kafka_jars: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    port = free_port()
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    users = " ".join(f'user_{user}="{PASSWORD}"' for user in ("admin", "nobody"))
    broker = Broker(
        kafka_jars, folder / "broker",
        listeners={"SASL_SSL": port}, scram=dict.fromkeys(RIGHTS, PASSWORD),
        properties={
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": f"{login} {users};",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config":
                "org.apache.kafka.common.security.scram.ScramLoginModule required;",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(certificates(folder)),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:admin;User:ANONYMOUS",
        },
    )  # fmt: skip
    with broker:
        yield Guarded(port, folder / "ca.pem")


async def test_a_login_over_tls_works(guarded: Guarded) -> None:
    settings = guarded.as_user("admin", prefix="tls.", partitions=1)
    assert len(await create_topics(settings)) == len(STREAMS)
    async with KafkaBus(settings) as bus:
        await bus.publish(numbered(0, 3))
        assert await read(bus, 3) == [0, 1, 2]


async def test_missing_rights_are_said_and_not_waited_for(guarded: Guarded) -> None:
    await create_topics(guarded.as_user("admin", prefix="rights.", partitions=1))
    settings = guarded.as_user("nobody", prefix="rights.")
    async with KafkaBus(settings) as bus:
        with pytest.raises(Misconfigured, match="bus_refused"):
            await bus.publish(numbered(0, 1))
        with pytest.raises(Misconfigured, match="bus_refused"):
            await read(bus, 1)
    with pytest.raises(Misconfigured, match=r"bus_refused|topic_not_made"):
        await create_topics(guarded.as_user("nobody", prefix="refused."))


async def test_a_wrong_password_and_a_wrong_certificate_are_told_apart_from_absence(
    guarded: Guarded, tmp_path: Path
) -> None:
    async with KafkaBus(guarded.as_user("admin", "wrong")) as bus:
        with pytest.raises(Misconfigured, match="login"):
            await bus.publish(numbered(0, 1))
    certificates(tmp_path)
    async with KafkaBus(guarded.as_user("admin", ca_file=tmp_path / "ca.pem")) as bus:
        with pytest.raises(Misconfigured, match="certificate"):
            await bus.publish(numbered(0, 1))
    with pytest.raises(Misconfigured, match="bad_kafka_settings"):
        KafkaBus(guarded.as_user("admin", ca_file=tmp_path / "absent.pem"))
    (tmp_path / "noise.pem").write_text("noise")
    with pytest.raises(Misconfigured, match="bad_kafka_settings"):
        KafkaBus(guarded.as_user("admin", ca_file=tmp_path / "noise.pem"))


async def test_the_rights_of_the_runbook_are_enough_and_no_more_than_needed(
    guarded: Guarded,
) -> None:
    await grant(guarded)
    users = {user: guarded.as_user(user, prefix="table.", partitions=1) for user in RIGHTS}
    assert len(await create_topics(users["preparer"])) == len(STREAMS)
    assert await create_topics(users["preparer"]) == []
    async with KafkaBus(users["ml"]) as bus:
        await bus.publish(numbered(0, 1))
        assert await read(bus, 1, "ml") == [0]
        assert await read(bus, 1, "ml.1", pattern=r"memoryguard\..*") == [0]
        with pytest.raises(Misconfigured, match="bus_refused"):
            await read(bus, 1, "api")
    nothing: Any = None  # the embedded bus's pool, which is not asked
    found = [each.body async for batch in history(nothing, users["recoverer"]) for each in batch]
    assert found == [b"0"]
    for user in ("preparer", "recoverer"):
        async with KafkaBus(users[user]) as bus:
            with pytest.raises(Misconfigured, match="bus_refused"):
                await bus.publish(numbered(1, 1))
    with pytest.raises(Misconfigured, match=r"bus_refused|topic_not_made"):
        await create_topics(guarded.as_user("ml", prefix="other."))


async def grant(guarded: Guarded) -> None:
    admin = AIOKafkaAdminClient(**connection_options(guarded.as_user("admin")))
    await admin.start()
    for user, rights in RIGHTS.items():
        for kind, name, operation in rights:
            answer: Any = await admin._send_to_controller(
                CreateAclsRequest(
                    kind, f"table.{name}", PREFIXED, f"User:{user}", "*", operation, ALLOW
                )
            )
            assert answer.creation_responses[0][0] == 0, answer
    await admin.close()
