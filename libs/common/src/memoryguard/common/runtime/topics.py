# SPDX-License-Identifier: Apache-2.0
"""The topics of the flow in a Kafka cluster: made when they are not there, never changed.

The number of partitions of a topic that holds events must not change: a person's events would be
spread over two partitions, and their order lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from memoryguard.common.contracts.flow import STREAMS, Stream
from memoryguard.common.errors import Misconfigured
from memoryguard.common.runtime.kafka_client import connection_options, start, translated_errors
from memoryguard.common.runtime.settings import KafkaSettings

_RETENTION = "retention.ms"


async def create_topics(settings: KafkaSettings) -> list[str]:
    """Make every topic of ``flow.py`` that is not there; their names.

    Raises
    ------
    Misconfigured
        ``no_kafka``: no servers are set. ``topic_not_made``: the cluster refuses one, for instance
        for want of brokers. ``topic_forgets``: one that exists keeps its events for less time than
        the flow says, so read models could not be rebuilt.
    Unavailable
        ``bus_unavailable``.
    """
    if not settings.servers:
        raise Misconfigured("no_kafka", "no brokers are set", "set MEMORYGUARD_KAFKA_SERVERS")
    admin = AIOKafkaAdminClient(**connection_options(settings))
    await start(admin, settings)
    try:
        with translated_errors():
            existing = set(await admin.list_topics())
            there = [s for s in STREAMS if settings.prefix + s.topic in existing]
            await _check_retention(admin, there, settings)
            return await _make(admin, [s for s in STREAMS if s not in there], settings)
    finally:
        await admin.close()


async def _make(
    admin: AIOKafkaAdminClient, missing: Sequence[Stream], settings: KafkaSettings
) -> list[str]:
    if not missing:
        return []
    answer: Any = await admin.create_topics([_new_topic(s, settings) for s in missing])
    made: list[str] = []
    for name, code, *_ in answer.topic_errors:
        if code == 0:
            made.append(name)
        elif code != TopicAlreadyExistsError.errno:  # somebody else was faster: fine
            raise Misconfigured(
                "topic_not_made",
                f"Kafka does not make the topic {name} ({for_code(code).__name__})",
                "check MEMORYGUARD_KAFKA_REPLICATION and our right to create topics",
            )
    return made


def _new_topic(stream: Stream, settings: KafkaSettings) -> NewTopic:
    partitions = settings.partitions or stream.partitions
    return NewTopic(
        name=settings.prefix + stream.topic,
        # One partition is a property of a stream: its events are in one order for everybody.
        num_partitions=1 if stream.partitions == 1 else partitions,
        replication_factor=settings.replication,
        topic_configs={
            _RETENTION: str(_retention_ms(stream, settings)),
            "cleanup.policy": "delete",
            "min.insync.replicas": str(max(1, settings.replication - 1)),
        },
    )


def _retention_ms(stream: Stream, settings: KafkaSettings) -> int:
    return stream.retention_ms if settings.retention_ms is None else settings.retention_ms


async def _check_retention(
    admin: AIOKafkaAdminClient, there: Sequence[Stream], settings: KafkaSettings
) -> None:
    if not there:
        return
    wanted = {settings.prefix + s.topic: _retention_ms(s, settings) for s in there}
    answers: Any = await admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name, {_RETENTION: None}) for name in wanted]
    )
    for code, _, _, name, entries in (each for answer in answers for each in answer.resources):
        if code:
            raise for_code(code)
        kept_ms = int({entry[0]: entry[1] for entry in entries}[_RETENTION])
        if kept_ms != -1 and (wanted[name] == -1 or kept_ms < wanted[name]):
            raise Misconfigured(
                "topic_forgets",
                f"the topic {name} keeps its events for less time than it should",
                "set its retention.ms, or MEMORYGUARD_KAFKA_RETENTION_MS",
            )
