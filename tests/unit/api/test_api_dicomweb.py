# SPDX-License-Identifier: Apache-2.0
"""Results over DICOMweb, asked by somebody else's client, and who may see them."""

from __future__ import annotations

import asyncio
import io
import json
from typing import TYPE_CHECKING, Any

import api_facts as say
import numpy as np
import pydicom
import pytest
import pytest_asyncio
from dicomweb_client.api import DICOMwebClient
from ingest_samples import SIDE, SLICES, series_files, taken

from memoryguard.common.contracts import events as e
from memoryguard.processor.document import Document
from memoryguard.processor.labelmap import to_nifti
from memoryguard.processor.segmentation import segmentation

if TYPE_CHECKING:
    from conftest import Api, Client

BASE = "/dicom-web/results"
JSON = "application/dicom+json"


@pytest.fixture(scope="module")
def drawn() -> Document:
    """A Segmentation of a small series."""
    labels = np.zeros((SLICES, SIDE, SIDE), np.int16)
    labels[8:16, 8:16, 8:20] = 17
    archive = taken(content for _, content in series_files()).archive
    made = segmentation(archive, to_nifti(labels, np.eye(4)), say.SCAN, say.ENGINE)
    assert made is not None
    return made


async def put(api: Api, drawn: Document, name: str, **changes: object) -> e.DocumentMade:
    """Store an object, and say that it was made."""
    objects = api.platform.objects
    content = await objects.put(f"derived/x/{name}.dcm", say.SUBJECT, drawn.content)
    header = await objects.put(f"derived/x/{name}.json", say.SUBJECT, drawn.header)
    return say.made(content=content, header=header, **(drawn.found_by | changes))


@pytest_asyncio.fixture
async def made(api: Api, drawn: Document) -> e.DocumentMade:
    """One object of Anna's."""
    fact = await put(api, drawn, "a")
    await api.hear(say.at(say.received(), 0), say.at(fact, 12))
    return fact


def web(api: Api, client: Client, user_id: str = say.ANNA, role: str = "patient") -> DICOMwebClient:
    return DICOMwebClient(
        str(client.make_url("/dicom-web")),
        headers=api.bearer(user_id, role),
        qido_url_prefix="results",
        wado_url_prefix="results",
    )


async def test_somebody_elses_client_finds_and_fetches_it(
    api: Api, client: Client, made: e.DocumentMade, drawn: Document
) -> None:
    asking, dicom = web(api, client), made.dicom
    whole = (dicom.study_uid, dicom.series_uid, dicom.instance_uid)
    original = pydicom.dcmread(io.BytesIO(drawn.content))

    def asked() -> None:
        (study,) = asking.search_for_studies(search_filters={"PatientID": say.SUBJECT})
        assert value(study, "0020000D") == dicom.study_uid
        assert value(study, "00080061") == "SEG"
        assert (value(study, "00201206"), value(study, "00201208")) == (1, 1)
        (series,) = asking.search_for_series(dicom.study_uid)
        assert value(series, "0020000E") == dicom.series_uid
        assert "not a diagnosis" in value(series, "0008103E")
        (found,) = asking.search_for_instances(dicom.study_uid, dicom.series_uid)
        # What a search says is what the object says; the rest is what only a search says.
        only_found = {"00080005", "00080056", "00080061", "00081190", "00201206", "00201208",
                      "00201209", "00100010", "00100020"}  # fmt: skip
        said = json.loads(drawn.header)
        assert {t: v for t, v in found.items() if t not in only_found} == {
            tag: said[tag] for tag in found if tag not in only_found
        }
        assert asking.retrieve_instance(*whole) == original
        assert asking.retrieve_series(*whole[:2]) == [original]
        assert asking.retrieve_study(whole[0]) == [original]
        assert asking.retrieve_instance_metadata(*whole) == said
        assert asking.retrieve_study_metadata(whole[0]) == [said]

    await asyncio.to_thread(asked)
    reads = [fact for fact in await api.said() if isinstance(fact, e.AccessRead)]
    assert [fact.action.removeprefix("dicomweb.") for fact in reads] == [
        *("search", "search", "search", "search"),
        *("retrieve", "retrieve", "retrieve", "metadata", "metadata"),
    ]
    own = api.platform.vault.user_subject_id(say.ANNA)  # whoever asks and finds nobody's
    assert {fact.subject_id for fact in reads} == {say.SUBJECT, own}
    assert (reads[0].subject_id, reads[0].user_id, reads[0].basis) == (say.SUBJECT, say.ANNA, "own")
    assert {fact.scan_id for fact in reads[2:]} == {say.SCAN}


def value(found: dict[str, Any], tag: str) -> Any:
    return found[tag]["Value"][0]


async def test_addresses_that_a_search_gives_lead_there(
    api: Api, client: Client, made: e.DocumentMade
) -> None:
    for level in ("studies", "series", "instances"):
        (found,) = await answer(api, client, f"/{level}")
        address = value(found, "00081190")
        assert address.startswith(str(client.make_url(BASE)))
        async with client.session.get(address, headers=api.bearer(say.ANNA)) as response:
            assert response.status == 200
            assert response.content_type == "multipart/related"


async def answer(api: Api, client: Client, path: str) -> list[dict[str, Any]]:
    response = await client.get(BASE + path, headers=api.bearer(say.ANNA))
    assert response.status == 200, await response.text()
    assert response.headers["Content-Type"] == JSON
    return json.loads(await response.read())


