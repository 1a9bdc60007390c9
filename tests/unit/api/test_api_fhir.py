# SPDX-License-Identifier: Apache-2.0
"""A result as FHIR: read by somebody else's models, complete in itself, and saying no more."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

import api_facts as say
import pytest
from fhir.resources.R4B import get_fhir_model_class
from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError
from pydicom.sr._concepts_dict import concepts

from memoryguard.api.documents import Document as DicomDocument
from memoryguard.api.fhir import codes
from memoryguard.api.fhir.bundle import alone, bundle
from memoryguard.api.fhir.capability import TYPES, capability
from memoryguard.api.projection import KINDS
from memoryguard.api.scans import Scan
from memoryguard.api.status import FAILED, Arrived
from memoryguard.atrophy.domain.asymmetry import RATIOS
from memoryguard.common.contracts import events as e
from memoryguard.common.contracts.event import Fact
from memoryguard.common.vocabulary import THICKNESS, VOLUMES

if TYPE_CHECKING:
    from conftest import Api, Client

Json = dict[str, Any]
DICTIONARY = {
    system: {code: words[0] for each in found.values() for code, words in each.items()}
    for system, found in concepts.items()
}
"""The codes of PS3.16 with their words, by system."""
KEYWORDS = {
    code: {word for word, codes in concepts["SCT"].items() if code in codes}
    for code in DICTIONARY["SCT"]
}
PATH = f"/api/v1/imaging/{say.SCAN}/fhir"
UNITS = {"mm3", "mm", "%", "1", "%/a", "a"}
"""Units of UCUM that may stand in it; HAPI's UCUM has been asked about each."""


def scan(*facts: Fact, user_id: str | None = say.ANNA) -> Scan:
    """The read model's scan, when these facts were heard one second after the other."""
    kept = dict[str, Arrived]()
    for seconds, fact in enumerate(facts):
        at = say.at(fact, seconds).time
        kind = KINDS.get(type(fact)) or FAILED + str(getattr(fact, "service", ""))
        kept[kind] = Arrived(at, at, fact.model_dump(mode="json"))
    times = [each.at for each in kept.values()]
    return Scan(say.SCAN, say.SUBJECT, user_id, min(times), max(times), kept)


def nothing(fact: Fact) -> Fact:
    """Make a fact say that no size could be told, nor compared."""
    none = {name: e.Quantity(value=None, reason="not_a_number") for name in VOLUMES}
    changes: Json = {"volumes_mm3": none, "thickness_mm": {}}
    if isinstance(fact, e.AtrophyScored):
        regions = {n: e.RegionScore(volume_mm3=None, reason="not_a_number") for n in VOLUMES}
        changes |= {"regions": regions, "thickness": {}, "overall": None, "overall_region": None}
        changes |= {"overall_reason": "no_region_scored"}
    return type(fact).model_validate(fact.model_dump() | changes)


START = (say.received(), say.extracted())
CASES: dict[str, tuple[Fact, ...]] = {
    "full": (*START, say.scored(), say.predicted()),
    "change": (*START, say.scored(say.change()), say.predicted()),
    "withheld": (*START, say.scored(), say.withheld()),
    "missing": (say.received(), nothing(say.extracted()), nothing(say.scored()), say.withheld()),
    "refused": (say.received(), say.refused()),
    "rejected": (say.rejected(),),
    "given up": (*START, say.scored(), say.failure("ml", "memoryguard.atrophy.scored.v1")),
    "given up early": (say.received(), say.failure("processor", "memoryguard.scan.received.v1")),
}
DICOM = DicomDocument(say.SCAN, say.SUBJECT, say.ANNA, say.made().dicom)


@cache
def written(case: str) -> str:
    known = scan(*CASES[case])
    assert known.standing.final
    return json.dumps(bundle(known, [DICOM]), allow_nan=False)


def made(case: str) -> Json:
    return json.loads(written(case))


