# SPDX-License-Identifier: Apache-2.0
"""One member of a consumer group as a process of its own: prints the number of every record."""

from __future__ import annotations

import asyncio
import sys

from memoryguard.common.runtime.bus_kafka import KafkaBus
from memoryguard.common.runtime.settings import KafkaSettings


async def run(servers: str, prefix: str, topic: str) -> None:
    settings = KafkaSettings(servers=servers, prefix=prefix, session_timeout_s=1.0)
    async with KafkaBus(settings) as bus, bus.consumer("group", [topic]) as member:
        print("joined", flush=True)
        async for batch in member.batches():
            for record in batch:
                print(record.body.decode(), flush=True)


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:]))
