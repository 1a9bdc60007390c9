# SPDX-License-Identifier: Apache-2.0
"""A client of Apache Kafka: how it connects, what its errors mean, how it is started and ended."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Coroutine, Generator, Iterable
from contextlib import contextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import ConnectionGroup
from aiokafka.errors import (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    ClusterAuthorizationFailedError,
    ConsumerStoppedError,
    GroupAuthorizationFailedError,
    IllegalOperation,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    UnsupportedSaslMechanismError,
)

from memoryguard.common.errors import Misconfigured, Unavailable
from memoryguard.common.runtime.bus import Received
from memoryguard.common.runtime.settings import KafkaSettings

logger = logging.getLogger(__name__)

REQUEST_MS = 10_000  # then the batch failed, and the relay repeats it
ANSWER_S = 8.0  # for a commit or a leave; less than a request, or both would run out in one moment

_AWAY = (
    KafkaError,
    ConsumerStoppedError,
    IllegalOperation,
    OSError,
    TimeoutError,
)
_REFUSED = (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)


def connection_options(settings: KafkaSettings) -> dict[str, Any]:
    """Arguments that every client of aiokafka takes.

    Raises
    ------
    Misconfigured
        ``bad_kafka_settings``: a certificate or key cannot be read.
    """
    secret = settings.password.get_secret_value() if settings.password else None
    uses_sasl = settings.security.startswith("SASL_")
    return {
        "bootstrap_servers": settings.servers,
        "security_protocol": settings.security,
        "ssl_context": _ssl_context(settings) if settings.security.endswith("SSL") else None,
        "sasl_mechanism": settings.sasl_mechanism if uses_sasl else "PLAIN",
        "sasl_plain_username": settings.user if uses_sasl else None,
        "sasl_plain_password": secret if uses_sasl else None,
        "request_timeout_ms": REQUEST_MS,
    }


def _ssl_context(settings: KafkaSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(
            cafile=str(settings.ca_file) if settings.ca_file else None
        )
        if settings.client_cert_file:
            key = settings.client_key_file
            context.load_cert_chain(str(settings.client_cert_file), str(key) if key else None)
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(
            "bad_kafka_settings",
            "a certificate or key for Kafka cannot be read",
            "check the MEMORYGUARD_KAFKA_*_FILE settings",
        ) from error
    return context


@contextmanager
def translated_errors() -> Generator[None]:
    """Say of every error of a broker whether it is away, refuses, or lacks a topic.

    Raises
    ------
    Unavailable
        ``bus_unavailable``, ``no_such_topic``: worth trying again.
    Misconfigured
        ``bus_refused``: a login or a right is missing. ``broker_takes_less``: smaller records.
    """
    try:
        yield
    except _REFUSED as error:
        raise Misconfigured(
            "bus_refused",
            f"Kafka refuses us ({type(error).__name__})",
            "check the login and the rights on topics and groups (docs/RUNBOOK.md)",
        ) from error
    except UnknownTopicOrPartitionError as error:
        raise Unavailable(
            "no_such_topic", "a topic is not there", "memoryguard prepare topics"
        ) from error
    except MessageSizeTooLargeError as error:
        raise Misconfigured(
            "broker_takes_less",
            "the broker refuses a record that is within our limit",
            "set its message.max.bytes to 1 MiB or more",
        ) from error
    except _AWAY as error:
        raise _away() from error
    except KeyError as error:
        if not _is_of_a_connection(error):
            raise
        raise _away() from error


def _away() -> Unavailable:
    return Unavailable(
        "bus_unavailable", "Kafka does not answer", "is MEMORYGUARD_KAFKA_SERVERS right?"
    )


def _is_of_a_connection(error: KeyError) -> bool:
    """Whether aiokafka closed a connection that had timed out, and another task had dropped it."""
    (key,) = error.args
    return isinstance(key, tuple) and any(isinstance(each, ConnectionGroup) for each in key)


async def start(client: Any, settings: KafkaSettings) -> None:
    """Start a client of aiokafka; what was half started is closed again.

    Raises
    ------
    Unavailable, Misconfigured
        As `translated_errors` says.
    """
    stop = client.close if isinstance(client, AIOKafkaAdminClient) else client.stop
    try:
        with translated_errors():
            await client.start()
    except (Unavailable, Misconfigured) as error:
        await ended(stop())  # what never started may not stop cleanly either
        if isinstance(error.__cause__, KafkaConnectionError):
            await _probe(settings)  # aiokafka hides why no broker would have us
        raise
    except BaseException:
        await asyncio.shield(stop())
        raise


async def _probe(settings: KafkaSettings) -> None:
    """Connect to one broker to learn whether it refuses the login; says nothing when it is away."""
    from aiokafka.conn import create_conn

    options = connection_options(settings)
    for host, port in _addresses(options.pop("bootstrap_servers")):
        try:
            connection = await create_conn(host, port, **options)
            connection.close()
        except _REFUSED as error:
            raise Misconfigured(
                "bus_refused",
                f"Kafka refuses the login ({type(error).__name__})",
                "check MEMORYGUARD_KAFKA_USER and MEMORYGUARD_KAFKA_PASSWORD",
            ) from error
        except ssl.SSLError as error:
            raise Misconfigured(
                "bus_refused",
                "Kafka's certificate is not accepted",
                "check MEMORYGUARD_KAFKA_CA_FILE",
            ) from error
        except (KafkaError, OSError, TimeoutError):
            continue


def _addresses(servers: str) -> Iterable[tuple[str, int]]:
    for server in servers.split(","):
        host, _, port = server.strip().rpartition(":")
        yield host, int(port)


async def ended(ending: Coroutine[Any, Any, object], within_s: float | None = ANSWER_S) -> bool:
    """Wait for the end of a client, and tell whether it came in time and without an error.

    It comes in a task of its own: aiokafka hands on that tasks of its own were cancelled. Awaited
    here, that would pass for our own cancellation, and whoever reads for ever would end.

    Parameters
    ----------
    ending
        What ends the client.
    within_s
        Then it is cancelled; None waits as long as it takes.
    """
    task = asyncio.ensure_future(ending)
    try:
        await asyncio.wait([task], timeout=within_s)
    finally:
        task.cancel()
    await asyncio.wait([task], timeout=ANSWER_S)
    if not task.done() or task.cancelled():
        logger.info("a client was cut off")
        return False
    if error := task.exception():
        logger.info("a client did not end well: %s", type(error).__name__)
    return error is None


async def leave(client: AIOKafkaConsumer) -> None:
    """Leave the group; where that fails or is not answered, at least leave nothing running here."""
    if not await ended(client.stop()):
        await _abandon(client)


async def _abandon(client: Any) -> None:
    """Do what is left of ``stop``: a fetcher would connect again and read for nobody, for ever."""
    for task in client._fetcher._pending_tasks:  # its close stops at the first that was cancelled
        task.cancel()
    for end in (
        client._coordinator._stop_heartbeat_task,
        client._coordinator._stop_commit_offsets_refresh_task,
        client._fetcher.close,
        client._client.close,
    ):
        await ended(end())


def received(message: Any, prefix: str) -> Received:
    """Read a message of aiokafka; its topic's prefix is the deployment's business."""
    return Received(
        message.topic.removeprefix(prefix),
        (message.key or b"").decode(errors="replace"),
        message.value or b"",
        message.offset,
        message.partition,
    )