def of(found: Json, kind: str) -> list[Json]:
    resources = [entry["resource"] for entry in found["entry"]]
    return [each for each in resources if each["resourceType"] == kind]


def one(found: Json, kind: str) -> Json:
    (only,) = of(found, kind)
    return only


def observed(found: Json, text: str) -> Json:
    (only,) = [each for each in of(found, "Observation") if each["code"]["text"] == text]
    return only


def part(observation: Json, text: str) -> Json:
    (only,) = [each for each in observation["component"] if each["code"]["text"] == text]
    return only


def every(value: Any, wanted: Callable[[Any], bool]) -> Iterator[Any]:
    """Whatever in a document is wanted, wherever it stands."""
    if wanted(value):
        yield value
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inside:
        yield from every(each, wanted)


def having(*names: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and value.keys() >= {*names}


# --- somebody else's reading ---------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_somebody_else_s_models_read_it_and_lose_nothing(case: str) -> None:
    found = made(case)
    assert json.loads(Bundle.model_validate(found).model_dump_json()) == found


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("Observation", ("status",), None),
        ("Observation", ("valueQuantity", "worth"), 1.0),
        ("DiagnosticReport", ("code",), None),
        ("RiskAssessment", ("prediction", 0, "probabilityDecimal"), "likely"),
        ("ImagingStudy", ("series", 0, "modality"), None),
        ("ImagingStudy", ("series", 0, "_uid"), None),
        ("Provenance", ("agent",), None),
        ("Device", ("deviceName", 0, "type"), None),
        ("Patient", ("gender",), 7),
    ],
)
def test_what_is_not_fhir_is_noticed(kind: str, path: tuple[Any, ...], value: Any) -> None:
    spoiled = copy.deepcopy(of(made("full"), kind)[0])
    model = get_fhir_model_class(kind)
    if kind == "Observation":
        spoiled = copy.deepcopy(observed(made("full"), "Volume: Hippocampi, both"))
    model.model_validate(spoiled)
    place = spoiled
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    with pytest.raises(ValidationError):
        model.model_validate(spoiled)


# --- one by one ----------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_each_resource_is_read_alone_and_leads_to_the_others(case: str) -> None:
    found = made(case)
    for resource in [entry["resource"] for entry in found["entry"]]:
        kind = resource["resourceType"]
        read = alone(found, kind, resource["id"])
        assert read
        model = get_fhir_model_class(kind)
        assert json.loads(model.model_validate(read).model_dump_json()) == read
        for each in every(read, having("reference")):
            assert alone(found, *each["reference"].split("/"))
        moved = re.sub(r'"reference": "\w+/', '"reference": "urn:uuid:', json.dumps(read))
        assert json.loads(moved) == resource
    assert alone(found, "Observation", one(found, "Patient")["id"]) is None


def test_what_can_be_read_is_what_there_is() -> None:
    said = capability()
    model = get_fhir_model_class("CapabilityStatement")
    assert json.loads(model.model_validate(said).model_dump_json()) == said
    there = {entry["resource"]["resourceType"] for case in CASES for entry in made(case)["entry"]}
    assert there == set(TYPES)


# --- complete in itself --------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_every_reference_resolves_and_every_resource_is_there_once(case: str) -> None:
    found = made(case)
    addresses = [entry["fullUrl"] for entry in found["entry"]]
    assert len(addresses) == len(set(addresses))
    for entry in found["entry"]:
        assert entry["fullUrl"] == UUID(entry["resource"]["id"]).urn
    said = [each["reference"] for each in every(found, having("reference"))]
    assert said and set(said) <= set(addresses)
    (unnamed,) = set(addresses) - set(said)
    assert unnamed == UUID(one(found, "Provenance")["id"]).urn, "all else is spoken of"


