# SPDX-License-Identifier: Apache-2.0
"""How entries are written: every event of the platform as FHIR R4 AuditEvent, and CSV."""

from __future__ import annotations

import base64
import copy
import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydicom.sr._concepts_dict import concepts

from memoryguard.audit.domain import csv as as_csv
from memoryguard.audit.filing import Filing
from memoryguard.common.contracts.event import new_event
from memoryguard.common.contracts.events import AccessRead, CheckpointSigned
from memoryguard.common.contracts.flow import FACTS, TOPIC_OF
from memoryguard.common.runtime.bus import Received
from memoryguard.common.security.keyring import VaultKey
from memoryguard.tlog import fhir
from memoryguard.tlog import fhir_codes as codes
from memoryguard.tlog.checkpoint import Checkpoint, sign_checkpoint
from memoryguard.tlog.entry import entry_key
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.export import verify_export
from memoryguard.tlog.exported import FIELDS, STARTS_A_FORMULA, Exported, shown
from memoryguard.tlog.fhir import audit_event
from memoryguard.tlog.merkle import inclusion_proof, root_of
from memoryguard.tlog.note import Signer

EXAMPLES = Path(__file__).parents[3] / "libs/common/examples"
FILING = Filing(VaultKey(bytes(32)))
NOTE = "origin\n1\nAAAA\n\n— origin AAAA\n"


def exported(body: bytes, topic: str = "memoryguard.access.v1", key: str = "5e" * 16) -> Exported:
    filed = FILING.file(Received(topic, key, body, 1))
    entry = filed.entry(bytes(32), logged_us=1_772_355_600_000_001)
    return Exported(7, entry, bytes(32), (b"\1" * 32,), body)


def examples() -> Mapping[str, Exported]:
    audited = {kind: fact for kind, fact in FACTS.items() if fact is not CheckpointSigned}
    return {
        kind: exported((EXAMPLES / f"{kind}.json").read_bytes(), TOPIC_OF[fact])
        for kind, fact in audited.items()
    }


# --- FHIR R4 (4.0.1) AuditEvent, as its StructureDefinition has it: element -> type, least, most --

Check = Callable[[Any], bool]
ANY = 10**6


def _pattern(*values: str) -> Check:
    return lambda value: value in values


def _text(value: Any) -> bool:
    return isinstance(value, str) and value.strip() == value != ""


def _instant(value: Any) -> bool:
    return _text(value) and value.endswith("Z") and "T" in value


def _proof_or_form(value: Any) -> bool:
    return value == fhir.VERSION or value.startswith("c2sp.org/tlog-proof@v1\n")


def _base64(value: Any) -> bool:
    return isinstance(value, str) and bool(base64.b64decode(value, validate=True))


def _boolean(value: Any) -> bool:
    return isinstance(value, bool)


CODING = {"system": (_text, 1, 1), "code": (_text, 1, 1), "display": (_text, 0, 1)}
CONCEPT = {"coding": (CODING, 0, ANY), "text": (_text, 0, 1)}
IDENTIFIER = {"system": (_text, 0, 1), "value": (_text, 0, 1)}
REFERENCE = {"identifier": (IDENTIFIER, 0, 1), "display": (_text, 0, 1)}
EXTENSION = {
    "url": (_text, 1, 1), "valueString": (_proof_or_form, 0, 1),
    "valueBase64Binary": (_base64, 0, 1),
}  # fmt: skip
AUDIT_EVENT = {
    "resourceType": (_pattern("AuditEvent"), 1, 1),
    "id": (_text, 0, 1),
    "extension": (EXTENSION, 0, ANY),
    "type": (CODING, 1, 1),
    "subtype": (CODING, 0, ANY),
    "action": (_pattern(*"CRUDE"), 0, 1),
    "period": ({"start": (_instant, 0, 1), "end": (_instant, 0, 1)}, 0, 1),
    "recorded": (_instant, 1, 1),
    "outcome": (_pattern("0", "4", "8", "12"), 0, 1),
    "outcomeDesc": (_text, 0, 1),
    "purposeOfEvent": (CONCEPT, 0, ANY),
    "agent": (
        {"type": (CONCEPT, 0, 1), "role": (CONCEPT, 0, ANY), "who": (REFERENCE, 0, 1),
         "requestor": (_boolean, 1, 1), "purposeOfUse": (CONCEPT, 0, ANY)}, 1, ANY,
    ),
    "source": ({"observer": (REFERENCE, 1, 1), "type": (CODING, 0, ANY)}, 1, 1),
    "entity": (
        {"what": (REFERENCE, 0, 1), "type": (CODING, 0, 1), "role": (CODING, 0, 1),
         "name": (_text, 0, 1), "query": (_base64, 0, 1)}, 0, ANY,
    ),
}  # fmt: skip


