# SPDX-License-Identifier: Apache-2.0
"""A broker that takes connections and answers nothing."""

from __future__ import annotations

import asyncio
import signal
from contextlib import aclosing
from pathlib import Path

from memoryguard.common.runtime.bus import Record
from memoryguard.common.runtime.bus_kafka import KafkaBus
from memoryguard.common.runtime.settings import KafkaSettings
from memoryguard.common.runtime.topics import create_topics
from memoryguard.common.testing.broker import Broker

SCANS = "memoryguard.scans.v1"
DEADLINE_S = 60.0


async def test_who_leaves_a_silent_broker_leaves_nothing_running(
    kafka_jars: Path, tmp_path: Path
) -> None:
    """A fetcher that went on would connect again and read for nobody, for ever."""
    with Broker(kafka_jars, tmp_path) as broker:
        settings = KafkaSettings(servers=broker.servers, partitions=2)
        await create_topics(settings)
        async with KafkaBus(settings) as bus:
            await bus.publish([Record(SCANS, "somebody", b"1")])
        before = asyncio.all_tasks()
        async with asyncio.timeout(DEADLINE_S):
            async with KafkaBus(settings).consumer("group", [SCANS]) as member:
                async with aclosing(member.batches()) as batches:  # pyright: ignore[reportArgumentType]
                    assert len(await anext(batches)) == 1
                assert broker.process
                broker.process.send_signal(signal.SIGSTOP)
            while asyncio.all_tasks() - before:
                await asyncio.sleep(0.1)  # a connection's last words