def test_it_is_the_same_for_the_same_and_people_and_programs_are_the_same_for_all() -> None:
    known = scan(*CASES["full"])
    again = bundle(known, [DICOM])
    assert json.dumps(again, allow_nan=False) == written("full")
    other = Scan("another", say.SUBJECT, say.ANNA, known.created_at, known.updated_at, known.facts)
    beside = bundle(other)
    first, second = ({e["fullUrl"] for e in each["entry"]} for each in (again, beside))
    shared = [e["resource"]["resourceType"] for e in again["entry"] if e["fullUrl"] in second]
    assert sorted(shared) == ["Device", "Device", "Patient"]
    assert first != second


@pytest.mark.parametrize("case", CASES)
def test_units_and_codes_are_those_of_their_systems(case: str) -> None:
    found = made(case)
    for quantity in every(found, having("value", "system", "code")):
        assert quantity["system"] == codes.UCUM
        assert quantity["code"] in UNITS
    of_dicom = {codes.SCT: "SCT", codes.DCM: "DCM", codes.LOINC: "LN"}
    modalities = {"MR": "Magnetic Resonance", "SEG": "Segmentation"}
    for code in every(found, having("system", "code")):
        if code["system"] in of_dicom and "value" not in code:
            known = DICTIONARY[of_dicom[code["system"]]] | modalities
            assert code["code"] in known, code
            if "display" in code:
                assert code["system"] == codes.DCM
                assert code["display"] == known[code["code"]]


def test_every_structure_has_a_place_and_a_side_where_there_is_one() -> None:
    words = {"HippocampalStructure": "hippocampus_left", "Putamen": "putamen_right",
             "BrainStem": "brain_stem", "CerebralWhiteMatter": "cerebral_white_matter",
             "CerebralCortex": "cortex_mean", "GrayMatter": "grey_matter",
             "FourthVentricle": "fourth_ventricle", "NucleusAccumbens": "accumbens_left",
             "InferiorHornOfLateralVentricle": "inferior_lateral_ventricle_left",
             "Amygdala": "amygdala_right", "CaudateNucleus": "caudate_left",
             "ThalamusPart": "thalamus_right", "GlobusPallidus": "pallidum_left",
             "LateralVentricle": "lateral_ventricles", "ThirdVentricle": "third_ventricle",
             "Cerebellum": "cerebellum", "WhiteMatter": "white_matter", "Brain": "total_brain",
             "CerebrospinalFluid": "extraventricular_csf", "CranialCavity": "intracranial",
             "CerebralGrayMatter": "cortical_grey_left"}  # fmt: skip
    for word, name in words.items():
        site = codes.site_of(name)
        assert site and word in KEYWORDS[site.structure.code], name
    sides = {"left": codes.LEFT, "right": codes.RIGHT}
    for name in (*VOLUMES, *THICKNESS):
        site = codes.site_of(name)
        assert site, name
        last = name.rpartition("_")[2]
        assert site.side == sides.get(last, site.side)
        assert last in sides or site.side in (None, codes.BOTH)
    assert "Left" in KEYWORDS[codes.LEFT.code]
    assert "Right" in KEYWORDS[codes.RIGHT.code]


def test_a_ratio_names_what_atrophy_made_it_of() -> None:
    assert codes.PARTS == RATIOS


# --- what it says --------------------------------------------------------------------------------


