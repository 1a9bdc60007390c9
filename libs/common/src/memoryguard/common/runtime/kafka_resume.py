# SPDX-License-Identifier: Apache-2.0
"""Where a member of a Kafka group goes on, when it keeps its positions itself."""

from __future__ import annotations

from collections.abc import Collection

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from memoryguard.common.runtime.bus import Place, Resume
from memoryguard.common.runtime.kafka_client import translated_errors


class Resumption(ConsumerRebalanceListener):
    """Holds partitions back that were just assigned, until it is known where to go on in them.

    Nobody is asked in the listener itself: aiokafka only logs what goes wrong there, and would read
    on from what was committed. It calls the listener before it can know that, so what is paused
    here was not read from.

    Parameters
    ----------
    client
        The member.
    prefix
        Of the deployment's topics.
    resume
        Who is asked; see ``Bus.consumer``.
    """

    def __init__(self, client: AIOKafkaConsumer, prefix: str, resume: Resume) -> None:
        self._client = client
        self._prefix = prefix
        self._resume = resume
        self._held: frozenset[TopicPartition] = frozenset()

    @property
    def holds(self) -> bool:
        """Whether partitions wait for ``settle``."""
        return bool(self._held)

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Hold nothing: it is somebody else's now."""
        self._held = frozenset()

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Hold all of it, also what was ours before: its position is forgotten."""
        self._client.pause(*assigned)
        self._held = frozenset(assigned)

    async def settle(self) -> dict[TopicPartition, int]:
        """Go on where ``resume`` says, and where it says nothing as without it.

        A position that is out of range is reset to the earliest by aiokafka itself.

        Returns
        -------
        dict
            The positions that were said.
        """
        held = self._held
        places = {self._place(at): at for at in held}
        known = await self._resume(list(places)) if held else {}
        if held is not self._held:
            return {}  # shared out anew meanwhile: asked again in the next round
        said = {at: known[place] for place, at in places.items() if place in known}
        with translated_errors():
            for at, position in said.items():
                self._client.seek(at, position)
            self._client.resume(*held)
        self._held = frozenset()
        return said

    def _place(self, at: TopicPartition) -> Place:
        return at.topic.removeprefix(self._prefix), at.partition