def problems(value: Any, form: Any, path: str = "AuditEvent") -> list[str]:
    """Where a resource is not what the form says: unknown, missing, too many, of another kind."""
    if not isinstance(form, Mapping):
        return [] if form(value) else [f"{path}: {value!r}"]
    if not isinstance(value, Mapping):
        return [f"{path} is no object"]
    found = [f"{path}.{name} is unknown" for name in value.keys() - form.keys()]
    for name, (inner, least, most) in form.items():
        there = value.get(name, [])
        several = most > 1
        if name in value and isinstance(there, list) != several:
            found.append(f"{path}.{name} is (not) a list")
            continue
        parts = there if isinstance(there, list) else [there]
        if not least <= len(parts) <= most or (name in value and not parts):
            found.append(f"{path}.{name} is there {len(parts)} times")
        found += [p for part in parts for p in problems(part, inner, f"{path}.{name}")]
    return found


@pytest.mark.parametrize("kind", examples())
def test_every_event_becomes_a_valid_audit_event(kind: str) -> None:
    each = examples()[kind]
    resource = audit_event(each, NOTE)
    assert problems(resource, AUDIT_EVENT) == []
    assert any(agent["requestor"] for agent in resource["agent"])
    for entity in resource.get("entity", []):  # invariant sev-1: not both of them
        assert not {"name", "query"} <= entity.keys()


def test_the_check_of_resources_finds_what_is_wrong() -> None:
    right = audit_event(examples()["memoryguard.access.read.v1"], NOTE)
    wrong: list[dict[str, Any]] = [
        {name: value for name, value in right.items() if name != missing}
        for missing in ("type", "recorded", "agent", "source")
    ]
    wrong += [right | {"agent": []}, right | {"outcome": "1"}, right | {"x": 1}]
    wrong += [right | {"agent": [{"who": {}}]}, right | {"subtype": {}}]
    assert all(problems(each, AUDIT_EVENT) for each in wrong)


def test_every_event_has_its_line_in_the_table() -> None:
    assert set(FACTS) - {CheckpointSigned.type} == set(codes.KINDS) | codes.SERVED


def test_codes_have_the_words_that_dicom_has_for_them() -> None:
    dicom = {code: words for each in concepts["DCM"].values() for code, (words, _) in each.items()}
    named = [value for value in vars(codes).values() if isinstance(value, codes.Code)]
    ours = [code for code in named if code.system == codes.DCM]
    assert len(ours) > 10
    assert {code.code: code.display for code in ours} == {c.code: dicom[c.code] for c in ours}


SERVED = {
    "imaging.analysis": ("rest", "read", "R"),
    "imaging.list": ("rest", "search", "E"),
    "scan.upload": ("rest", "create", "C"),
    "health.record": ("rest", "update", "U"),
    "user.erase": ("rest", "delete", "D"),
    "session.create": ("110114", "110122", "E"),
    "session.sign-out": ("110114", "110123", "E"),
    "audit.query": ("110101", None, "R"),
}


@pytest.mark.parametrize("action", SERVED)
def test_what_was_served_is_told_by_its_action(action: str) -> None:
    kind = codes.kind_of(AccessRead.type, action)
    subtype = kind.subtype.code if kind.subtype else None
    assert (kind.type.code, subtype, kind.action) == SERVED[action]


def test_a_look_says_who_whose_what_for_and_how_it_ended() -> None:
    resource = audit_event(examples()["memoryguard.access.read.v1"], NOTE)
    user, service = resource["agent"]
    assert user["type"]["coding"][0]["code"] == "IRCP" and user["requestor"]
    assert service["type"]["coding"][0]["code"] == "110153" and not service["requestor"]
    assert user["purposeOfUse"] == resource["purposeOfEvent"]
    assert resource["purposeOfEvent"][0]["coding"][0]["system"] == codes.REASON
    person, scan = resource["entity"]
    assert person["what"]["identifier"]["value"] == "5e" * 16
    assert (person["role"]["code"], scan["role"]["code"]) == ("1", "4")
    denied = audit_event(examples()["memoryguard.access.denied.v1"], NOTE)
    assert (denied["outcome"], denied["outcomeDesc"]) == ("4", "not_allowed")
    glass = audit_event(examples()["memoryguard.access.overridden.v1"], NOTE)
    assert glass["subtype"][0]["code"] == "110127"
    assert glass["purposeOfEvent"][0]["coding"][0]["code"] == "BTG"


