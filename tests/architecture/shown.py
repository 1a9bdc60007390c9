# SPDX-License-Identifier: Apache-2.0
"""A finished scan, as the api hears of it."""

from __future__ import annotations

from typing import Any

from built import Built
from examples import EXAMPLES
from report_samples import empty_files

from memoryguard.api.analysis import ARTIFACTS
from memoryguard.common.contracts import events as e
from memoryguard.common.contracts.event import decode, new_event
from memoryguard.common.contracts.flow import FACTS


async def shown(built: Built, scan_id: str, user_id: str | None) -> None:
    """Have the api hear of a finished scan, picture and all."""
    platform, service = next(each for each in built.running if each[0].name == "api")
    picture = await platform.objects.put(
        f"derived/{scan_id}/p.png", "5e" * 16, b"\x89PNG\r\n\x1a\n"
    )
    header = await platform.objects.put(f"derived/{scan_id}/d.json", "5e" * 16, b"{}")
    dicom = e.DicomObject(
        content=picture, header=header, sop_class_uid="1", study_uid=f"{scan_id}-study",
        series_uid="series", instance_uid=scan_id, modality="SEG", series_number=1,
        series_description="",
    )  # fmt: skip
    made = e.DocumentMade(
        subject_id="5e" * 16, scan_id=scan_id, user_id=user_id, dicom=dicom,
        engine=e.Engine(name="", version="", weights_sha256=""),
    )  # fmt: skip
    async with platform.pool.acquire() as connection:
        documents = service.handlers[e.DocumentMade].record_all
        assert documents
        await documents([new_event(made, source="/test")], connection)
    for kind in (e.ScanReceived, e.VolumesExtracted, e.AtrophyScored, e.RiskPredicted):
        fact = decode((EXAMPLES / f"{kind.type}.json").read_bytes(), FACTS).data
        changes: dict[str, Any] = {"scan_id": scan_id, "user_id": user_id}
        if kind is e.VolumesExtracted:  # who may have them is what is asked
            changes |= {ARTIFACTS["picture"]: picture} | {
                ARTIFACTS[name]: await platform.objects.put(
                    f"derived/{scan_id}/{name}", "5e" * 16, content
                )
                for name, content in empty_files().items()
            }
        record = service.handlers[kind].record_all
        assert record
        async with platform.pool.acquire() as connection, connection.transaction():
            await record([new_event(fact.model_copy(update=changes), source="/test")], connection)
