# SPDX-License-Identifier: Apache-2.0
"""STOW-RS, and the worklist of patients nobody knows."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from ingest_samples import (
    slice_dataset,
)
from intake_site import STUDIES, Site

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_series_stored_in_pieces_wait_for_quiet_and_for_a_clinician(site: Site) -> None:
    files = site.files()
    for piece in (files[:10], files[10:]):
        status, answer = await site.store(piece)
        assert status == 200
        assert len(answer["00081199"]["Value"]) == len(piece)
        assert "00081198" not in answer
    async with asyncio.timeout(20):
        while not (mine := [i for i in await self_worklist(site) if i["images"] == 24]):
            await asyncio.sleep(0.05)
    assert await site.scans() == []
    where = f"/api/v1/worklist/{mine[0]['patient']}"
    status, answer = await site.ask(
        "POST", where, "clinician", "doctor", json={"user_id": site.user}
    )
    assert (status, len(answer["scans"])) == (200, 1)
    assert answer["imaging_id"] == (await site.scans())[0]["scan_id"]
    linked = [e for e in await site.events("patient.linked") if e["user_id"] == site.user]
    assert [event["actor_id"] for event in linked] == ["doctor"]
    # From now on the number is known.
    await site.store(site.files(series=2))
    assert len(await site.until_scans(2)) == 2
    status, answer = await site.ask(
        "POST", where, "clinician", "doctor", json={"user_id": site.user}
    )
    assert (status, answer["code"]) == (404, "not_waiting")


async def self_worklist(site: Site) -> list[dict[str, Any]]:
    status, answer = await site.ask("GET", "/api/v1/worklist", "clinician", "doctor")
    assert status == 200
    return answer["items"]


async def gauged(site: Site, name: str, least: float) -> float:
    """What is told of the worklist to those who watch the platform, once it is so much."""
    async with asyncio.timeout(20):
        while True:
            async with site.session.get(site.running.url + "/metrics") as response:
                lines = (await response.text()).splitlines()
            (line,) = (at for at in lines if at.startswith(f"memoryguard_worklist_{name} "))
            if (value := float(line.split()[1])) >= least:
                return value
            await asyncio.sleep(0.05)


async def test_what_waits_is_counted_and_can_be_discarded(site: Site) -> None:
    await site.store(site.files())
    async with asyncio.timeout(20):
        while not (items := await self_worklist(site)):
            await asyncio.sleep(0.05)
    await site.fetch(
        "update ingest.series set arrived_at = now() - interval '3 hours'"
        " where state = 'unassigned' returning 1"
    )
    assert 3 * 3600 <= await gauged(site, "oldest_seconds", 3600) < 4 * 3600
    assert await gauged(site, "series", 1) >= 1
    for item in items:
        status, answer = await site.ask(
            "DELETE", f"/api/v1/worklist/{item['patient']}", "clinician", "doctor"
        )
        assert (status, answer) == (200, {"discarded": item["series"]})
    assert await self_worklist(site) == []
    assert await site.staged() == 0


async def test_a_store_names_the_account(site: Site) -> None:
    await site.store(site.files(), path=f"{STUDIES}?user_id={site.user}")
    await site.until_scans(1)


async def test_a_refused_upload_takes_nothing_that_others_have_sent(site: Site) -> None:
    files, named = site.files(), f"{STUDIES}?user_id={site.user}"
    await site.store(files[:10], path=named)
    status, answer = await site.upload([files[10], files[11][:-900]])
    assert (status, answer["counts"]) == (422, {"kept": 1, "refused": 1})
    assert (await site.store(files[10:], path=named))[0] == 200
    (scan,) = await site.until_scans(1)
    assert scan["instances"] == len(files)


async def test_stow_tells_of_each_instance_why(site: Site) -> None:
    files = site.files()
    ct = site.files(Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2")[0]
    status, answer = await site.store([files[0], ct, files[1][:-900], b"hello"])
    assert status == 202
    assert len(answer["00081199"]["Value"]) == 1
    failed = answer["00081198"]["Value"]
    assert [item["00081197"]["Value"] for item in failed] == [[0x0122], [0xC000], [0xC000]]
    assert [item["00091001"]["Value"][0] for item in failed] == [
        "unsupported_modality",
        "truncated_file",
        "not_dicom",
    ]
    assert failed[0]["00081155"]["Value"] == [str(slice_dataset(0, series=1).SOPInstanceUID)]
    status, _ = await site.store([b"hello"])
    assert status == 409


async def test_stow_into_a_study_takes_only_that_study(site: Site) -> None:
    files = site.files()
    study = str(slice_dataset(0).StudyInstanceUID)
    assert (await site.store(files[:1], path=f"{STUDIES}/{study}"))[0] == 200
    status, answer = await site.store(files[1:2], path=f"{STUDIES}/1.2.3")
    assert status == 409
    assert answer["00081198"]["Value"][0]["00081197"]["Value"] == [0xA900]
    status, answer = await site.store(files[1:2], path=f"{STUDIES}/x..y")
    assert (status, answer["code"]) == (422, "malformed_dicom")


async def test_stow_refuses_other_bodies_and_people(site: Site) -> None:
    files = site.files()
    assert (await site.store(files[:1], kind="application/dicom+json"))[0] == 415
    assert (await site.ask("POST", STUDIES, "integration", data=b"x"))[0] == 415
    assert (await site.store(files[:1], role="patient"))[0] == 403
    assert (await site.store(files[:1], role="compliance"))[0] == 403
