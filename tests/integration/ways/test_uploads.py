# SPDX-License-Identifier: Apache-2.0
"""Uploads over REST: what is told of each file and series."""

from __future__ import annotations

import asyncio
import hashlib
import uuid

import aiohttp
import pytest
from ingest_samples import (
    enhanced_dataset,
    file_of,
    zipped,
)
from intake_site import UPLOAD, Site

from memoryguard.ingest.delivery import Here

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_two_series_in_one_upload_are_two_scans_and_everything_is_answered(
    site: Site,
) -> None:
    files = [
        *site.files(series=1),
        *site.files(series=2),
        *site.files(series=3, SeriesDescription="t2_tse_tra")[:3],
        *site.files(series=4, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])[:3],
        site.files(series=5, Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2")[0],
        b"hello",
    ]
    status, answer = await site.upload(files)
    assert status == 201
    assert len({scan["imaging_id"] for scan in answer["scans"]}) == 2
    assert answer["imaging_id"] == answer["scans"][0]["imaging_id"]
    assert (answer["status"], answer["instances"], answer["user_id"]) == ("uploaded", 24, site.user)
    states = [(series["state"], series.get("code", "")) for series in answer["series"]]
    assert sorted(states) == [
        ("announced", ""),
        ("announced", ""),
        ("left_out", "localizer"),
        ("left_out", "no_t1_series"),
    ]
    assert answer["counts"] == {"kept": 54, "left_out": 2}
    assert [file["state"] for file in answer["files"][:54]] == ["kept"] * 54
    assert [file["code"] for file in answer["files"][54:]] == ["unsupported_modality", "not_dicom"]
    assert answer["files"][0]["name"] == "0.dcm"
    assert len(await site.scans()) == 2
    assert await site.staged() == 0


async def test_the_same_upload_again_is_the_same_scan(site: Site) -> None:
    first_status, first = await site.upload(site.files())
    status, again = await site.upload(site.files())
    assert (first_status, status) == (201, 200)
    assert again["imaging_id"] == first["imaging_id"]
    assert again["created_at"] == first["created_at"]
    assert again["counts"] == {"duplicate": 24}
    assert len(await site.scans()) == 1


async def test_an_idempotency_key_gives_the_first_answer_again(site: Site) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    _, first = await site.upload(site.files(), headers=key)
    status, again = await site.upload([b"anything"], headers=key)
    assert (status, again) == (200, first)
    status, other = await site.upload([b"anything"], headers={"Idempotency-Key": "x" * 300})
    assert (status, other["code"]) == (422, "bad_idempotency_key")


async def test_the_first_answer_goes_with_the_person(site: Site) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    assert (await site.upload(site.files(), headers=key))[0] == 201
    assert (await site.upload(site.files(), headers=key))[0] == 200
    assert (await site.ask("DELETE", f"/api/v1/users/{site.user}", "admin", "operator"))[0] == 200
    status, answer = await site.upload(site.files(), headers=key)
    assert (status, answer["code"]) == (422, "subject_erased")


async def test_an_upload_is_resumed_with_what_is_missing(site: Site) -> None:
    files = site.files()
    status, answer = await site.upload(files[:10], complete="false")
    assert (status, answer["status"], answer["scans"]) == (200, "arriving", [])
    digests = [hashlib.sha256(content).hexdigest() for content in files]
    _, answer = await site.ask("POST", UPLOAD + "/missing", json={"sha256": digests})
    assert sorted(answer["missing"]) == sorted(digests[10:])
    status, answer = await site.upload(files[10:])
    assert (status, answer["instances"]) == (201, 24)
    _, answer = await site.ask("POST", UPLOAD + "/missing", json={"sha256": digests})
    assert answer["missing"] == []


async def test_what_is_here_is_named_and_counts_as_if_it_came(site: Site) -> None:
    files = site.files()
    named = [Here(hashlib.sha256(content).hexdigest()) for content in files]
    await site.upload(files[::2], complete="false")
    mixed = [named[n] if n % 2 == 0 else files[n] for n in range(24)]
    status, answer = await site.upload([*mixed, b"hello"])
    assert (status, answer["instances"]) == (201, 24)
    assert [file["name"] for file in answer["files"]] == [f"{n}.dcm" for n in range(25)]
    assert [file["state"] for file in answer["files"]] == ["kept"] * 24 + ["left_out"]
    status, again = await site.upload(named)
    assert (status, again["counts"]) == (200, {"duplicate": 24})
    assert again["imaging_id"] == answer["imaging_id"]
    assert len(await site.scans()) == 1
    # As of a scan of which it was not yet remembered whom it named.
    await site.fetch("update ingest.series set person = '' where user_id = $1", site.user)
    digests = [each.sha256 for each in named]
    _, answer = await site.ask("POST", UPLOAD + "/missing", json={"sha256": digests})
    assert len(answer["missing"]) == 24


