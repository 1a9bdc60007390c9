# SPDX-License-Identifier: Apache-2.0
"""What the result says as a whole: DiagnosticReport, and RiskAssessment.

Neither has been seen by a human. One scan shows what is low or large for age; the model says how
similar a person is to diagnosed groups today. Nothing here is a diagnosis or a forecast.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from memoryguard.api import words
from memoryguard.api.analysis import DISCLAIMER
from memoryguard.api.fhir import codes
from memoryguard.api.fhir.codes import REASONS, Coded
from memoryguard.api.fhir.elements import (
    INTERVAL95,
    Json,
    between,
    concept,
    full_url,
    instant,
    kept_back,
    notes,
    present,
    reference,
    resource,
)
from memoryguard.api.fhir.observations import Result, device_key

INPUTS: Mapping[str, str] = {
    "hippocampus_z": "volume/hippocampus_total",
    "ventricles_z": "volume/lateral_ventricles",
    "brain_z": "volume/total_brain",
    "hippocampus_percent_per_year": "change/hippocampus_total",
    "hippocampus_total_mm3": "volume/hippocampus_total",
    "intracranial_mm3": "volume/intracranial",
    "age_years": "age",
}
"""Observations that inputs of the model stand in; clinical ones have none here."""
TODAY = "Similarity to a diagnosed group today; no forecast."


def report(result: Result, observed: Sequence[Json]) -> Json:
    """Give the DiagnosticReport.

    ``preliminary``: no human has verified it. ``partial``: a later step failed. ``cancelled``:
    "not started or not completed", as R4 defines it; the conclusion says why.
    """
    problem = result.scan.standing.problem
    status = "preliminary" if not problem else "partial" if result.measured else "cancelled"
    category = Coded("http://terminology.hl7.org/CodeSystem/v2-0074", "RAD", "Radiology")
    return resource(
        "DiagnosticReport",
        result.key(),
        status=status,
        category=[concept(category)],
        code=concept(codes.REPORT, "Measurements of a brain MRI"),
        subject=result.patient,
        _effectiveDateTime=kept_back(),
        issued=instant(result.scan.updated_at),
        imagingStudy=[result.to("ImagingStudy")],
        result=[{"reference": full_url(each)} for each in observed],
        conclusion=" ".join(_conclusion(result)),
    )


def _conclusion(result: Result) -> Iterator[str]:
    problem = result.scan.standing.problem
    if problem:
        yield f"{problem.message[:1].upper()}{problem.message[1:].removesuffix('.')}."
    if result.measured:
        yield from _sentences(result)
    yield f"{DISCLAIMER} Not for diagnosis. No human has verified this."


def _sentences(result: Result) -> Iterator[str]:
    atrophy = result.atrophy
    region = atrophy["overall_region"]
    direction = atrophy["regions"].get(region, {}).get("direction")
    at_least = atrophy["overall_at_least"]
    yield words.overall(atrophy["overall"], region, direction, at_least=at_least)
    for summary in atrophy["summaries"].values():
        yield summary["sentence"]


def risk(result: Result) -> Json | None:
    """Give the RiskAssessment; of an answer that was withheld one without predictions."""
    predicted, withheld = result.document["risk"], result.document["risk_withheld"]
    if withheld is not None:
        return _withheld(result, withheld)
    return None if predicted is None else _predicted(result, predicted)


def _assessment(result: Result, model: Mapping[str, Any], **elements: object) -> Json:
    method = f"{model['name']} {model['version']}: {TODAY}"
    return resource(
        "RiskAssessment",
        result.key(),
        method=concept(None, method),
        subject=result.patient,
        performer=reference("Device", device_key(model)),
        **elements,
    )


def _predicted(result: Result, said: Mapping[str, Any]) -> Json:
    features = [each["feature"] for each in said["contributions"]]
    names = dict.fromkeys(INPUTS[each] for each in features if each in INPUTS)
    sentences = [each["sentence"] for each in said["contributions"]]
    missing = (
        f"Not known: {words.name(n)} ({words.plain(c)})." for n, c in said["missing"].items()
    )
    return _assessment(
        result,
        said["model"],
        status="preliminary",
        basis=[result.to("Observation", name) for name in names if name in _there(result)],
        prediction=[_prediction(said, group) for group in said["probabilities"]],
        note=notes([DISCLAIMER, *(each for each in sentences if each), *missing]),
    )


def _there(result: Result) -> set[str]:
    """Names of the Observations that an assessment may rest on."""
    volumes = (f"volume/{name}" for name in result.document["volumes_mm3"])
    changes = (f"change/{name}" for name in result.atrophy["change"])
    return {"age", *volumes, *changes} if result.measured else set()


def _prediction(said: Mapping[str, Any], group: str) -> Json:
    """Write one group's probability, in percent as R4 has it, with its interval."""
    interval = (said["intervals95"] or {}).get(group)
    bounds = [100 * edge for edge in interval or ()]
    extension = [{"url": INTERVAL95, "valueRange": between(bounds, "%")}] if bounds else []
    spread = f" 95 % interval: {words.interval(interval)}." if interval else ""
    share = (said["prevalence"] or {}).get(group)
    assumed = "" if share is None else f" Assumes {100 * share:.0f} % of people in this group."
    return present(
        extension=extension,
        outcome=concept(
            Coded("urn:memoryguard:group", group), f"Similar to the group: {words.name(group)}"
        ),
    ) | {
        "probabilityDecimal": 100 * said["probabilities"][group],
        "rationale": f"{TODAY}{spread}{assumed}",
    }


def _withheld(result: Result, said: Mapping[str, Any]) -> Json:
    """Say that the model says nothing, and why: "not completed" is R4's ``cancelled``."""
    reasons = said["reasons"]
    return _assessment(
        result,
        said["model"],
        status="cancelled",
        extension=[
            {
                "url": REASONS,
                "valueCodeableConcept": concept(Coded(REASONS, each["code"]), each["message"]),
            }
            for each in reasons
        ],
        note=notes([f"Withheld: {each['message']}." for each in reasons]),
    )
