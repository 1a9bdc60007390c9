# SPDX-License-Identifier: Apache-2.0
"""The flow: who says what to whom. The first file to read.

Subscriptions, topics, docs/FLOW.md, docs/EVENTS.md, the AsyncAPI document and the contract tests
all derive from ``STREAMS``. The key of every event is the subject id. ``audit`` hears every topic
by pattern, from the earliest offset; it is not repeated below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from memoryguard.common.contracts import events as e
from memoryguard.common.contracts import oversight as o
from memoryguard.common.contracts.event import Fact

SERVICES = ("ingest", "processor", "atrophy", "ml", "audit", "api")
EVERY_SERVICE = "every service"
AUDITED_TOPICS = r"^memoryguard\.(?!checkpoints\.)[a-z-]+\.v[0-9]+$"
"""What audit subscribes to: all topics but its own checkpoints. A new topic needs no change."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One topic: who writes it, and who hears which of its events."""

    topic: str
    producer: str
    heard_by: Mapping[type[Fact], str]  # event -> services, separated by spaces
    partitions: int = 6  # how many replicas may feed; workers share the inbox all the same
    retention_ms: int = -1  # for ever: read models are rebuilt by replay


# fmt: off
STREAMS: tuple[Stream, ...] = (
    Stream("memoryguard.arrivals.v1",    "integrations", {e.ScanAvailable: "ingest"}),
    Stream("memoryguard.scans.v1",       "ingest",       {e.ScanReceived: "processor api", e.ScanRejected: "api",
                                                          e.ScanErased: "ingest processor atrophy ml api",
                                                          e.PatientLinked: "", e.DocumentAddressed: "ingest",
                                                          e.DocumentStored: ""}),
    Stream("memoryguard.health.v1",      "ingest",       {e.HealthRecorded: "ml api"}),
    Stream("memoryguard.volumes.v1",     "processor",    {e.VolumesExtracted: "processor atrophy api", e.VolumesRefused: "api",
                                                          e.DocumentMade: "ingest api"}),
    Stream("memoryguard.atrophy.v1",     "atrophy",      {e.AtrophyScored: "processor ml api"}),
    Stream("memoryguard.risk.v1",        "ml",           {e.RiskPredicted: "api", e.RiskWithheld: "api"}),
    Stream("memoryguard.access.v1",      EVERY_SERVICE,  {e.AccessInvited: "", e.AccessGranted: "api", e.AccessRevoked: "api",
                                                          e.AccessOverridden: "", e.AccessRead: "", e.AccessDenied: ""}),
    Stream("memoryguard.deliveries.v1",  EVERY_SERVICE,  {e.DeliveryFailed: "api", e.DeliveryConflicted: ""}),
    Stream("memoryguard.operations.v1",  EVERY_SERVICE,  {o.KeysRotated: "", o.KeysRetired: "", o.SettingsChanged: ""}),
    Stream("memoryguard.compliance.v1",  "audit",        {o.ReviewSigned: "", o.HoldPlaced: "ingest", o.HoldLifted: "ingest",
                                                          o.LogPruned: "", o.LogExported: ""}),
    Stream("memoryguard.checkpoints.v1", "audit",        {e.CheckpointSigned: ""}, partitions=1),
)
# fmt: on

FACTS: Mapping[str, type[Fact]] = {fact.type: fact for s in STREAMS for fact in s.heard_by}
TOPIC_OF: Mapping[type[Fact], str] = {fact: s.topic for s in STREAMS for fact in s.heard_by}


def heard_by(service: str, streams: tuple[Stream, ...] = STREAMS) -> dict[type[Fact], str]:
    """Events that a service handles, with their topics."""
    return {
        fact: stream.topic
        for stream in streams
        for fact, services in stream.heard_by.items()
        if service in services.split()
    }
