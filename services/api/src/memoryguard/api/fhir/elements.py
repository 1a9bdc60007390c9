# SPDX-License-Identifier: Apache-2.0
"""What resources are made of: identities, references, codes, quantities, and what is absent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import NAMESPACE_URL, UUID, uuid5

from memoryguard.api import words
from memoryguard.api.fhir.codes import ABSENT, PSEUDONYM, REASONS, RESEARCH, UCUM, Coded

Json: TypeAlias = dict[str, Any]

UNCERTAINTY: Final = "http://hl7.org/fhir/StructureDefinition/iso21090-uncertainty"
"""HL7's extension of a quantity: its standard deviation."""
ABSENT_URL: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
INTERVAL95: Final = "urn:memoryguard:interval95"
UNITS: Final = {"mm3": "mm³", "mm": "mm", "%": "%", "1": "", "%/a": "% per year", "a": "years"}
"""Codes of UCUM, and how people write them."""

_ABSENCES = {"not_measured": "not-performed", "not_a_number": "not-a-number"}


def identity(kind: str, key: str) -> UUID:
    """Give a resource's id: the same for the same thing, always."""
    return uuid5(NAMESPACE_URL, f"urn:memoryguard:fhir:{kind}:{key}")


def resource(kind: str, key: str, **elements: object) -> Json:
    """Make a resource; an element that is None or empty is left out, as FHIR wants it."""
    head: Json = {
        "resourceType": kind,
        "id": str(identity(kind, key)),
        "meta": {"security": [coding(PSEUDONYM), coding(RESEARCH)]},
    }
    return head | present(**elements)


def present(**elements: object) -> Json:
    """Keep the elements that there are."""
    return {name: value for name, value in elements.items() if value not in (None, "", [], {})}


def full_url(made: Json) -> str:
    """Give the address of a resource within its Bundle."""
    return f"urn:uuid:{made['id']}"


def reference(kind: str, key: str) -> Json:
    """Refer to a resource of the same Bundle."""
    return {"reference": identity(kind, key).urn}


def named(system: str, value: str) -> Json:
    """Write an identifier."""
    return {"system": system, "value": value}


def coding(code: Coded) -> Json:
    """Write a code."""
    return present(**code._asdict())


def concept(code: Coded | None, text: str = "") -> Json:
    """Write a concept: a code and what it means here."""
    return present(coding=[coding(code)] if code else None, text=text)


def quantity(value: float, unit: str, error_sd: float | None = None) -> Json:
    """Write a quantity in a unit of UCUM, with one standard deviation of it."""
    uncertainty = [] if error_sd is None else [{"url": UNCERTAINTY, "valueDecimal": error_sd}]
    return present(extension=uncertainty) | {
        "value": value,
        **present(unit=UNITS[unit]),
        "system": UCUM,
        "code": unit,
    }


def between(bounds: Sequence[float], unit: str) -> Json:
    """Write a range from its two bounds."""
    low, high = bounds
    return {"low": quantity(low, unit), "high": quantity(high, unit)}


def absent(reason: str) -> Json:
    """Say why a value is absent: HL7's word for it, and the reason that was given."""
    return {
        "coding": [
            coding(Coded(ABSENT, _ABSENCES.get(reason, "unknown"))),
            coding(Coded(REASONS, reason)),
        ],
        "text": words.plain(reason),
    }


def instant(at: datetime) -> str:
    """Write a moment."""
    return at.isoformat().replace("+00:00", "Z")


def kept_back(why: str = "masked") -> Json:
    """Stand in for a primitive value that is not told: dates of a person are shifted."""
    return {"extension": [{"url": ABSENT_URL, "valueCode": why}]}


def measured(value: float | None, unit: str, error_sd: float | None, reason: str | None) -> Json:
    """Write a value of an Observation or of its component, or why there is none."""
    if value is None:
        return {"dataAbsentReason": absent(reason or "not_measured")}
    return {"valueQuantity": quantity(value, unit, error_sd)}


def component(code: Coded, text: str, **value: object) -> Json:
    """Write a component of an Observation."""
    return {"code": concept(code, text), **value}


def notes(texts: Sequence[str]) -> list[Json]:
    """Write annotations."""
    return [{"text": text} for text in texts if text]
