# SPDX-License-Identifier: Apache-2.0
"""The documents that are served: status, summary and analysis of a scan. Pure.

What was not measured is null, and ``reasons`` says why under the path of the null. Nothing is
computed here that no service has said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from memoryguard.api.scans import Scan
from memoryguard.api.status import Problem, latest
from memoryguard.common.contracts.parts import ObjectRef
from memoryguard.common.vocabulary import THICKNESS, VOLUMES

Document: TypeAlias = dict[str, Any]

DISCLAIMER = "Research software, not a medical device."
GROUPS: Mapping[str, tuple[str, ...]] = {"volumes_mm3": VOLUMES, "thickness_mm": THICKNESS}
ARTIFACTS: Mapping[str, str] = {
    "picture": "picture",
    "structures.glb": "meshes",
    "brain.nii.gz": "stripped",
    "labels.nii.gz": "labels",
}
"""Files made of a scan, and the field of its event that refers to each."""
DERIVED = ("asymmetry_percent", "ratios")
MODALITIES = {"MR": "MRI"}
RISK = (
    *("model", "probabilities", "explained", "base", "output", "contributions", "missing"),
    # Not in what was said by earlier versions.
    *("dementia_similarity", "intervals95", "interval_omits", "prevalence", "method", "baseline"),
    *("background_people", "additivity_error", "group_contributions", "features"),
)
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
        "atrophy_severity": _scored(scan).get("overall"),
    }


def analysis_document(scan: Scan, health: Mapping[str, Any]) -> Document:
    """Everything that is known about a scan.

    The keys that ``memoryguard analyze`` writes have the same shape here.

    Parameters
    ----------
    scan
        A scan; what has not been said about it is null.
    health
        The latest health metrics of its account.
    """
    measured, scored, artifacts = _measured(scan), _scored(scan), _artifacts(scan)
    document = {"id": scan.scan_id} | summary_document(scan)
    document |= {
        "atrophy_detected": _detected(scored),
        "ml_features": _features(measured, scored),
        "quality": measured.get("quality"),
        "engine": measured.get("engine"),
        "person": measured.get("person"),
        "acquisition": _acquisition(measured),
        **{group: _values(measured, group) for group in GROUPS},
        "errors_sd": {group: _errors(measured, group) for group in GROUPS},
        "atrophy": _atrophy(scored),
        "risk": _risk(scan),
        "risk_withheld": _risk_withheld(scan),
        "health": dict(health),
        "seconds": _seconds(scan),
        "picture": artifacts.get("picture", {}).get("path"),
        "artifacts": artifacts,
        "disclaimer": DISCLAIMER,
    }
    return document | {"reasons": _reasons(scan, document)}


def artifact_of(scan: Scan, name: str) -> ObjectRef | None:
    """Give the reference to a file of `ARTIFACTS`, None when there is none."""
    said = None if _refused(scan) else _said(scan, "extracted").get(ARTIFACTS[name])
    return ObjectRef.model_validate(said) if said else None


def _said(scan: Scan, kind: str | None) -> Mapping[str, Any]:
    return scan.facts[kind].data if kind in scan.facts else {}


def _refused(scan: Scan) -> bool:
    return latest(scan.facts, "extracted", "refused") == "refused"


def _measured(scan: Scan) -> Mapping[str, Any]:
    """Give what was measured, or why not. The score repeats it, so either may be there first."""
    return _said(scan, latest(scan.facts, "extracted", "refused")) or _said(scan, "scored")


def _scored(scan: Scan) -> Mapping[str, Any]:
    """Give the score; an older one does not outlive a refusal."""
    return {} if _refused(scan) else _said(scan, "scored")


def _answered(scan: Scan) -> str | None:
    """Give the kind of the model's latest answer."""
    return None if _refused(scan) else latest(scan.facts, "predicted", "withheld")


def _modality(scan: Scan) -> str | None:
    modality = _said(scan, "received").get("modality")
    return MODALITIES.get(modality, modality) if modality else None


def _quantity(said: Mapping[str, Any], group: str, name: str) -> Mapping[str, Any]:
    return said.get(group, {}).get(name) or {"value": None, "error_sd": None, "reason": None}


def _value(said: Mapping[str, Any], group: str, name: str) -> float | None:
    return _quantity(said, group, name)["value"]


def _names(said: Mapping[str, Any], group: str) -> Iterable[str]:
    """The known names always, and whatever else was measured."""
    return dict.fromkeys((*GROUPS.get(group, ()), *said.get(group, {})))