async def test_who_names_what_is_not_here_is_told_which(site: Site) -> None:
    files = site.files()
    other = Site(site.home, site.running, site.session, f"other-{uuid.uuid4().hex[:8]}")
    others = other.files()[-1]
    assert (await other.upload(other.files()))[0] == 201
    theirs = Here(hashlib.sha256(others).hexdigest())
    status, answer = await site.upload([*files[:5], theirs, *files[5:-1]])
    assert (status, answer["code"]) == (422, "file_not_here")
    assert [file["name"] for file in answer["files"] if file.get("code")] == ["5.dcm"]
    assert await site.scans() == []
    assert await site.rejected() == ["file_not_here"]
    status, answer = await site.upload([Here("x")])
    assert (status, answer["code"]) == (422, "bad_digests")


async def test_a_damaged_file_refuses_its_piece_too(site: Site) -> None:
    files = site.files()
    status, answer = await site.upload([*files[:2], files[-1][:-900]], complete="false")
    assert (status, answer["code"]) == (422, "truncated_file")
    assert await site.staged() == 0


async def test_what_is_missing_of_others_is_not_told(site: Site) -> None:
    files = site.files()
    await site.upload(files)
    digests = [hashlib.sha256(content).hexdigest() for content in files]
    body = {"sha256": digests}
    _, answer = await site.ask("POST", UPLOAD + "/missing", user="somebody-else", json=body)
    assert len(answer["missing"]) == 24
    status, answer = await site.ask("POST", UPLOAD + "/missing", json={"sha256": ["x"]})
    assert (status, answer["code"]) == (422, "bad_digests")


async def test_an_incomplete_series_is_refused_and_can_be_sent_again(site: Site) -> None:
    files = site.files()
    status, answer = await site.upload([*files[:5], *files[6:]])
    assert (status, answer["code"]) == (422, "incomplete_series")
    assert answer["counts"] == {"kept": 23}
    assert answer["series"][0]["state"] == "refused"
    assert await site.rejected() == ["incomplete_series"]
    assert await site.staged() == 0
    assert (await site.upload(files))[0] == 201


async def test_a_damaged_file_might_be_a_slice_so_nothing_is_taken(site: Site) -> None:
    files = site.files()
    status, answer = await site.upload([*files[:-1], files[-1][:-900], b"MZ" + files[4][2:]])
    assert (status, answer["code"]) == (422, "truncated_file")
    codes = [file["code"] for file in answer["files"][23:]]
    assert codes == ["truncated_file", "hostile_preamble"]
    assert answer["counts"] == {"kept": 23, "refused": 2}
    assert await site.staged() == 0
    assert (await site.upload(files))[0] == 201


async def test_another_image_under_a_uid_that_is_taken_is_refused(site: Site) -> None:
    files = site.files()
    status, answer = await site.upload([*files, site.files(FlipAngle="8")[3]])
    assert status == 201
    assert answer["files"][-1]["code"] == "conflicting_instances"
    status, answer = await site.upload(site.files(FlipAngle="8"))
    assert (status, answer["code"]) == (422, "conflicting_instances")
    assert len(await site.scans()) == 1


async def test_an_image_that_comes_after_its_series_was_closed_is_refused(site: Site) -> None:
    files = site.files()
    status, _ = await site.upload(files[:-1])
    assert status == 201
    status, answer = await site.upload(files[-1:])
    assert (status, answer["code"]) == (422, "series_closed")


async def test_two_people_in_one_upload_are_refused_as_a_whole(site: Site) -> None:
    files = site.files(series=1) + site.files(series=2, PatientBirthDate="19510115")
    status, answer = await site.upload(files)
    assert (status, answer["code"]) == (422, "mixed_patients")
    assert await site.scans() == []
    assert await site.staged() == 0
    status, answer = await site.upload([*site.files()[:-1], *site.files(PatientID="X")[-1:]])
    assert (status, answer["code"]) == (422, "mixed_patients")


