# SPDX-License-Identifier: Apache-2.0
"""The documents that are served: status, summary and analysis of a scan. Pure.

What was not measured is null, and ``reasons`` says why under the path of the null. Nothing is
computed here that no service has said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from memoryguard.api.scans import Scan
from memoryguard.api.status import latest

Document: TypeAlias = dict[str, Any]

DISCLAIMER = "Research software, not a medical device."
VOLUMES = (
    "hippocampus_left",
    "hippocampus_right",
    "hippocampus_total",
    "lateral_ventricle_left",
    "lateral_ventricle_right",
    "lateral_ventricles",
    "third_ventricle",
    "cortical_grey_matter",
    "grey_matter",
    "white_matter",
    "total_brain",
    "intracranial",
)
THICKNESSES = ("cortex_mean",)
MODALITIES = {"MR": "MRI"}
# What a severity says about "is it low (a ventricle: large) for age"; absent means not known.
DETECTED = {"none": False, "mild": True, "moderate": True, "severe": True}
SHOWN_OF_ACQUISITION = ("manufacturer", "scanner_model", "field_strength_t", "spacing_mm", "series")
"""Not the date: it is shifted, and only intervals between dates of one person are true."""


def status_document(scan: Scan) -> Document:
    """Where a scan stands."""
    standing = scan.standing
    document: Document = {
        "imaging_id": scan.scan_id,
        "user_id": scan.user_id,
        "modality": _modality(scan),
        "status": standing.status,
        "stage": standing.stage,
        "created_at": scan.created_at.isoformat(),
        "updated_at": scan.updated_at.isoformat(),
        "stages": standing.seconds,
    }
    if standing.problem:
        problem = standing.problem
        document["error"] = {
            "code": problem.code,
            "message": problem.message,
            "hint": problem.hint,
        }
    return document


def summary_document(scan: Scan) -> Document:
    """Status and the few numbers that a list shows."""
    measured = _measured(scan)
    return status_document(scan) | {
        "hippocampal_volume_total": _value(measured, "volumes_mm3", "hippocampus_total"),
        "cortical_thickness_mean": _value(measured, "thickness_mm", "cortex_mean"),
        "total_brain_volume": _value(measured, "volumes_mm3", "total_brain"),
        "atrophy_severity": _said(scan, "scored").get("overall"),
    }


def analysis_document(scan: Scan, health: Mapping[str, Any]) -> Document:
    """Everything that is known about a scan.

    Parameters
    ----------
    scan
        A scan; what has not been said about it is null.
    health
        The latest health metrics of its account.
    """
    measured, scored = _measured(scan), _said(scan, "scored")
    reasons: dict[str, str] = {}
    document = {"id": scan.scan_id} | summary_document(scan)
    document |= {
        "atrophy_detected": _detected(scored),
        "ml_features": _features(measured, scored),
        "quality": measured.get("quality"),
        "engine": measured.get("engine"),
        "person": measured.get("person"),
        "acquisition": _acquisition(measured),
        "volumes_mm3": _values(measured, "volumes_mm3", VOLUMES, reasons),
        "volumes_error_sd_mm3": _errors(measured, "volumes_mm3", VOLUMES),
        "thickness_mm": _values(measured, "thickness_mm", THICKNESSES, reasons),
        "thickness_error_sd_mm": _errors(measured, "thickness_mm", THICKNESSES),
        "atrophy": _atrophy(scored, reasons),
        "risk": _risk(scan, reasons),
        "health": dict(health),
        "seconds": _seconds(scan),
        "picture": _picture(scan),
        "disclaimer": DISCLAIMER,
    }
    _explain_absent(scan, document, reasons)
    return document | {"reasons": reasons}


def picture_of(scan: Scan) -> Mapping[str, Any] | None:
    """Give the reference to the picture of a scan, None when there is none."""
    if latest(scan.facts, "extracted", "refused") != "extracted":
        return None
    return _said(scan, "extracted").get("picture")


def _said(scan: Scan, kind: str | None) -> Mapping[str, Any]:
    return scan.facts[kind].data if kind in scan.facts else {}


def _measured(scan: Scan) -> Mapping[str, Any]:
    """Give what was measured, or why not. The score repeats it, so either may be there first."""
    return _said(scan, latest(scan.facts, "extracted", "refused")) or _said(scan, "scored")


def _modality(scan: Scan) -> str | None:
    modality = _said(scan, "received").get("modality")
    return MODALITIES.get(modality, modality)


def _quantity(said: Mapping[str, Any], group: str, name: str) -> Mapping[str, Any]:
    return said.get(group, {}).get(name) or {"value": None, "error_sd": None, "reason": None}


def _value(said: Mapping[str, Any], group: str, name: str) -> float | None:
    return _quantity(said, group, name)["value"]


def _values(
    said: Mapping[str, Any], group: str, names: Iterable[str], reasons: dict[str, str]
) -> Document:
    """Values by name: the known names always, and whatever else was measured."""
    values: Document = {}
    for name in dict.fromkeys((*names, *said.get(group, {}))):
        quantity = _quantity(said, group, name)
        values[name] = quantity["value"]
        if quantity["value"] is None:
            reasons[f"{group}.{name}"] = quantity["reason"] or "not_measured"
    return values


def _errors(said: Mapping[str, Any], group: str, names: Iterable[str]) -> Document:
    return {
        name: _quantity(said, group, name)["error_sd"]
        for name in dict.fromkeys((*names, *said.get(group, {})))
    }


def _acquisition(measured: Mapping[str, Any]) -> Document | None:
    said = measured.get("acquisition")
    return {name: said.get(name) for name in SHOWN_OF_ACQUISITION} if said else None


def _detected(scored: Mapping[str, Any]) -> Document | None:
    """By region: low (a ventricle: large) for age, yes or no; null when that cannot be told."""
    if not scored:
        return None
    return {name: DETECTED.get(region["severity"]) for name, region in scored["regions"].items()}


def _features(measured: Mapping[str, Any], scored: Mapping[str, Any]) -> Document | None:
    """Give the numbers that a model can be given: volumes, thickness, ratios, asymmetry."""
    if not scored:
        return None
    groups = {
        "volumes_mm3": measured,
        "thickness_mm": measured,
        "ratios": scored,
        "asymmetry_percent": scored,
    }
    return {
        group: {name: quantity["value"] for name, quantity in said.get(group, {}).items()}
        for group, said in groups.items()
    }


def _atrophy(scored: Mapping[str, Any], reasons: dict[str, str]) -> Document | None:
    if not scored:
        return None
    for name, region in scored["regions"].items():
        if region["z"] is None:
            reasons[f"atrophy.regions.{name}.z"] = region["reason"] or "not_scored"
    if scored["overall"] is None:
        reasons["atrophy.overall"] = scored["overall_reason"] or "not_scored"
    if not scored["change"]:
        reasons["atrophy.change"] = scored["change_reason"] or "no_earlier_scan"
    return {
        "regions": scored["regions"],
        "overall": scored["overall"],
        "overall_reason": scored["overall_reason"],
        "change": scored["change"],
        "change_reason": scored["change_reason"],
        **{
            group: _values({group: scored[group]}, group, (), reasons)
            for group in ("asymmetry_percent", "ratios")
        },
    }


def _risk(scan: Scan, reasons: dict[str, str]) -> Document | None:
    """Give the latest answer of the model, which may be that it gives none."""
    kind = latest(scan.facts, "predicted", "withheld")
    if kind is None:
        return None
    said = _said(scan, kind)
    names = ("probabilities", "explained", "base", "output", "contributions")
    withheld = said.get("reasons", [])
    for reason in withheld[:1]:
        reasons["risk.probabilities"] = reason["code"]
    return {
        "model": said["model"],
        **{name: said.get(name) for name in names},
        "missing": said["missing"],
        "reasons": withheld,
    }


def _seconds(scan: Scan) -> Document:
    """Seconds by step, as each service told them, and in all from upload to the last answer."""
    kinds = (
        latest(scan.facts, "extracted", "refused"),
        "scored",
        latest(scan.facts, "predicted", "withheld"),
    )
    steps: Document = {}
    for kind in kinds:
        steps |= _said(scan, kind).get("seconds", {})
    return steps | {
        name: value for name, value in scan.standing.seconds.items() if name == "total"
    }


def _picture(scan: Scan) -> str | None:
    return f"/api/v1/imaging/{scan.scan_id}/picture" if picture_of(scan) else None


def _explain_absent(scan: Scan, document: Document, reasons: dict[str, str]) -> None:
    """Say of each missing part what kept it away."""
    problem = scan.standing.problem
    for part in ("quality", "engine", "atrophy", "risk"):
        if document[part] is None:
            reasons[part] = problem.code if problem else "not_ready"
    if document["picture"] is None:
        reasons["picture"] = problem.code if problem else "no_picture"