def _values(said: Mapping[str, Any], group: str) -> Document:
    return {name: _value(said, group, name) for name in _names(said, group)}


def _errors(said: Mapping[str, Any], group: str) -> Document:
    """One standard deviation of each value there is, in its unit."""
    return {
        name: _quantity(said, group, name)["error_sd"]
        for name in _names(said, group)
        if _value(said, group, name) is not None
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
    return {group: _values(measured, group) for group in GROUPS} | {
        group: _values(scored, group) for group in DERIVED
    }


def _atrophy(scored: Mapping[str, Any]) -> Document:
    return {
        "regions": _in_order(scored.get("regions", {})),
        "thickness": scored.get("thickness", {}),
        "summaries": scored.get("summaries", {}),
        "packs": scored.get("packs", {}),
        "site": scored.get("site"),
        "overall": scored.get("overall"),
        "overall_region": scored.get("overall_region"),
        "overall_at_least": scored.get("overall_at_least", False),
        "flags": scored.get("flags", []),
        "change": _in_order(scored.get("change", {})),
        "earlier_scans": scored.get("earlier_scans", []),
        **{group: _values(scored, group) for group in DERIVED},
    }


def _in_order(regions: Mapping[str, Any]) -> Document:
    """Regions in the order of `VOLUMES`: the database keeps none."""
    known = [name for name in VOLUMES if name in regions]
    return {name: regions[name] for name in dict.fromkeys((*known, *sorted(regions)))}


def _risk(scan: Scan) -> Document | None:
    """Give the model's latest answer, None when it gave none."""
    if _answered(scan) != "predicted":
        return None
    said = _said(scan, "predicted")
    return {name: said.get(name) for name in RISK}


def _risk_withheld(scan: Scan) -> Document | None:
    if _answered(scan) != "withheld":
        return None
    said = _said(scan, "withheld")
    return {name: said[name] for name in ("model", "reasons", "missing")}


def _seconds(scan: Scan) -> Document:
    """Seconds by step, as each service told them, and in all from upload to the last answer."""
    steps: Document = {}
    for kind in (latest(scan.facts, "extracted", "refused"), "scored", _answered(scan)):
        steps |= _said(scan, kind).get("seconds", {})
    steps.pop("total", None)
    return steps | {name: value for name, value in scan.standing.seconds.items() if name == "total"}


def _artifacts(scan: Scan) -> Document:
    """Say where each file is, and what it should be."""
    return {
        name: {
            "path": f"/api/v1/imaging/{scan.scan_id}/{name}",
            "sha256": reference.sha256,
            "bytes": reference.bytes,
        }
        for name in ARTIFACTS
        if (reference := artifact_of(scan, name))
    }


def _reasons(scan: Scan, document: Document) -> Document:
    """Say of everything that is null what kept it away."""
    problem = scan.standing.problem
    otherwise = problem.code if problem else "not_ready"
    measured, scored = _measured(scan), _scored(scan)
    absent = otherwise if not measured or _refused(scan) else "not_measured"
    reasons: Document = {group: _absent(measured, group, absent) for group in GROUPS}
    reasons |= {group: _absent(scored, group, "not_measured") for group in DERIVED}
    reasons["atrophy"] = _unscored(scored) if scored else {"overall": otherwise}
    reasons["risk"] = _unexplained(document, problem)
    for part in ("quality", "engine", "person", "acquisition"):
        if document[part] is None:
            reasons[part] = otherwise
    if document["picture"] is None:
        reasons["picture"] = problem.code if problem else "no_picture"
    return reasons


def _absent(said: Mapping[str, Any], group: str, otherwise: str) -> dict[str, str]:
    return {
        name: _quantity(said, group, name)["reason"] or otherwise
        for name in _names(said, group)
        if _value(said, group, name) is None
    }


def _unscored(scored: Mapping[str, Any]) -> dict[str, str]:
    """Why a region has no z, or one that is too uncertain for a word."""
    coded = {
        name: score["reason"] or score.get("severity_reason")
        for name, score in (scored["regions"] | scored.get("thickness", {})).items()
    }
    coded |= {"overall": scored["overall_reason"], "change": scored["change_reason"]}
    return {name: code for name, code in coded.items() if code}


def _unexplained(document: Document, problem: Problem | None) -> list[dict[str, str]]:
    """Why the model says nothing."""
    if document["risk"] is not None:
        return []
    if document["risk_withheld"] is not None:
        return document["risk_withheld"]["reasons"]
    code, message = ("not_ready", "the scan is still being worked on")
    if problem:
        code, message = problem.code, problem.message
    return [{"code": code, "message": message}]