async def test_a_number_of_somebody_else_is_refused_until_a_clinician_says_so(site: Site) -> None:
    assert (await site.upload(site.files()))[0] == 201
    other = Site(site.home, site.running, site.session, f"other-{uuid.uuid4().hex[:8]}")
    files = site.files()
    status, answer = await other.upload(files)
    assert (status, answer["code"]) == (422, "patient_mismatch")
    with aiohttp.MultipartWriter("form-data") as form:
        form.append(other.user).set_content_disposition("form-data", name="user_id")
        for content in files:
            part = form.append(content)
            part.set_content_disposition("form-data", name="file", filename="x")
        status, _ = await site.ask("POST", UPLOAD, "clinician", "doctor", data=form)
    assert status == 201
    status, answer = await site.upload(site.files(series=2))
    assert (status, answer["code"]) == (422, "patient_mismatch")


async def test_zips_and_files_may_come_together(site: Site) -> None:
    first, second = site.files(series=1), site.files(series=2)
    zips = [zipped([(f"{n}", c) for n, c in enumerate(files)]) for files in (first, second[:12])]
    status, answer = await site.upload([*zips, *second[12:], b"x"])
    assert (status, len(answer["scans"])) == (201, 2)
    assert answer["files"][-1]["code"] == "not_dicom"


async def test_an_enhanced_object_is_a_series_by_itself(site: Site) -> None:
    ds = enhanced_dataset()
    ds.PatientID = site.patient
    status, answer = await site.upload([file_of(ds)])
    assert (status, answer["instances"]) == (201, 1)


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ([], "empty_upload"),
        ([b""], "empty_upload"),
        ([b"hello"], "not_dicom"),
        ([b"PK\x03\x04garbage"], "bad_archive"),
        ([zipped([("../x", b"1")])], "unsafe_path"),
        ([zipped([("x", zipped([("y", b"1")]))])], "nested_archive"),
    ],
)
async def test_uploads_without_a_scan(site: Site, files: list[bytes], code: str) -> None:
    status, answer = await site.upload(files)
    assert (status, answer["code"]) == (422, code)
    assert await site.rejected() == [code]


async def test_a_field_after_files_and_other_bodies_are_refused(site: Site) -> None:
    with aiohttp.MultipartWriter("form-data") as form:
        part = form.append(b"x")
        part.set_content_disposition("form-data", name="file", filename="x")
        form.append("somebody").set_content_disposition("form-data", name="user_id")
        status, answer = await site.ask("POST", UPLOAD, data=form)
    assert (status, answer["code"]) == (422, "late_field")
    status, answer = await site.ask("POST", UPLOAD, data=b"x")
    assert (status, answer["code"]) == (422, "not_multipart")
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    status, answer = await site.ask("POST", UPLOAD, data=b"--y\r\n\r\n", headers=broken)
    assert (status, answer["code"]) == (422, "broken_upload")


async def test_an_upload_that_is_never_completed_is_no_scan(site: Site) -> None:
    """It looks whole, and may be half of a head."""
    await site.upload(site.files()[:21], complete="false")
    await site.fetch(
        "update ingest.series set changed_at = now() - interval '2 hours'"
        " where user_id = $1 and state = 'arriving' returning 1",
        site.user,
    )
    async with asyncio.timeout(20):
        while not (rejected := await site.rejected()):
            await asyncio.sleep(0.05)
    assert rejected == ["upload_abandoned"]
    assert await site.scans() == []


async def test_series_of_one_study_in_uploads_side_by_side_do_not_end_each_other(
    site: Site,
) -> None:
    one, two = site.files(series=1), site.files(series=2)
    await site.upload(two[:21], complete="false")
    status, answer = await site.upload(one)
    assert (status, len(answer["scans"])) == (201, 1)
    status, answer = await site.upload(two[21:])
    assert (status, answer["instances"]) == (201, 24)


async def test_the_same_series_in_uploads_side_by_side_is_one_scan(site: Site) -> None:
    files = site.files()
    answers = await asyncio.gather(*(site.upload(files) for _ in range(6)))
    assert {(status, answer.get("code")) for status, answer in answers} <= {
        *((200, None), (201, None), (503, "series_changed"))
    }
    assert len({answer["imaging_id"] for status, answer in answers if status < 300}) == 1
    assert len(await site.scans()) == 1