def test_every_measurement_stands_in_it_with_unit_and_error() -> None:
    found = made("full")
    total = observed(found, "Volume: Hippocampi, both")
    quantity = total["valueQuantity"]
    assert (quantity["value"], quantity["code"]) == (6000.0, "mm3")
    assert quantity["extension"][0]["valueDecimal"] == 130.0
    assert total["bodySite"]["coding"][0]["code"] == "5366008"
    side = part(total, "Laterality")["valueCodeableConcept"]["coding"][0]
    assert side["code"] == "51440002"
    z = part(total, "z")["valueQuantity"]
    assert (z["value"], z["extension"][0]["valueDecimal"]) == (-2.4, 0.3)
    assert part(total, "Centile")["valueQuantity"]["value"] == 0.8
    band = part(total, "80 % band of the centile")["valueRange"]
    assert (band["low"]["value"], band["high"]["value"]) == (0.3, 2.1)
    assert part(total, "Median of healthy people")["valueQuantity"]["value"] == 7100.0
    assert total["interpretation"][0]["coding"][0]["code"] == "L"
    assert total["interpretation"][0]["text"] == "moderately low for age"
    assert total["referenceRange"] == [
        {"text": "7.10 mL expected for age, sex and head size (norm: potvin_2016_2017)"}
    ]
    assert total["status"] == "preliminary"
    cortex = observed(found, "Mean thickness: Cortex, mean thickness, left")
    assert cortex["valueQuantity"]["value"] == 2.31
    assert cortex["valueQuantity"]["code"] == "mm"
    ratio = observed(found, "Hippocampi to whole brain")
    assert ratio["valueQuantity"]["value"] == 0.005714
    assert len(ratio["derivedFrom"]) == 3
    shift = [o for o in of(found, "Observation") if "share of their mean: Hippoc" in
             o["code"]["text"]]  # fmt: skip
    assert shift[0]["valueQuantity"]["extension"][0]["valueDecimal"] == 4.2
    names = [o["code"]["text"] for o in of(found, "Observation")]
    assert len([n for n in names if n.startswith("Volume: ")]) == len(VOLUMES)
    assert observed(found, "Age at the scan, years")["valueQuantity"]["value"] == 72.0


def test_high_within_and_uncertain_have_their_words() -> None:
    said = {
        o["code"]["text"]: (o["interpretation"][0]["coding"][0]["code"],
                            o["interpretation"][0]["text"])
        for o in of(made("full"), "Observation") if "interpretation" in o
    }  # fmt: skip
    assert said["Volume: Lateral ventricles, both"] == ("N", "within the usual range for age")
    assert said["Volume: Whole brain"] == ("IND", "too uncertain to say")
    large = say.scored().model_copy(
        update={"regions": {"lateral_ventricles": say.REGIONS["lateral_ventricles"].model_copy(
            update={"severity": "mild"})}})  # fmt: skip
    known = scan(*START, large, say.predicted())
    found = bundle(known)
    ventricles = observed(found, "Volume: Lateral ventricles, both")["interpretation"][0]
    assert (ventricles["coding"][0]["code"], ventricles["text"]) == ("H", "mildly large for age")


@pytest.mark.parametrize("case", ["full", "missing"])
def test_what_is_absent_says_why(case: str) -> None:
    found = made(case)
    for observation in of(found, "Observation"):
        for each in (observation, *observation.get("component", [])):
            values = [name for name in each if name.startswith("value")]
            assert len(values) + ("dataAbsentReason" in each) == 1, each
    why = observed(found, "Volume: Cortical grey matter")["dataAbsentReason"]["coding"]
    assert [each["code"] for each in why] == (
        ["unknown", "engine_does_not_measure_it"] if case == "full"
        else ["not-a-number", "not_a_number"]
    )  # fmt: skip


def test_change_has_its_interval_or_says_why_not() -> None:
    found = made("change")
    change = observed(found, "Yearly change of volume: Hippocampi, both")
    assert (change["valueQuantity"]["value"], change["valueQuantity"]["code"]) == (-3.1, "%/a")
    interval = part(change, "95 % interval")["valueRange"]
    assert (interval["low"]["value"], interval["high"]["value"]) == (-4.8, -1.4)
    assert part(change, "Between the first scan and this one")["valueQuantity"]["value"] == 1.5
    assert part(change, "Within the noise of measurement")["valueBoolean"] is False
    brain = observed(found, "Yearly change of volume: Whole brain")
    why = part(brain, "95 % interval")["dataAbsentReason"]["coding"][1]["code"]
    assert why == "no_retest_figure"
    alone = observed(made("full"), "Yearly change of volume")["dataAbsentReason"]
    assert alone["coding"][1]["code"] == "fewer_than_two_scans"


