# SPDX-License-Identifier: Apache-2.0
"""A result as one Bundle, in which every reference resolves; and one resource of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from memoryguard.api.documents import Document as DicomDocument
from memoryguard.api.fhir import origins, report
from memoryguard.api.fhir.elements import Json, full_url, instant, resource
from memoryguard.api.fhir.observations import Result, observations
from memoryguard.api.scans import Scan


def bundle(
    scan: Scan,
    dicom: Sequence[DicomDocument] = (),
    proof: Mapping[str, Any] | None = None,
) -> Json:
    """Write a scan's result.

    Parameters
    ----------
    scan
        The scan; nothing more is expected to be said about it.
    dicom
        The DICOM objects that were made of it.
    proof
        The proof of its result, where it was asked for.

    Returns
    -------
    dict
        A Bundle of type ``collection``: byte for byte the same while the same is known.
    """
    result = Result.of(scan)
    observed = observations(result)
    told = report.report(result, observed)
    assessed = report.risk(result)
    targets = [told] if assessed is None else [told, assessed]
    resources = [
        *targets,
        origins.patient(result),
        origins.study(result, dicom),
        *observed,
        *origins.devices(result),
        origins.provenance(result, targets, proof),
    ]
    return resource(
        "Bundle",
        scan.scan_id,
        type="collection",
        timestamp=instant(scan.updated_at),
        entry=[{"fullUrl": full_url(each), "resource": each} for each in resources],
    )


def alone(found: Json, kind: str, identity: str) -> Json | None:
    """Take one resource out of a Bundle; what it refers to stands beside it, not in it.

    Parameters
    ----------
    found
        The Bundle.
    kind, identity
        Type and id of the resource; None is given when no such one is there.
    """
    resources = {each["fullUrl"]: each["resource"] for each in found["entry"]}
    places = {url: f"{each['resourceType']}/{each['id']}" for url, each in resources.items()}
    for url, each in resources.items():
        if places[url] == f"{kind}/{identity}":
            return _moved(each, places)
    return None


def _moved(value: Any, places: Mapping[str, str]) -> Any:
    """Write references anew."""
    if isinstance(value, list):
        return [_moved(each, places) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: places[each] if name == "reference" else _moved(each, places)
        for name, each in value.items()
    }
