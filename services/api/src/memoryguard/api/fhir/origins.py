# SPDX-License-Identifier: Apache-2.0
"""Whom and what a result is of, and where it comes from: person, study, programs, provenance."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from memoryguard.api.analysis import DISCLAIMER
from memoryguard.api.documents import Document as DicomDocument
from memoryguard.api.fhir import codes
from memoryguard.api.fhir.codes import Coded
from memoryguard.api.fhir.elements import (
    Json,
    coding,
    concept,
    full_url,
    instant,
    kept_back,
    named,
    notes,
    present,
    reference,
    resource,
)
from memoryguard.api.fhir.observations import Result, device_key
from memoryguard.api.proofs import TYPE_OF_KIND, behind
from memoryguard.common.contracts.parts import DicomObject
from memoryguard.tlog.entry import Entry
from memoryguard.tlog.fhir import ENTRY, OPENING, PROOF, SCAN, SERVICE, SUBJECT
from memoryguard.tlog.proof import EntryProof

SHA256 = "urn:memoryguard:sha256"
EVENT = "urn:memoryguard:event"
GENDERS = {"F": "female", "M": "male"}
PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
OPERATION = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"


def patient(result: Result) -> Json:
    """Give the person: a pseudonym, nothing else that would tell them from others but the sex."""
    person = result.document["person"] or {}
    return resource(
        "Patient",
        result.scan.subject_id,
        identifier=[named(SUBJECT, result.scan.subject_id)],
        gender=GENDERS.get(person.get("sex") or ""),
    )


def study(result: Result, dicom: Sequence[DicomDocument]) -> Json:
    """Give the ImagingStudy: the scan, and the DICOM objects that were made of it."""
    uids = sorted({each.dicom.study_uid for each in dicom})
    received = result.scan.facts.get("received")
    return resource(
        "ImagingStudy",
        result.key(),
        identifier=[
            named(SCAN, result.scan.scan_id),
            *(named("urn:dicom:uid", f"urn:oid:{uid}") for uid in uids),
        ],
        status="available" if received else "unknown",
        modality=[coding(codes.MR)] if received else None,
        subject=result.patient,
        _started=kept_back(),
        series=([_scanned(received.data)] if received else []) + [*_made(dicom)],
        description="T1-weighted MRI of the head" if received else None,
    )


def _scanned(received: Mapping[str, Any]) -> Json:
    """Write the series that was scanned. Its UID is in the archive, and said by no event."""
    return {
        "_uid": kept_back("unknown"),
        "modality": coding(codes.MR),
        "numberOfInstances": received["instances"],
        "bodySite": coding(Coded(codes.SCT, codes.STRUCTURES["total_brain"])),
    } | present(description=received["acquisition"].get("series"))


def _made(dicom: Sequence[DicomDocument]) -> Iterator[Json]:
    by_series: dict[str, list[DicomObject]] = {}
    for each in dicom:
        by_series.setdefault(each.dicom.series_uid, []).append(each.dicom)
    for uid, objects in sorted(by_series.items()):
        yield {
            "uid": uid,
            "number": objects[0].series_number,
            "modality": coding(Coded(codes.DCM, objects[0].modality)),
            **present(description=objects[0].series_description),
            "numberOfInstances": len(objects),
            "instance": [
                {"uid": each.instance_uid, "sopClass": _class(each.sop_class_uid)}
                for each in objects
            ],
        }


def _class(uid: str) -> Json:
    """Write a SOP class."""
    return {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{uid}"}


def devices(result: Result) -> list[Json]:
    """Give the programs that answered: what measured, and the model."""
    answer, engine = result.answer, result.document["engine"]
    found = [_device(engine, "Measures brain structures")] if engine else []
    return found + ([_device(answer["model"], "Compares with groups")] if answer else [])


def _device(software: Mapping[str, Any], purpose: str) -> Json:
    weights = software["weights_sha256"]
    versions = [{"type": {"text": "software"}, "value": software["version"]}]
    if weights:
        versions.append({"type": {"text": "weights, SHA-256"}, "value": weights})
    return resource(
        "Device",
        device_key(software),
        status="active",
        deviceName=[{"name": software["name"], "type": "model-name"}],
        type={"text": f"Software. {purpose}."},
        version=versions,
        note=notes([DISCLAIMER]),
    )


def provenance(result: Result, targets: Sequence[Json], proof: Mapping[str, Any] | None) -> Json:
    """Say what the report comes from.

    Parameters
    ----------
    targets
        Resources that it speaks of.
    proof
        The proof of the result (`proofs.proof_of`), where it was asked for.
    """
    answer = result.answer
    programs = [each for each in (result.document["engine"], answer and answer["model"]) if each]
    service: Json = {"identifier": named(SERVICE, "/memoryguard/api")}
    return resource(
        "Provenance",
        result.key(),
        target=[{"reference": full_url(each)} for each in targets],
        recorded=instant(result.scan.updated_at),
        activity=concept(
            Coded(OPERATION, "CREATE", "create"), "Made from a scan by programs alone"
        ),
        agent=[
            *(_agent("performer", "Performer", _program(each)) for each in programs),
            _agent("assembler", "Assembler", service),
        ],
        entity=[*_inputs(result), *_events(result, proof)],
    )


def _program(software: Mapping[str, Any]) -> Json:
    return reference("Device", device_key(software))


def _agent(code: str, display: str, who: Json) -> Json:
    return {"type": concept(Coded(PARTICIPANT, code, display)), "who": who}


def _inputs(result: Result) -> Iterator[Json]:
    """What was measured, and the norms that it was compared with, by their digests."""
    received = result.scan.facts.get("received")
    if received:
        yield _hashed(received.data["archive"]["sha256"], "Archive of the scan, de-identified")
    for name, pack in result.atrophy["packs"].items():
        yield _hashed(pack["sha256"], f"Norms {name}, version {pack['version']}")
    if site := result.atrophy["site"]:
        yield _hashed(site["sha256"], f"Healthy controls of the scanner, {site['name']}")


def _hashed(sha256: str, display: str) -> Json:
    return {"role": "source", "what": {"identifier": named(SHA256, sha256), "display": display}}


def _events(result: Result, proof: Mapping[str, Any] | None) -> Iterator[Json]:
    """Give the events that the result rests on, each with what proves it as far as there is."""
    proved = {each["type"]: each for each in proof["events"]} if proof else {}
    for kind in behind(result.scan):
        event = TYPE_OF_KIND[kind]
        at = instant(result.scan.facts[kind].at)
        what: Json = {"display": f"{event}, {at}"}
        if proof and event in proved:
            entry = Entry.parse(b64decode(proved[event]["entry"]))
            what["identifier"] = named(EVENT, entry.event_id)
            what["extension"] = _evidence(proved[event], proof["checkpoint"])
        yield {"role": "source", "what": what}


def _evidence(proved: Mapping[str, Any], checkpoint: str) -> list[Json]:
    """Write leaf, key and proof file, as the AuditEvents of an export carry them."""
    hashes = tuple(b64decode(each) for each in proved["proof"])
    text = str(EntryProof(proved["sequence"], hashes, checkpoint))
    opening = proved["opening"]
    return [
        {"url": ENTRY, "valueBase64Binary": proved["entry"]},
        *([{"url": OPENING, "valueBase64Binary": opening}] if opening else []),
        {"url": PROOF, "valueString": text},
    ]
