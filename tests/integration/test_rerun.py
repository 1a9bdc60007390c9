# SPDX-License-Identifier: Apache-2.0
"""What is kept on a bus is asked again under another model; the list is signed, and nothing said.

Real buses, real answers of atrophy and ml to synthetic people; no service runs.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import uuid
from base64 import b64decode
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from memoryguard.atrophy.answer import answer as score
from memoryguard.cli.audit import key_of
from memoryguard.cli.home import Home, make_home
from memoryguard.cli.rerun.comparing import Comparison
from memoryguard.cli.rerun.listing import NAME, check_list, write_list
from memoryguard.common.contracts import events as e
from memoryguard.common.contracts.event import Event, Fact, new_event
from memoryguard.common.contracts.flow import TOPIC_OF
from memoryguard.common.errors import Rejected
from memoryguard.common.runtime.bus import Bus, Record
from memoryguard.common.runtime.bus_kafka import KafkaBus
from memoryguard.common.runtime.bus_postgres import PostgresBus
from memoryguard.common.runtime.database import Pool, open_pool
from memoryguard.common.runtime.settings import KafkaSettings
from memoryguard.common.runtime.topics import create_topics
from memoryguard.ml.answer import answer as predict
from memoryguard.ml.model import SHIPPED
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.note import VerifierKey, open_note

START = datetime(2026, 1, 1, tzinfo=UTC)
NEW = e.Engine(name="another", version="2", weights_sha256="2" * 64)


@dataclass
class Past:
    """What services have said, in order; every event is a minute after the one before."""

    start: datetime = START
    events: list[Event] = field(default_factory=list[Event])

    def say(self, fact: Fact, cause: Event | None = None) -> Event:
        time = self.start + timedelta(minutes=len(self.events))
        event = new_event(fact, source="/test", cause=cause, time=time)
        self.events.append(event)
        return event

    def record(self, person: str, on: date, **metrics: float) -> None:
        self.say(
            e.HealthRecorded(
                subject_id=subject(person),
                user_id=person,
                recorded_on=on,
                metrics=metrics,
                provenance="synthetic",
            )
        )

    def scan(self, person: str, hippocampus_mm3: float, age: float, **health: float) -> str:
        """Score a scan and predict, as the services would; the scan."""
        scan = f"scan-of-{person}"
        volumes = {
            "hippocampus_left": hippocampus_mm3 / 2,
            "hippocampus_right": hippocampus_mm3 / 2,
            "hippocampus_total": hippocampus_mm3,
            "intracranial": 1_400_000.0,
        }
        measured = e.VolumesExtracted(
            subject_id=subject(person),
            scan_id=scan,
            engine=e.Engine(name="freesurfer", version="6", weights_sha256=""),
            quality=e.Quality(verdict="accepted"),
            volumes_mm3={n: e.Quantity(value=v, error_sd=0.01 * v) for n, v in volumes.items()},
            thickness_mm={},
            person=e.Person(age_years=age, sex="F"),
            acquisition=e.Acquisition(acquired_on=date(2025, 1, 1)),
            seconds={},
        )
        scored = self.say(score(measured))
        assert isinstance(scored.data, e.AtrophyScored)
        self.say(predict(scored.data, health), cause=scored)
        return scan


def subject(person: str) -> str:
    return person.encode().hex().ljust(32, "0")


@pytest.fixture
def past() -> Past:
    """Five people: two like any other, one too young for the model, one erased, one long ago."""
    long_ago = Past(START - timedelta(days=300))
    long_ago.scan("lastyear", 6500.0, 70.0)
    past = Past(events=long_ago.events)
    past.record("anna", date(2025, 5, 1), moca=22, education_years=12)
    past.record("anna", date(2020, 5, 1), moca=29)  # older, said later: does not count
    past.scan("anna", 5600.0, 74.0, moca=22, education_years=12)
    past.record("anna", date(2025, 9, 1), moca=12)  # after the verdict
    past.scan("bert", 7200.0, 66.0)
    past.scan("young", 7200.0, 25.0)
    past.scan("erased", 6000.0, 70.0)
    past.say(e.ScanErased(subject_id=subject("erased")))
    return past


@pytest.fixture
async def pool(database_url: str) -> AsyncGenerator[Pool]:
    async with await open_pool(database_url, "ml", 2) as pool:
        yield pool


@pytest.fixture(params=["embedded", "kafka"])
async def bus(
    request: pytest.FixtureRequest, pool: Pool
) -> AsyncGenerator[tuple[Bus, KafkaSettings]]:
    async with AsyncExitStack() as stack:
        if request.param == "embedded":
            yield PostgresBus(pool), KafkaSettings(servers="")
        else:
            kafka = KafkaSettings(
                servers=request.getfixturevalue("kafka_servers"),
                prefix=f"t{uuid.uuid4().hex[:10]}.",
                partitions=2,
            )
            await create_topics(kafka)
            yield await stack.enter_async_context(KafkaBus(kafka)), kafka


async def publish(bus: Bus, past: Past) -> None:
    junk = Record(TOPIC_OF[e.RiskPredicted], subject("anna"), b'{"type": 1}')
    said = [
        Record(TOPIC_OF[type(each.data)], each.partitionkey, each.to_bytes())
        for each in past.events
    ]
    await bus.publish([*said, junk, *said[:5]])  # delivered at least once


class Another:
    """A model of somebody else: shifts the groups of some, withholds from others."""

    def __init__(self) -> None:
        self.asked: dict[str, Mapping[str, float]] = {}

    def __call__(
        self, scored: e.AtrophyScored, health: Mapping[str, float]
    ) -> e.RiskPredicted | e.RiskWithheld:
        self.asked[scored.scan_id] = health
        said = {"subject_id": scored.subject_id, "scan_id": scored.scan_id, "model": NEW}
        if scored.scan_id == "scan-of-bert":
            reason = e.Reason(code="quality_refused", message="the scan was refused")
            return e.RiskWithheld(**said, reasons=(reason,), seconds={})  # pyright: ignore
        groups = {"CN": 0.1, "Dementia": 0.8, "MCI": 0.1}
        return e.RiskPredicted(
            **said,  # pyright: ignore
            probabilities=groups,
            explained="dementia_similarity",
            base=0.8,
            output=0.8,
            contributions=(),
            seconds={},
        )


async def compared(pool: Pool, kafka: KafkaSettings, by: Any, threshold: float = 0.05) -> Any:
    comparison = Comparison(by, START, threshold)
    told: list[tuple[int, int]] = []
    await comparison.run(pool, kafka, lambda *progress: told.append(progress))
    document = comparison.document()
    assert told[-1] == (document["compared"], document["compared"])
    return document


async def test_every_verdict_that_would_change_is_listed(
    bus: tuple[Bus, KafkaSettings], pool: Pool, past: Past
) -> None:
    await publish(bus[0], past)
    another = Another()
    found = await compared(pool, bus[1], another)
    assert {name: found[name] for name in ("compared", "changed", "not_compared")} == {
        "compared": 3,
        "changed": 3,
        "not_compared": {"erased": 1, "score_not_kept": 0},
    }
    assert another.asked == {
        "scan-of-anna": {"moca": 22, "education_years": 12},
        "scan-of-bert": {},
        "scan-of-young": {},
    }
    anna, bert, young = found["scans"]
    assert bert["changes"] == ["predicted_to_withheld"]
    assert bert["new"]["reasons"][0]["code"] == "quality_refused"
    assert young["changes"] == ["withheld_to_predicted"]
    assert young["old"]["reasons"]
    old = next(each for each in past.events if each.id == anna["old"]["event_id"])
    assert isinstance(old.data, e.RiskPredicted) and old.data.scan_id == anna["scan_id"]
    assert anna["old"]["probabilities"] == old.data.probabilities
    assert anna["old"]["dementia_similarity"] == old.data.output
    assert anna["new"]["dementia_similarity"] == 0.8
    assert "dementia_similarity" in anna["changes"]
    assert found["new_models"] == [NEW.model_dump()]
    assert sum(each["scans"] for each in found["old_models"]) == 3
    assert subject("erased") not in json.dumps(found)


async def test_the_same_model_changes_nothing(pool: Pool, past: Past) -> None:
    await publish(PostgresBus(pool), past)
    found = await compared(pool, KafkaSettings(servers=""), predict, threshold=0.0)
    assert (found["compared"], found["changed"], found["scans"]) == (3, 0, [])


async def test_a_score_that_is_not_kept_is_counted(pool: Pool, past: Past) -> None:
    past.events = [e for e in past.events if not _is_score_of(e, "scan-of-bert")]
    await publish(PostgresBus(pool), past)
    found = await compared(pool, KafkaSettings(servers=""), predict)
    assert found["not_compared"] == {"erased": 1, "score_not_kept": 1}
    assert found["compared"] == 2


def _is_score_of(event: Event, scan: str) -> bool:
    return isinstance(event.data, e.AtrophyScored) and event.data.scan_id == scan


# --- the list and its signature ------------------------------------------------------------------


def test_a_list_is_as_it_was_signed_or_said_not_to_be(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    place = tmp_path / "list.json"
    document = {"scans": [{"scan_id": f"scan-{n}", "é": 0.1} for n in range(40_000)]}
    signature = write_list(document, place, _private(home))
    assert check_list(place, key_of(home)) == document
    raw, lines = place.read_bytes(), signature.read_text()
    # Anybody's Ed25519 over the exact bytes says the same, as does a reader of signed notes.
    public = Ed25519PublicKey.from_public_bytes(home.audit_public_key())
    public.verify(b64decode(lines.split()[2])[4:], raw)
    with pytest.raises(Unverified, match="unknown_key"):  # it never passes for a checkpoint
        open_note("short\n\n" + lines, [key_of(home)])
    place.write_bytes(raw.replace(b"scan-7", b"scan-8", 1))
    with pytest.raises(Unverified, match="bad_signature"):
        check_list(place, key_of(home))
    place.write_bytes(raw[:-1] + b"\xff")
    with pytest.raises(Unverified, match="malformed_note"):
        check_list(place, key_of(home))
    place.write_bytes(raw)
    stranger = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    with pytest.raises(Unverified, match="unknown_key"):
        check_list(place, VerifierKey(NAME, stranger))
    signature.unlink()
    with pytest.raises(Rejected, match="no_such_file"):
        check_list(place, key_of(home))


def _private(home: Home) -> Ed25519PrivateKey:
    key = load_pem_private_key((home.keys / "audit.pem").read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    return key


async def test_the_command_lists_signs_and_verifies(
    pool: Pool, database_url: str, past: Past, tmp_path: Path
) -> None:
    await publish(PostgresBus(pool), past)
    before = await pool.fetchval("select count(*) from bus.record")
    home = make_home(tmp_path / "home")
    model = shutil.copytree(SHIPPED, tmp_path / "model")
    manifest = json.loads((model / "manifest.json").read_text())
    for each in manifest["inputs"]:  # one that answers for the old alone
        each["low"] = 70.0 if each["name"] == "age_years" else each["low"]
    (model / "manifest.json").write_text(json.dumps(manifest | {"version": "next"}))
    environment = os.environ | {
        "MEMORYGUARD_DATABASE_URL": database_url,
        "MEMORYGUARD_AUDIT_SIGNING_KEY": (home.keys / "audit.pem").read_text(),
    }
    out = tmp_path / "changed.json"
    options = ["--model", str(model), "--since", "2026-01-01", "--out", str(out), "--json"]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "memoryguard.cli", "rerun", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    done = await asyncio.to_thread(run, *options)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["compared"], said["changes"]) == (3, {"predicted_to_withheld": 1})
    assert {each["version"] for each in said["new_models"]} == {"next"}
    (bert,) = json.loads(out.read_text())["scans"]
    assert bert["scan_id"] == "scan-of-bert"
    assert [reason["code"] for reason in bert["new"]["reasons"]] == ["input_outside_training_range"]
    assert await pool.fetchval("select count(*) from bus.record") == before
    good = await asyncio.to_thread(run, "verify", str(out), "--home", str(home.folder))
    assert good.returncode == 0 and "good" in good.stdout
    out.write_bytes(out.read_bytes().replace(b'"changed": 1', b'"changed": 0'))
    bad = await asyncio.to_thread(run, "verify", str(out), "--key", str(key_of(home)))
    assert bad.returncode == 3 and "bad_signature" in bad.stderr
