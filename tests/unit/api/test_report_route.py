# SPDX-License-Identifier: Apache-2.0
"""The report over HTTP: whom it is for, when there is one, and what is not sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import api_facts as say
import pypdfium2
import pytest
import report_samples as sample

from memoryguard.common.contracts import events as e

if TYPE_CHECKING:
    from conftest import Api, Client

URL = f"/api/v1/imaging/{say.SCAN}/report.pdf"
IMAGE = 3  # FPDF_PAGEOBJ_IMAGE
TITLES = {"clinician": "Quantitative brain MRI report", "plain": "Your brain scan in plain words"}


async def told(api: Api, *, pictures: bool) -> None:
    """Have a scan heard, its files in the object store."""
    kept = {
        field: await api.platform.objects.put(f"derived/x/{name}", say.SUBJECT, content)
        for (name, content), field in zip(
            sample.files().items(), ("stripped", "labels", "meshes"), strict=True
        )
        if pictures
    }
    facts = (say.received(), say.extracted(**kept), say.scored(), say.predicted())
    await api.hear(*(say.at(fact, seconds) for seconds, fact in enumerate(facts)))


def title(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    said = document[0].get_textpage().get_text_bounded()
    return next(name for name, words in TITLES.items() if words in said)


@pytest.mark.parametrize(
    ("role", "asked", "audience"),
    [
        ("patient", "", "plain"),
        ("patient", "?for=clinician", "clinician"),
        ("clinician", "", "clinician"),
        ("clinician", "?for=plain", "plain"),
    ],
)
async def test_a_report_is_for_who_asks(
    api: Api, client: Client, role: str, asked: str, audience: str
) -> None:
    await told(api, pictures=not asked)
    response = await client.get(URL + asked, headers=api.bearer(say.ANNA, role))
    content = await response.read()
    assert (response.status, response.content_type) == (200, "application/pdf")
    assert title(content) == audience
    assert f'"report-{audience}-{say.SCAN}.pdf"' in response.headers["Content-Disposition"]
    assert response.headers["Cache-Control"] == "no-store"
    pictures = list(pypdfium2.PdfDocument(content)[0].get_objects([IMAGE]))
    assert len(pictures) == (0 if asked else {"clinician": 4, "plain": 2}[audience])
    said = [fact for fact in await api.said() if isinstance(fact, e.AccessRead)]
    assert [(each.action, each.scan_id) for each in said] == [("imaging.report", say.SCAN)]


async def test_what_a_client_has_is_not_made_again(api: Api, client: Client) -> None:
    await told(api, pictures=False)
    mine = api.bearer(say.ANNA)
    tag = (await client.get(URL, headers=mine)).headers["ETag"]
    again = await client.get(URL, headers=mine | {"If-None-Match": tag})
    assert (again.status, await again.read()) == (304, b"")
    other = await client.get(f"{URL}?for=clinician", headers=mine | {"If-None-Match": tag})
    assert other.status == 200
    await api.hear(say.at(say.withheld(), 9))
    assert (await client.get(URL, headers=mine | {"If-None-Match": tag})).status == 200


async def test_there_is_no_report_before_the_end_nor_for_others(api: Api, client: Client) -> None:
    await api.hear(say.at(say.received(), 0))
    early = await client.get(URL, headers=api.bearer(say.ANNA))
    assert (early.status, (await early.json())["code"]) == (409, "not_ready")
    await api.hear(say.at(say.refused(), 1))
    bad = await client.get(f"{URL}?for=everybody", headers=api.bearer(say.ANNA))
    assert (bad.status, (await bad.json())["code"]) == (422, "bad_audience")
    refused = await client.get(URL, headers=api.bearer(say.ANNA))
    assert (refused.status, refused.content_type) == (200, "application/pdf")
    assert (await client.get(URL, headers=api.bearer("somebody"))).status == 404
