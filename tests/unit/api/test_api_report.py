# SPDX-License-Identifier: Apache-2.0
"""What a report says, that it says nothing else, and that its code proves what it claims."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import api_facts as say
import pypdfium2
import pytest
import report_samples as sample
import zxingcpp
from PIL import Image

from memoryguard.api.report import document as report
from memoryguard.api.report.curves import curves
from memoryguard.api.report.document import Audience, make
from memoryguard.api.report.plain import plain_of
from memoryguard.tlog.files import verify_file
from memoryguard.tlog.merkle import leaf_hash

AUDIENCES: tuple[Audience, ...] = ("clinician", "plain")
NOTICE = "Research use, not a diagnosis."
FORBIDDEN = ("you have dementia", "will develop", "diagnosed with", "risk of")


def pages(pdf: bytes) -> list[pypdfium2.PdfPage]:
    return list(pypdfium2.PdfDocument(pdf))


def text(pdf: bytes) -> str:
    """All that a reader can select, in one line."""
    return " ".join(" ".join(p.get_textpage().get_text_bounded().split()) for p in pages(pdf))


def read_code(pdf: bytes) -> str:
    """Read the QR code from the printed page."""
    shown: Image.Image = pages(pdf)[-1].render(scale=4).to_pil()
    (found,) = zxingcpp.read_barcodes(shown, formats=zxingcpp.BarcodeFormat.QRCode)
    return found.text


@pytest.fixture(scope="module")
def made() -> dict[Audience, bytes]:
    return {each: make(each, sample.document(), sample.files()) for each in AUDIENCES}


@pytest.mark.parametrize("audience", AUDIENCES)
def test_every_page_says_that_it_is_no_diagnosis(
    made: dict[Audience, bytes], audience: Audience
) -> None:
    printed = pages(made[audience])
    assert len(printed) == {"clinician": 2, "plain": 1}[audience]
    for page in printed:
        assert page.get_textpage().get_text_bounded().count(NOTICE) == 2  # header and footer
    assert not any(words in text(made[audience]).lower() for words in FORBIDDEN)


def test_clinicians_read_the_numbers(made: dict[Audience, bytes]) -> None:
    said = text(made["clinician"])
    for words in (
        "Hippocampi, both: moderately low for age.",
        "6.00 ± 0.13 mL", "7.10 mL", "−2.4 ± 0.3", "below 1 (below 1 to 2)", "moderately low",
        "72 years, female", "Maker, 3 T", "−3.1 %", "−4.8 % to −1.4 %", "beyond measurement noise",
        "30 %", "20 to 41 %", "with reservations", "Ringing near the edge",
        "potvin_2016_2017", "ab" * 32, "0" * 64, "is entry 902 of the log memoryguard/test",
        sample.FRONTIER.root.hex(), "On the age curve", "Age, years", "median of healthy people",
    ):  # fmt: skip
        assert words in said, words
    assert "7.00 mL" not in said  # as the norm's own software would measure it


def test_a_person_is_drawn_on_the_age_curve() -> None:
    """What has a curve, on axes that hold all of it, and in words for who hears it."""
    (chart,) = curves(sample.document())
    assert chart["name"] == "Hippocampi, both"
    assert chart["curve"]["p50"] == [7.7, 7.4, 7.0, 6.3]
    assert chart["dot"] == {"age": 72.0, "value": 6.0, "low": 5.87, "high": 6.13}
    (before,) = chart["earlier"]
    assert (before["age"], before["value"]) == (70.5, 6.29)
    assert [chart["x"]["low"], chart["x"]["high"]] == [50.0, 80.0]
    assert [tick["text"] for tick in chart["x"]["ticks"]] == ["50", "60", "70", "80"]
    assert chart["y"]["low"] < 5.1 < 8.9 < chart["y"]["high"]
    assert [tick["text"] for tick in chart["y"]["ticks"]] == ["5", "6", "7", "8", "9"]
    assert chart["said"] == (
        "Hippocampi, both over age: 6.00 ± 0.13 mL at 72 years; centile below 1 of healthy people;"
        " moderately low for age; 6.29 ± 0.13 mL at 70.5 years in an earlier scan."
    ).replace(" ± ", "\u00a0±\u00a0").replace(" mL", "\u00a0mL")


def test_without_an_age_or_a_curve_nothing_is_drawn() -> None:
    ageless = sample.document()
    ageless["person"]["age_years"] = None
    assert curves(ageless) == []
    bare = sample.document(say.received(), say.extracted(), say.scored(), say.predicted())
    assert curves(bare) == []
    assert "On the age curve" not in text(make("clinician", bare, {}))


def test_plain_words_come_with_context_and_intervals(made: dict[Audience, bytes]) -> None:
    said = text(made["plain"])
    assert "clearly smaller than is usual for your age" in said
    assert "about 1 have a smaller one (it could be 1 to 2)" in said
    assert "Questions for your doctor" in said
    without = sample.document()
    without["risk"]["intervals95"] = None
    assert "similar to" not in text(make("plain", without, {}))


def test_the_code_on_paper_is_a_proof(made: dict[Audience, bytes], tmp_path: Path) -> None:
    for audience in AUDIENCES:
        place = tmp_path / audience
        place.write_text(read_code(made[audience]), encoding="utf-8")
        verdict = verify_file(place, sample.SIGNER.verifier_key)
        assert verdict.state == "intact"
        assert verdict.document["index"] == 902  # the score, of four events from 900 on
        assert verdict.document["leaf"] == leaf_hash(sample.LEAVES[902]).hex()
        other = place.read_text().replace("index 902", "index 903")
        place.write_text(other, encoding="utf-8")
        assert verify_file(place, sample.SIGNER.verifier_key).state == "not_intact"


def test_the_same_inputs_give_the_same_bytes(made: dict[Audience, bytes]) -> None:
    again = make("clinician", sample.document(), sample.files())
    assert again == made["clinician"]
    other = sample.document()
    other["user_id"] = "somebody-else"
    assert make("clinician", other, sample.files()) != again


HOSTILE = (
    '#panic("x") $x^2$ *bold* @cite <label> \\ `raw` [a] = h // c /* \'"{} #read("/etc/passwd")'
)


@pytest.mark.parametrize("audience", AUDIENCES)
def test_strangers_text_is_set_as_text(audience: Audience) -> None:
    hostile = sample.document()
    hostile["user_id"] = HOSTILE
    hostile["acquisition"]["manufacturer"] = HOSTILE
    said = text(make(audience, hostile, {}))
    assert '#read("/etc/passwd")' in said and "*bold*" in said


def test_characters_without_a_glyph_are_replaced_and_all_others_are_set() -> None:
    kept = "".join(
        chr(code) for code in range(0x20, 0x2300) if not report.UNKNOWN.search(chr(code))
    )
    found = sample.document()
    found["user_id"] = kept[:290]
    found["acquisition"]["manufacturer"] = kept[290:]
    assert len(kept) < 580
    make("clinician", found, {})  # a missing glyph is refused: it would be no PDF/A
    found["user_id"] = "\u7530\u4e2d \U0001f9e0 \u202e\u0645\u062d\x07" + "x" * 1000
    assert "\ufffd\ufffd" in text(make("clinician", found, {}))


def gone(of: str) -> dict[str, Any]:
    """A result from which something is missing."""
    match of:
        case "refused":
            return sample.document(say.received(), say.refused())
        case "rejected":
            return sample.document(say.rejected(), proved=False)
        case "withheld":
            return sample.document(say.received(), say.extracted(), say.scored(), say.withheld())
        case "unsigned":
            return sample.document(proved=False)
        case _:
            bare = sample.document()
            bare["person"] = bare["acquisition"] = None
            return bare


@pytest.mark.parametrize("audience", AUDIENCES)
@pytest.mark.parametrize(
    ("of", "clinician"),
    [
        ("refused", "no head is in it"),
        ("rejected", "it is a CT"),
        ("withheld", "The model gives no answer: the age is missing"),
        ("unsigned", "has not signed the events behind this report yet"),
        ("bare", "age not known"),
    ],
)
def test_what_is_missing_is_said(audience: Audience, of: str, clinician: str) -> None:
    said = text(make(audience, gone(of), {}))
    assert NOTICE in said
    if audience == "clinician":
        assert clinician in said


def test_nothing_is_added_to_what_was_said() -> None:
    """The document that a report is made of stays as it is."""
    given = sample.document()
    before = copy.deepcopy(given)
    plain_of(given)
    make("clinician", given, {})
    assert given == before


def test_the_version_follows_the_sources() -> None:
    assert len(report.version()) == 64