def test_the_risk_is_in_percent_with_its_interval_and_what_it_rests_on() -> None:
    found = made("change")
    risk = one(found, "RiskAssessment")
    chances = {p["outcome"]["coding"][0]["code"]: p for p in risk["prediction"]}
    assert {g: p["probabilityDecimal"] for g, p in chances.items()} == {
        "CN": 20.0, "MCI": 50.0, "Dementia": 30.0,
    }  # fmt: skip
    interval = chances["Dementia"]["extension"][0]["valueRange"]
    assert (interval["low"]["value"], interval["high"]["value"]) == pytest.approx((20.0, 41.0))
    assert "no forecast" in chances["MCI"]["rationale"]
    assert "whenRange" not in chances["MCI"] and "qualitativeRisk" not in chances["MCI"]
    hippocampi = observed(found, "Volume: Hippocampi, both")
    assert risk["basis"] == [{"reference": f"urn:uuid:{hippocampi['id']}"}]
    notes = [note["text"] for note in risk["note"]]
    assert "A small hippocampus raises the similarity." in notes
    assert "Not known: APOE ε4 alleles (not reported)." in notes


def test_a_risk_that_is_withheld_says_why_and_predicts_nothing() -> None:
    risk = one(made("withheld"), "RiskAssessment")
    assert risk["status"] == "cancelled"
    assert "prediction" not in risk
    assert risk["note"] == [{"text": "Withheld: the age is missing."}]
    why = risk["extension"][0]["valueCodeableConcept"]["coding"][0]
    assert why == {"system": codes.REASONS, "code": "required_input_missing"}


def test_a_scan_without_a_result_says_why_and_measures_nothing() -> None:
    found = made("refused")
    report = one(found, "DiagnosticReport")
    assert report["status"] == "cancelled"
    assert report["conclusion"].startswith("No head is in it. Research software")
    (quality,) = of(found, "Observation")
    assert quality["valueCodeableConcept"]["coding"][0]["code"] == "refused"
    assert quality["component"][0]["valueCodeableConcept"]["coding"][0]["code"] == "not_a_head"
    for case in ("rejected", "given up early"):
        assert one(made(case), "DiagnosticReport")["status"] == "cancelled"
        assert not of(made(case), "Observation") and not of(made(case), "RiskAssessment")
    assert one(made("rejected"), "ImagingStudy")["status"] == "unknown"
    partial = made("given up")
    assert one(partial, "DiagnosticReport")["status"] == "partial"
    assert len(of(partial, "Observation")) > len(VOLUMES)


def test_the_report_speaks_plainly_and_of_all_observations() -> None:
    found = made("full")
    report = one(found, "DiagnosticReport")
    assert report["status"] == "preliminary"
    assert report["conclusion"] == (
        "Hippocampi, both: moderately low for age. A region beside it is uncertain and may lie"
        " further out. The hippocampi together: moderately low volume for age. Research software,"
        " not a medical device. Not for diagnosis. No human has verified this."
    )
    assert {r["reference"] for r in report["result"]} == {
        f"urn:uuid:{o['id']}" for o in of(found, "Observation")
    }
    assert "presentedForm" not in report and "conclusionCode" not in report


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_foretold_or_diagnosed(case: str) -> None:
    known = written(case).replace("No human has verified this", "")
    assert not re.search(r"\b(has|have|suffers?|will|converts?|develops?)\b", known)


@pytest.mark.parametrize("case", CASES)
def test_no_account_no_day_of_a_scan_and_no_birthday_is_in_it(case: str) -> None:
    text = written(case)
    assert say.ANNA not in text
    assert "2020-02-02" not in text and "birthDate" not in text
    patient = one(made(case), "Patient")
    assert patient["identifier"] == [{"system": "urn:memoryguard:subject", "value": say.SUBJECT}]
    assert patient.keys() <= {"resourceType", "id", "meta", "identifier", "gender"}