async def test_searches_match_and_turn_pages(api: Api, client: Client, drawn: Document) -> None:
    await api.hear(say.at(say.received(), 0))
    for number in range(3):
        uids = {"study_uid": f"1.{number // 2}", "series_uid": f"2.{number}"}
        uids |= {"instance_uid": f"3.{number}"}
        await api.hear(say.at(await put(api, drawn, str(number), **uids), number))

    async def found(path: str, tag: str) -> list[str]:
        return [value(each, tag) for each in await answer(api, client, path)]

    assert await found("/studies", "0020000D") == ["1.1", "1.0"]  # newest first
    assert await found("/studies", "00201208") == [1, 2]
    assert await found("/studies?limit=1&offset=1", "0020000D") == ["1.0"]
    assert await found("/studies?StudyInstanceUID=1.0,1.7", "0020000D") == ["1.0"]
    assert await found("/studies?ModalitiesInStudy=SEG", "0020000D") == ["1.1", "1.0"]
    assert await found("/series?Modality=SR", "0020000E") == []
    assert await found("/instances?00080018=3.1", "00080018") == ["3.1"]
    assert await found("/studies?PatientID=*&PatientName=", "0020000D") == ["1.1", "1.0"]
    assert await found("/studies?PatientID=somebody", "0020000D") == []
    assert await found("/studies/1.0/series", "0020000E") == ["2.0", "2.1"]
    assert await found("/studies/1.0/instances?SeriesInstanceUID=2.1", "00080018") == ["3.1"]
    assert await found("/studies/1.0/series/2.1/instances", "00080018") == ["3.1"]
    assert await found("/studies/1.0/series?limit=1&offset=1", "0020000E") == ["2.1"]
    whole = await asyncio.to_thread(web(api, client).retrieve_study, "1.0")
    assert whole == [pydicom.dcmread(io.BytesIO(drawn.content))] * 2


WARNED = {"": 0, "?limit=1": 1, "?limit=2": 0, "?StudyTime=1": 1, "?limit=1&x=y": 2}


async def test_what_a_search_leaves_out_is_said(api: Api, client: Client, drawn: Document) -> None:
    await api.hear(say.at(say.received(), 0))
    for number in range(2):
        fact = await put(api, drawn, str(number), study_uid=f"1.{number}", instance_uid=f"{number}")
        await api.hear(say.at(fact, number))
    found: dict[str, int] = {}
    for query in WARNED:
        response = await client.get(f"{BASE}/studies{query}", headers=api.bearer(say.ANNA))
        assert response.status == 200
        found[query] = len(response.headers.getall("Warning", []))
    assert found == WARNED


async def test_nonsense_is_no_search(api: Api, client: Client) -> None:
    for query in ("limit=-1", "limit=x", "offset=1e9", "PatientID=%00", "limit="):
        response = await client.get(f"{BASE}/studies?{query}", headers=api.bearer(say.ANNA))
        assert response.status == 400, query
        assert (await response.json())["code"] == "bad_query"


FILES = 'multipart/related; type="application/dicom"; transfer-syntax='
XML = 'multipart/related; type="application/dicom+xml"'
FORMS = {
    ("", f"{FILES}*"): 200,
    ("", f"{FILES}1.2.840.10008.1.2.1"): 200,
    ("", f"{FILES}1.2.840.10008.1.2"): 406,
    ("", "image/jpeg"): 406,
    ("/metadata", "application/dicom+json"): 200,
    ("/metadata", XML): 406,
    ("/series", XML): 406,
    ("/series", "text/html"): 406,
}


async def test_forms_that_are_not_given_are_refused(
    api: Api, client: Client, made: e.DocumentMade
) -> None:
    found: dict[tuple[str, str], int] = {}
    for path, accepted in FORMS:
        headers = api.bearer(say.ANNA) | {"Accept": accepted}
        place = f"{BASE}/studies/{made.dicom.study_uid}{path}"
        found[path, accepted] = (await client.get(place, headers=headers)).status
    assert found == FORMS


async def test_what_is_not_yours_is_not_there(
    api: Api, client: Client, made: e.DocumentMade
) -> None:
    study = f"{BASE}/studies/{made.dicom.study_uid}"
    answers: list[tuple[int, object]] = []
    for path in (study, f"{study}/series", f"{study}/metadata", f"{BASE}/studies/1.2.3"):
        response = await client.get(path, headers=api.bearer("berta"))
        answers.append((response.status, await response.json()))
    assert answers[0][0] == 404 and all(each == answers[0] for each in answers)
    denied = [fact for fact in await api.said() if isinstance(fact, e.AccessDenied)]
    assert [fact.scan_id for fact in denied] == [say.SCAN] * 3 + [None]
    for level in ("studies", "series", "instances"):
        response = await client.get(f"{BASE}/{level}", headers=api.bearer("berta"))
        assert await response.json(content_type=JSON) == []


async def test_another_subjects_object_changes_nothing(
    api: Api, client: Client, made: e.DocumentMade
) -> None:
    forged = made.model_copy(update={"subject_id": "6" * 32, "scan_id": "another"})
    await api.hear(say.at(forged, 20))
    (found,) = await answer(api, client, "/studies")
    assert value(found, "00100020") == say.SUBJECT


async def test_an_erased_person_has_no_objects(
    api: Api, client: Client, made: e.DocumentMade
) -> None:
    await api.hear(say.at(e.ScanErased(subject_id=say.SUBJECT), 30))
    assert await api.platform.pool.fetchval("select count(*) from document") == 0
    assert await answer(api, client, "/studies") == []
