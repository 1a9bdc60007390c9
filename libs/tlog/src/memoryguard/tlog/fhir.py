# SPDX-License-Identifier: Apache-2.0
"""Entries as FHIR R4 AuditEvent, after the patterns of IHE BALP 1.1.3.

No profile is claimed. BALP wants to know a client's address, which is not recorded, and the raw
query, which may hold a name: neither is invented. Each resource carries what verifies it: the leaf,
the key that opens it, and a proof file (C2SP tlog-proof).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from memoryguard.tlog import fhir_codes as codes
from memoryguard.tlog.entry import Entry
from memoryguard.tlog.exported import Exported, time_text
from memoryguard.tlog.fhir_codes import Code, Kind
from memoryguard.tlog.note import encode_base64
from memoryguard.tlog.proof import EntryProof

ACCOUNT, SUBJECT, SCAN, SERVICE = (
    f"urn:memoryguard:{name}" for name in ("account", "subject", "scan", "service")
)
"""Systems of the platform's own identifiers; the names are not registered anywhere."""

VERSION = "1"
"""Of how an entry becomes a resource. A verifier writes it again: no change without a new one."""

ENTRY, OPENING, PROOF, FORM = (
    f"urn:memoryguard:log-{name}" for name in ("entry", "opening", "proof", "form")
)
"""Extensions of an AuditEvent: leaf, entry key, proof file, `VERSION`."""

NOBODY = "0" * 32
Json = dict[str, Any]


def audit_event(exported: Exported, note: str) -> Json:
    """Write an entry as an AuditEvent.

    Parameters
    ----------
    exported
        The entry.
    note
        The checkpoint under which it is proved.
    """
    entry, event = exported.entry, exported.parsed() or {}
    kind = codes.kind_of(entry.type, entry.action)
    outcome, words = codes.OUTCOMES[entry.outcome]
    purpose = _purpose(entry.purpose)
    resource: Json = {
        "resourceType": "AuditEvent",
        "id": f"entry-{exported.sequence}",
        "extension": _extensions(exported, note),
        "type": _coding(kind.type),
        "subtype": [_coding(kind.subtype)] if kind.subtype else None,
        "action": kind.action,
        "period": _period(entry),
        "recorded": time_text(entry.logged_us),
        "outcome": outcome,
        "outcomeDesc": _said(event, "code") or (None if outcome == "0" else words),
        "purposeOfEvent": [purpose] if purpose else None,
        "agent": _agents(entry, kind),
        "source": {
            "observer": _named(SERVICE, entry.source),
            "type": [_coding(Code(codes.SOURCE_TYPE, "4", "Application Server"))],
        },
        "entity": _entities(entry, event) or None,
    }
    return {name: value for name, value in resource.items() if value is not None}


def _extensions(exported: Exported, note: str) -> list[Json]:
    proof = str(EntryProof(exported.sequence, exported.proof, note))
    opening = [] if exported.opening is None else [exported.opening]
    return [
        {"url": ENTRY, "valueBase64Binary": encode_base64(exported.entry.leaf())},
        *({"url": OPENING, "valueBase64Binary": encode_base64(each)} for each in opening),
        {"url": PROOF, "valueString": proof},
        {"url": FORM, "valueString": VERSION},
    ]


def _period(entry: Entry) -> Json | None:
    at = time_text(entry.occurred_us)
    return None if at is None else {"start": at, "end": at}


def _agents(entry: Entry, kind: Kind) -> list[Json]:
    """Who acted, and the service; where nobody acted, the service has."""
    served = entry.type in codes.SERVED
    role = codes.APPLICATION
    if served:  # what is read comes from the service, everything else goes to it
        role = codes.SOURCE if kind.action == "R" else codes.DESTINATION
    service: Json = {
        "type": _concept(role),
        "who": _named(SERVICE, entry.source),
        "requestor": entry.actor is None,
    }
    if entry.actor is None:
        return [service]
    own = entry.actor == entry.subject_id
    user: Json = {
        "type": _concept(codes.RECIPIENT),
        "who": _named(SUBJECT if own else ACCOUNT, entry.actor),
        "requestor": True,
    }
    purpose = _purpose(entry.purpose)
    return [user | ({"purposeOfUse": [purpose]} if purpose else {}), service]


def _entities(entry: Entry, event: Mapping[str, Any]) -> list[Json]:
    found = list[Json]()
    if entry.subject_id != NOBODY:
        found.append(_entity(SUBJECT, entry.subject_id, ("1", "Person"), ("1", "Patient")))
    if entry.scan_id is not None:
        found.append(_entity(SCAN, entry.scan_id, ("2", "System Object"), ("4", "Domain Resource")))
    filters = _data(event).get("filters")
    if isinstance(filters, list) and filters:
        query = encode_base64("&".join(map(str, filters)).encode())
        found.append(_typed(("2", "System Object"), ("24", "Query")) | {"query": query})
    return found


def _entity(system: str, value: str, kind: tuple[str, str], role: tuple[str, str]) -> Json:
    return {"what": _named(system, value), **_typed(kind, role)}


def _typed(kind: tuple[str, str], role: tuple[str, str]) -> Json:
    return {
        "type": _coding(Code(codes.ENTITY_TYPE, *kind)),
        "role": _coding(Code(codes.OBJECT_ROLE, *role)),
    }


def _purpose(purpose: str | None) -> Json | None:
    """Write what something was for; a reason that is no code of HL7's stays in words."""
    if purpose is None:
        return None
    code = "BTG" if purpose in codes.OVERRIDES else purpose
    if code not in codes.PURPOSES:
        return {"text": purpose}
    concept = _concept(Code(codes.REASON, code, codes.PURPOSES[code]))
    return concept if code == purpose else concept | {"text": purpose}


def _data(event: Mapping[str, Any]) -> Mapping[str, Any]:
    data = event.get("data")
    return cast("dict[str, Any]", data) if isinstance(data, dict) else {}


def _said(event: Mapping[str, Any], name: str) -> str | None:
    value = _data(event).get(name)
    return value if isinstance(value, str) and value else None


def _named(system: str, value: str) -> Json:
    return {"identifier": {"system": system, "value": value}}


def _concept(code: Code) -> Json:
    return {"coding": [_coding(code)]}


def _coding(code: Code) -> Json:
    return code._asdict()
