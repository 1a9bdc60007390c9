# SPDX-License-Identifier: Apache-2.0
"""What can be asked for as FHIR, as a CapabilityStatement: a resource by its id, and no more."""

from __future__ import annotations

from typing import Final

from memoryguard.api.analysis import DISCLAIMER
from memoryguard.api.fhir.elements import Json

TYPES: Final = (
    "Device",
    "DiagnosticReport",
    "ImagingStudy",
    "Observation",
    "Patient",
    "Provenance",
    "RiskAssessment",
)
"""Types of the resources in a Bundle."""


def capability() -> Json:
    """Write it. It is the same for every scan."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-11-28",
        "kind": "instance",
        "software": {"name": "MemoryGuard Imaging"},
        "implementation": {"description": f"The result of one scan. {DISCLAIMER}"},
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [
            {
                "mode": "server",
                "documentation": "The base itself answers with a Bundle of all resources. Nothing"
                " can be searched for, written or asked for in an earlier version.",
                "security": {"description": "A bearer token of whoever may see the result."},
                "resource": [
                    {
                        "type": kind,
                        "interaction": [{"code": "read"}],
                        "versioning": "no-version",
                        "readHistory": False,
                        "updateCreate": False,
                        "referencePolicy": ["local"],
                    }
                    for kind in TYPES
                ],
            }
        ],
    }
