# SPDX-License-Identifier: Apache-2.0
"""Which codes say what an event is: DICOM's (PS3.16, as PS3.15 section A.5 uses them) and FHIR's.

What a system's own work is has no code of its own in either; it is *application activity*, without
a subtype that would say more than is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

DCM = "http://dicom.nema.org/resources/ontology/DCM"
EVENT_TYPE = "http://terminology.hl7.org/CodeSystem/audit-event-type"
INTERACTION = "http://hl7.org/fhir/restful-interaction"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
OBJECT_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
SOURCE_TYPE = "http://terminology.hl7.org/CodeSystem/security-source-type"

Action: TypeAlias = Literal["C", "R", "U", "D", "E"]


class Code(NamedTuple):
    """A code of a code system, with the words that the system has for it."""

    system: str
    code: str
    display: str


class Kind(NamedTuple):
    """What an event is: AuditEvent.type, .subtype and .action."""

    type: Code
    subtype: Code | None
    action: Action


def _dcm(code: str, display: str) -> Code:
    return Code(DCM, code, display)


ACTIVITY = _dcm("110100", "Application Activity")
LOG_USED = _dcm("110101", "Audit Log Used")
EXPORT = _dcm("110106", "Export")
IMPORT = _dcm("110107", "Import")
PATIENT_RECORD = _dcm("110110", "Patient Record")
ALERT = _dcm("110113", "Security Alert")
AUTHENTICATION = _dcm("110114", "User Authentication")
LOGIN = _dcm("110122", "Login")
LOGOUT = _dcm("110123", "Logout")
OVERRIDE = _dcm("110127", "Emergency Override Started")
SECURITY_CONFIGURATION = _dcm("110129", "Security Configuration")
SOFTWARE_CONFIGURATION = _dcm("110131", "Software Configuration")
USER_ATTRIBUTES = _dcm("110137", "User Security Attributes Changed")
APPLICATION = _dcm("110150", "Application")
DESTINATION = _dcm("110152", "Destination Role ID")
SOURCE = _dcm("110153", "Source Role ID")
RECIPIENT = Code(PARTICIPATION, "IRCP", "information recipient")
REST = Code(EVENT_TYPE, "rest", "RESTful Operation")

OTHER: Final = Kind(ACTIVITY, None, "E")
"""What this table does not know, as a service that came later."""

KINDS: Final[Mapping[str, Kind]] = {
    "memoryguard.scan.available.v1": Kind(IMPORT, None, "E"),
    "memoryguard.scan.received.v1": Kind(IMPORT, None, "C"),
    "memoryguard.scan.rejected.v1": Kind(IMPORT, None, "C"),
    "memoryguard.scan.erased.v1": Kind(PATIENT_RECORD, None, "D"),
    "memoryguard.patient.linked.v1": Kind(PATIENT_RECORD, None, "U"),
    "memoryguard.health.recorded.v1": Kind(PATIENT_RECORD, None, "U"),
    "memoryguard.volumes.extracted.v1": Kind(ACTIVITY, None, "E"),
    "memoryguard.volumes.refused.v1": Kind(ACTIVITY, None, "E"),
    "memoryguard.atrophy.scored.v1": Kind(ACTIVITY, None, "E"),
    "memoryguard.risk.predicted.v1": Kind(ACTIVITY, None, "E"),
    "memoryguard.risk.withheld.v1": Kind(ACTIVITY, None, "E"),
    "memoryguard.document.made.v1": Kind(ACTIVITY, None, "C"),
    "memoryguard.document.addressed.v1": Kind(ACTIVITY, None, "E"),
    "memoryguard.document.stored.v1": Kind(EXPORT, None, "R"),
    "memoryguard.access.invited.v1": Kind(ALERT, USER_ATTRIBUTES, "C"),
    "memoryguard.access.granted.v1": Kind(ALERT, USER_ATTRIBUTES, "U"),
    "memoryguard.access.revoked.v1": Kind(ALERT, USER_ATTRIBUTES, "D"),
    "memoryguard.access.overridden.v1": Kind(ALERT, OVERRIDE, "E"),
    "memoryguard.delivery.failed.v1": Kind(ACTIVITY, None, "E"),
    "memoryguard.delivery.conflicted.v1": Kind(ALERT, None, "E"),
    "memoryguard.keys.rotated.v1": Kind(ALERT, SECURITY_CONFIGURATION, "U"),
    "memoryguard.keys.retired.v1": Kind(ALERT, SECURITY_CONFIGURATION, "D"),
    "memoryguard.settings.changed.v1": Kind(ALERT, SOFTWARE_CONFIGURATION, "U"),
    "memoryguard.review.signed.v1": Kind(LOG_USED, None, "R"),
    "memoryguard.hold.placed.v1": Kind(LOG_USED, None, "U"),
    "memoryguard.hold.lifted.v1": Kind(LOG_USED, None, "U"),
    "memoryguard.log.pruned.v1": Kind(LOG_USED, None, "D"),
    "memoryguard.log.exported.v1": Kind(EXPORT, None, "R"),
}
"""By type; what was served and refused (`SERVED`) is told by its action."""

SERVED: Final = frozenset({"memoryguard.access.read.v1", "memoryguard.access.denied.v1"})

_WORDS: Final[Mapping[str, tuple[str, Action]]] = {
    "list": ("search", "E"), "query": ("search", "E"), "search": ("search", "E"),
    "upload": ("create", "C"), "store": ("create", "C"), "publish": ("create", "C"),
    "record": ("update", "U"), "link": ("update", "U"), "accept": ("create", "C"),
    "invite": ("create", "C"), "override": ("create", "C"),
    "erase": ("delete", "D"), "discard": ("delete", "D"), "revoke": ("delete", "D"),
    "withdraw": ("delete", "D"),
}  # fmt: skip
"""The last word of a route's action; every other one is a read."""

_SESSIONS: Final[Mapping[str, Code]] = {
    "session.create": LOGIN, "session.end": LOGOUT, "session.sign-out": LOGOUT,
}  # fmt: skip

PURPOSES: Final[Mapping[str, str]] = {
    "TREAT": "treatment",
    "ETREAT": "Emergency Treatment",
    "BTG": "break the glass",
    "HOPERAT": "healthcare operations",
    "HPAYMT": "healthcare payment",
    "HRESCH": "healthcare research",
    "PATRQT": "patient requested",
    "FAMRQT": "family requested",
    "HCOMPL": "health compliance",
}
"""Codes of HL7's value set PurposeOfUse, in v3-ActReason."""

OVERRIDES: Final = frozenset({"emergency_treatment", "patient_cannot_consent", "safety"})
"""Reasons for which glass is broken: their code is BTG."""

OUTCOMES: Final[Mapping[str, tuple[str, str]]] = {
    "success": ("0", "Success"),
    "denied": ("4", "Minor failure"),
    "failure": ("8", "Serious failure"),
}
"""AuditEvent.outcome. A refusal is the smaller failure: the platform did what it should."""


def kind_of(event_type: str, action: str) -> Kind:
    """Tell what an event is."""
    if event_type not in SERVED:
        return KINDS.get(event_type, OTHER)
    if action in _SESSIONS:
        return Kind(AUTHENTICATION, _SESSIONS[action], "E")
    if action.startswith("audit."):
        return Kind(LOG_USED, None, "R")
    interaction, letter = _WORDS.get(action.rpartition(".")[2], ("read", "R"))
    return Kind(REST, Code(INTERACTION, interaction, interaction), letter)