def test_programs_norms_and_objects_are_named_with_their_digests() -> None:
    found = made("full")
    devices = {d["deviceName"][0]["name"]: d for d in of(found, "Device")}
    assert devices["headframe"]["version"][1]["value"] == "ab" * 32
    assert devices["risk"]["version"][1]["value"] == "cd" * 32
    provenance = one(found, "Provenance")
    entities = [each["what"] for each in provenance["entity"]]
    digests = {e["identifier"]["value"] for e in entities if "identifier" in e}
    assert {"0" * 64, "ef" * 32} <= digests
    assert sum("memoryguard." in e["display"] for e in entities) == 4
    assert len(provenance["target"]) == 2
    study = one(found, "ImagingStudy")
    assert study["identifier"][1] == {"system": "urn:dicom:uid", "value": "urn:oid:2.25.1"}
    assert [s["modality"]["code"] for s in study["series"]] == ["MR", "SEG"]
    assert study["series"][1]["instance"][0]["uid"] == "2.25.3"


# --- over HTTP -----------------------------------------------------------------------------------


async def hear(api: Api, *facts: Fact) -> None:
    await api.hear(*(say.at(fact, seconds) for seconds, fact in enumerate(facts)))


async def test_it_is_served_recorded_and_not_sent_twice(api: Api, client: Client) -> None:
    await hear(api, *CASES["change"], say.made())
    headers = api.bearer("dora", "clinician")
    response = await client.get(PATH, headers=headers)
    assert response.status == 200
    assert response.content_type == "application/fhir+json"
    assert response.headers["Cache-Control"] == "no-store"
    found = await response.json()
    assert found == made("change")
    read = (await api.said())[-1]
    assert isinstance(read, e.AccessRead)
    assert (read.action, read.scan_id, read.basis) == ("imaging.fhir", say.SCAN, "role")
    tag = response.headers["ETag"]
    again = await client.get(PATH, headers=headers | {"If-None-Match": tag})
    assert again.status == 304
    await hear(api, say.health({"moca": 3.0}))
    same = await client.get(PATH, headers=headers | {"If-None-Match": tag})
    assert same.status == 304, "what is not in it does not change it"


async def test_it_waits_for_the_end_and_is_for_nobody_else(api: Api, client: Client) -> None:
    await hear(api, *START, say.scored())
    early = await client.get(PATH, headers=api.bearer(say.ANNA))
    assert (early.status, (await early.json())["code"]) == (409, "not_ready")
    await api.hear(say.at(say.withheld(), 9))
    assert (await client.get(PATH, headers=api.bearer(say.ANNA))).status == 200
    assert (await client.get(PATH, headers=api.bearer("berta"))).status == 404
    assert (await client.get(PATH, headers=api.bearer(say.ANNA, "compliance"))).status == 403
    assert (await client.get(PATH)).status == 401


async def test_a_resource_is_read_by_itself_and_recorded(api: Api, client: Client) -> None:
    await hear(api, *CASES["full"], say.made())
    anna = api.bearer(say.ANNA)
    there = await client.get(f"{PATH}/metadata")
    assert (there.status, await there.json()) == (200, capability())
    report = one(made("full"), "DiagnosticReport")
    path = f"{PATH}/DiagnosticReport/{report['id']}"
    response = await client.get(path, headers=anna)
    assert response.content_type == "application/fhir+json"
    read = await response.json()
    assert read == alone(made("full"), "DiagnosticReport", report["id"])
    assert [fact.action for fact in await api.said() if isinstance(fact, e.AccessRead)] == [
        "imaging.fhir"
    ]
    following = await client.get(f"{PATH}/{read['imagingStudy'][0]['reference']}", headers=anna)
    assert (await following.json())["resourceType"] == "ImagingStudy"
    for wrong in ("DiagnosticReport/none", f"Observation/{report['id']}"):
        missing = await client.get(f"{PATH}/{wrong}", headers=anna)
        assert (missing.status, (await missing.json())["code"]) == (404, "no_such_resource")
        hidden = await client.get(f"{PATH}/{wrong}", headers=api.bearer("berta"))
        assert (hidden.status, (await hidden.json())["code"]) == (404, "not_found")