def test_an_unknown_event_and_an_unreadable_one_are_valid_too() -> None:
    for body in (b"x", b'{"source":"/s","id":"1","type":"other.thing"}', b'{"data":[]}'):
        each = exported(body)
        for event in (each.event, None):
            resource = audit_event(replace(each, event=event, opening=None), NOTE)
            assert problems(resource, AUDIT_EVENT) == []
            assert resource["type"]["code"] == "110100"


def test_an_event_that_is_no_event_of_ours_is_written_too() -> None:
    for data in (b"[1]", b"7", b'{"filters":7,"code":[]}'):
        resource = audit_event(exported(b'{"data":' + data + b"}"), NOTE)
        assert problems(resource, AUDIT_EVENT) == []


SIGNER = Signer("memoryguard/formats", Ed25519PrivateKey.from_private_bytes(b"f" * 32))


def proved(each: Exported) -> tuple[Exported, str]:
    """Put an entry into a log of its own, behind seven others; the log's checkpoint."""
    entry = each.entry
    leaves = [*[bytes(32)] * 7, entry.leaf_hash()]
    proof = inclusion_proof(7, 8, lambda level, n: root_of(leaves[n << level :][: 1 << level]))
    note = sign_checkpoint(Checkpoint(SIGNER.name, 8, root_of(leaves)), SIGNER)
    key = entry_key(bytes(32), entry.source, entry.event_id, entry.digest)
    opening = key if entry.form == "sealed" else None
    return Exported(7, entry, opening, tuple(proof), entry.event(opening)), note


def is_refused(resource: Mapping[str, Any]) -> bool:
    try:
        return bool(verify_export([json.dumps(resource)], SIGNER.verifier_key).findings)
    except Unverified:
        return True


def scalars(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a resource a value stands."""
    if not isinstance(value, dict | list):
        yield path
        return
    for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield from scalars(inner, (*path, name))


def altered(resource: Any, path: tuple[Any, ...]) -> Any:
    """The resource with another value there."""
    (name, *rest), copy_of = path, copy.copy(resource)
    was = resource[name]
    said = (1 if was is True else 0) if isinstance(was, bool) else f"{was}x"
    copy_of[name] = altered(was, tuple(rest)) if rest else said
    return copy_of


@pytest.mark.parametrize("kind", examples())
def test_every_value_of_a_resource_is_compared(kind: str) -> None:
    each, note = proved(examples()[kind])
    resource = audit_event(each, note)
    report = verify_export([json.dumps(resource)], SIGNER.verifier_key)
    assert (report.entries, report.opened, report.findings) == (1, 1, ())
    for path in scalars(resource):
        assert is_refused(altered(resource, path)), path
    for name in resource:
        assert is_refused({n: v for n, v in resource.items() if n != name}), name
    assert is_refused(resource | {"text": None})
    twice = json.dumps(resource)[:-1] + ', "recorded": "2001-01-01T00:00:00Z"}'
    with pytest.raises(Unverified, match="twice"):
        verify_export([twice], SIGNER.verifier_key)


# --- CSV ----------------------------------------------------------------------------------


@pytest.mark.parametrize("evil", ["=1+1", "+1", "-1", "@SUM(A1)", "=a,b", '=" "'])
def test_a_field_that_would_be_a_formula_is_none(evil: str) -> None:
    fact = AccessRead(subject_id="5e" * 16, actor_id=evil, action=evil, service="api")
    each = exported(new_event(fact, source="/s").to_bytes())
    (row,) = csv.DictReader(io.StringIO(as_csv.head() + as_csv.row(each), newline=""), strict=True)
    assert row["actor"] == row["action"] == f"'{evil}"
    for name in FIELDS:
        assert not row[name].startswith(STARTS_A_FORMULA)


def test_csv_reads_back_as_what_was_written() -> None:
    for each in examples().values():
        text = as_csv.head() + as_csv.row(each)
        assert text.count("\r\n") == 2
        (row,) = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        said = shown(7, each.entry)
        assert {name: row[name] for name in FIELDS} == {
            name: "" if value is None else str(value) for name, value in said.items()
        }
        assert base64.b64decode(row["entry"]) == each.entry.leaf()
