# SPDX-License-Identifier: Apache-2.0
"""Whether every event that a producer numbered has reached the log.

A producer numbers its events 1, 2, 3 … per (source, epoch). The order in the log may differ, since
a producer's events travel on several topics, so numbers are matched as sets, not as a sequence.
An event lost after a producer's highest logged number leaves no trace here; nor does one lost
before the lowest, once the oldest entries were pruned.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from memoryguard.tlog.entry import Number


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


MAX_DISORDER = 10_000
"""In a log without its beginning, the lowest of so many numbers counts as the first."""


@dataclass(slots=True)
class _Producer:
    complete_to: int | None = 0  # None: the oldest entries are gone, so any number may be the first
    beyond: dict[int, int] = field(default_factory=dict[int, int])  # counter -> sequence

    def complete(self) -> int:
        """Take in what follows without a gap; up to which number it reaches."""
        reached = min(self.beyond) - 1 if self.complete_to is None else self.complete_to
        while self.beyond.pop(reached + 1, None) is not None:
            reached += 1
        self.complete_to = reached
        return reached


class ProducerCounters:
    """Collects the numbers of all producers while a log is read."""

    def __init__(self) -> None:
        self.unnumbered = 0
        self.repeats: list[Repeat] = []
        self.forgotten = False
        self._producers: dict[tuple[str, str], _Producer] = {}

    def take(self, sequence: int, number: Number | None) -> None:
        """Note an entry's producer and number, if it has them."""
        if number is None:
            self.unnumbered += 1
            return
        source, epoch, counter = number
        producer = self._producers.get((source, epoch))
        if producer is None:
            producer = _Producer(None if self.forgotten else 0)
            self._producers[source, epoch] = producer
        if counter in producer.beyond or counter <= (producer.complete_to or 0):
            self.repeats.append(Repeat(source, epoch, counter, sequence))
            return
        producer.beyond[counter] = sequence
        if producer.complete_to is not None or len(producer.beyond) > MAX_DISORDER:
            producer.complete()

    def gaps(self) -> list[Gap]:
        """Return the first gap of every producer that has one, in the order of the log."""
        gaps = list[Gap]()
        for (source, epoch), producer in self._producers.items():
            reached = producer.complete()
            if not producer.beyond:
                continue
            after, highest = min(producer.beyond), max(producer.beyond)
            missing = highest - reached - len(producer.beyond)
            first, seen_at = reached + 1, producer.beyond[after]
            gaps.append(Gap(source, epoch, first, after - 1, seen_at, missing))
        return sorted(gaps, key=lambda gap: gap.seen_at)
