# SPDX-License-Identifier: Apache-2.0
"""Who takes part in the benchmark of the flow, and what they are fed.

``real_line_up``: all six services as shipped, only what measures, and makes DICOM of it, are stubs.
``bare_line_up``: what the runtime, api and audit cost by themselves.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime

from memoryguard.atrophy.answer import answer as atrophy_answer
from memoryguard.cli.up import every_recipe
from memoryguard.common.contracts.event import Event, Fact
from memoryguard.common.contracts.events import (
    Acquisition,
    AtrophyScored,
    Engine,
    ObjectRef,
    Person,
    Quality,
    Quantity,
    ScanReceived,
    VolumesExtracted,
)
from memoryguard.common.runtime.database import Connection
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.run import Recipe
from memoryguard.common.runtime.service import Handler, Service
from memoryguard.ml.answer import answer as ml_answer
from memoryguard.processor.extract import Extract
from memoryguard.processor.service import recipe as processor

ENGINE = Engine(name="headframe", version="stub", weights_sha256="0" * 64)
SIDE_BY_SIDE = 100  # transforms of the bare line-up: they cost nothing
VOLUMES_MM3 = {
    "hippocampus_left": 3000.0,
    "hippocampus_right": 3100.0,
    "hippocampus_total": 6100.0,
    "lateral_ventricle_left": 15000.0,
    "lateral_ventricle_right": 15000.0,
    "lateral_ventricles": 30000.0,
    "total_brain": 1_050_000.0,
    "intracranial": 1_400_000.0,
}


def constant(archive: bytes, threads: int) -> Extract:
    """Stand in for the measuring: the same volumes for every archive."""
    volumes = {name: Quantity(value=v, error_sd=v * 0.02) for name, v in VOLUMES_MM3.items()}
    thickness = {"cortex_mean": Quantity(value=None, reason="not_measured_by_engine")}
    return Extract(
        engine=ENGINE,
        quality=Quality(verdict="accepted"),
        volumes_mm3=volumes,
        thickness_mm=thickness,
        labels_nifti=b"labels",
        picture_png=b"png",
        meshes_glb=None,
        stripped_nifti=None,
        seconds={"stub": 0.0},
    )


def no_document(archive: bytes, labels: bytes, scan_id: str, engine: Engine) -> None:
    """Stand in for making DICOM: there is nothing to be made of a stub's labels."""


def real_line_up() -> list[Recipe]:
    """All six services as shipped; only what measures, and makes DICOM of it, are stubs."""
    return [
        processor(constant, no_document) if r.name == "processor" else r for r in every_recipe()
    ]


def bare_line_up() -> list[Recipe]:
    """Leave the runtime, api and audit only: the other answers are constants, on the loop."""
    extracted = _extracted(received("0" * 32, ObjectRef(uri="x", sha256="0" * 64, bytes=1)))
    scored = atrophy_answer(extracted, [])
    predicted = ml_answer(scored, {})

    def same(fact: Fact, event: Event) -> Fact:
        ids = {"subject_id": event.partitionkey, "scan_id": getattr(event.data, "scan_id", None)}
        return fact.model_copy(update=ids)

    async def measure(event: Event) -> Sequence[Fact]:
        return [same(extracted, event)]

    async def score(event: Event, transaction: Connection) -> Sequence[Fact]:
        scan = event.data
        assert isinstance(scan, VolumesExtracted)
        await transaction.execute(
            "insert into measurement (scan_id, subject_id, acquired_on, fact)"
            " values ($1, $2, $3, $4) on conflict (scan_id) do update set fact = excluded.fact",
            scan.scan_id, scan.subject_id, scan.acquisition.acquired_on, scan.model_dump_json(),
        )  # fmt: skip
        await transaction.fetch(
            "select fact from measurement where subject_id = $1 and scan_id <> $2", scan.subject_id,
            scan.scan_id,
        )  # fmt: skip
        return [same(scored, event)]

    def predicting(platform: Platform) -> Handler:
        async def predict(event: Event) -> Sequence[Fact]:
            await platform.pool.fetch(
                "select name, value from metric where subject_id = $1", event.partitionkey
            )
            return [same(predicted, event)]

        return Handler(transform=predict)

    async def build_processor(platform: Platform, stack: AsyncExitStack) -> Service:
        return Service(
            "processor", {ScanReceived: Handler(transform=measure)}, concurrency=SIDE_BY_SIDE
        )

    async def build_atrophy(platform: Platform, stack: AsyncExitStack) -> Service:
        return Service("atrophy", {VolumesExtracted: Handler(record=score)})

    async def build_ml(platform: Platform, stack: AsyncExitStack) -> Service:
        return Service("ml", {AtrophyScored: predicting(platform)}, concurrency=SIDE_BY_SIDE)

    own = {"processor": build_processor, "atrophy": build_atrophy, "ml": build_ml}
    return [Recipe(r.name, own.get(r.name, r.build), r.migrations) for r in every_recipe()]


def _extracted(scan: ScanReceived) -> VolumesExtracted:
    made = constant(b"", 1)
    return VolumesExtracted(
        subject_id=scan.subject_id, scan_id=scan.scan_id, engine=made.engine, quality=made.quality,
        volumes_mm3=made.volumes_mm3, thickness_mm=made.thickness_mm, person=scan.person,
        acquisition=scan.acquisition, seconds=made.seconds,
    )  # fmt: skip


def received(subject_id: str, archive: ObjectRef) -> ScanReceived:
    """Say that a scan of a person was received."""
    return ScanReceived(
        subject_id=subject_id,
        scan_id=str(uuid.uuid4()),
        archive=archive,
        instances=24,
        person=Person(age_years=72.0, sex="F"),
        acquisition=Acquisition(
            acquired_on=date(2022, 3, 1), manufacturer="SIEMENS", field_strength_t=3.0,
            spacing_mm=(1.0, 1.0, 1.0), series="T1",
        ),
        received_at=datetime.now(UTC),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class LineUp:
    """Services in the bench's own process, and the names of those that run as their own."""

    recipes: Callable[[], list[Recipe]]
    apart: Sequence[str] = ()


LINE_UPS = {
    "six services": LineUp(real_line_up),
    "six services, three processes": LineUp(real_line_up, ("api", "audit")),
    "bare hops": LineUp(bare_line_up),
    "bare hops, three processes": LineUp(bare_line_up, ("api", "audit")),
}
