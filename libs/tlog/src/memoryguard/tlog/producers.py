# SPDX-License-Identifier: Apache-2.0
"""Whether every event that a producer numbered has reached the log.

A producer numbers its events 1, 2, 3 … per (source, epoch). The order in the log may differ, since
a producer's events travel on several topics, so numbers are matched as sets, not as a sequence.
An event lost after a producer's highest logged number leaves no trace here.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers of one producer that are missing although a later one is there.

    Parameters
    ----------
    source, epoch
        The producer, and its life.
    first_missing, last_missing
        The first run of missing numbers.
    seen_at
        Sequence number of the entry that carries the number after that run.
    missing
        How many numbers are missing in all, below the highest.
    """

    source: str
    epoch: str
    first_missing: int
    last_missing: int
    seen_at: int
    missing: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """A number that a producer used for two entries; `sequence` is the later one."""

    source: str
    epoch: str
    counter: int
    sequence: int


@dataclass(slots=True)
class _Producer:
    complete_to: int = 0
    beyond: dict[int, int] = field(default_factory=dict[int, int])  # counter -> sequence


class ProducerCounters:
    """Collects the numbers of all producers while a log is read."""

    def __init__(self) -> None:
        self.unnumbered = 0
        self.repeats: list[Repeat] = []
        self._producers: dict[tuple[str, str], _Producer] = {}

    def take(self, sequence: int, number: tuple[str, str, int] | None) -> None:
        """Note an entry's producer and number, if it has them."""
        if number is None:
            self.unnumbered += 1
            return
        source, epoch, counter = number
        producer = self._producers.setdefault((source, epoch), _Producer())
        if counter <= producer.complete_to or counter in producer.beyond:
            self.repeats.append(Repeat(source, epoch, counter, sequence))
            return
        producer.beyond[counter] = sequence
        while producer.beyond.pop(producer.complete_to + 1, None) is not None:
            producer.complete_to += 1

    def gaps(self) -> list[Gap]:
        """Return the first gap of every producer that has one, in the order of the log."""
        gaps = list[Gap]()
        for (source, epoch), producer in self._producers.items():
            if not producer.beyond:
                continue
            after, highest = min(producer.beyond), max(producer.beyond)
            missing = highest - producer.complete_to - len(producer.beyond)
            first, seen_at = producer.complete_to + 1, producer.beyond[after]
            gaps.append(Gap(source, epoch, first, after - 1, seen_at, missing))
        return sorted(gaps, key=lambda gap: gap.seen_at)
