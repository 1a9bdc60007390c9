# SPDX-License-Identifier: Apache-2.0
"""What a search over DICOMweb asks and is told (QIDO-RS, PS3.18 10.6). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from memoryguard.api.documents import LEVELS, Document, Level
from memoryguard.common.contracts.parts import DicomObject
from memoryguard.common.errors import Rejected

Attributes: TypeAlias = dict[str, dict[str, Any]]

MAX_ANSWERS = 100
KEYS: Mapping[str, str] = {
    **dict.fromkeys(("StudyInstanceUID", "0020000D"), "study_uid"),
    **dict.fromkeys(("SeriesInstanceUID", "0020000E"), "series_uid"),
    **dict.fromkeys(("SOPInstanceUID", "00080018"), "instance_uid"),
    **dict.fromkeys(("Modality", "00080060", "ModalitiesInStudy", "00080061"), "modality"),
    **dict.fromkeys(("PatientID", "00100020", "PatientName", "00100010"), "subject_id"),
}
"""Attributes that can be matched; name and number of a patient are both the pseudonym."""
_CONTROLS = frozenset({"limit", "offset", "includefield", "fuzzymatching"})
_SEPARATORS = re.compile(r"[,\\]")
_ANYTHING = frozenset({"", "*"})


class BadQuery(Rejected):
    """The question cannot be understood."""

    http_status = 400


@dataclass(frozen=True, slots=True)
class Query:
    """A question: values by column, and which part of the answers.

    ``ignored``: whether it names attributes that are not matched.
    """

    matches: Mapping[str, Sequence[str]]
    limit: int
    offset: int
    ignored: bool


def question(query: Mapping[str, str]) -> Query:
    """Read the query of an address.

    Raises
    ------
    BadQuery
        ``bad_query``.
    """
    matches = {
        KEYS[name]: _SEPARATORS.split(value)
        for name, value in query.items()
        if name in KEYS and value not in _ANYTHING
    }
    if any("\0" in value for values in matches.values() for value in values):
        raise _bad()
    return Query(
        matches,
        limit=min(_number(query, "limit", MAX_ANSWERS), MAX_ANSWERS),
        offset=_number(query, "offset", 0),
        ignored=any(name not in KEYS and name not in _CONTROLS for name in query),
    )


def matches(document: Document, asked: Query) -> bool:
    """Tell whether an object is among those that are asked for."""
    said = document.dicom.model_dump() | {"subject_id": document.subject_id}
    return all(said[column] in values for column, values in asked.matches.items())


def _number(query: Mapping[str, str], name: str, otherwise: int) -> int:
    text = query.get(name, str(otherwise))
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise _bad()
    return int(text)


def _bad() -> BadQuery:
    return BadQuery("bad_query", "the search cannot be understood", "see PS3.18, 8.3.4")


def answer(level: Level, found: Sequence[Document], base: str) -> Attributes:
    """Give the attributes of a study, series or object, with those of what it lies in.

    Parameters
    ----------
    level
        What it is.
    found
        The objects in it.
    base
        Address below which ``studies`` lies.
    """
    first = found[0]
    parts = (_study(first, found), _series(first.dicom, found), _instance(first.dicom))
    depth = LEVELS.index(level) + 1
    attributes = {tag: value for part in parts[:depth] for tag, value in part.items()}
    dicom = first.dicom
    place = (
        ("studies", dicom.study_uid),
        ("series", dicom.series_uid),
        ("instances", dicom.instance_uid),
    )
    url = "/".join([base, *(step for steps in place[:depth] for step in steps)])
    attributes |= {"00080056": _value("CS", "ONLINE"), "00081190": _value("UR", url)}
    return dict(sorted(attributes.items()))


def _study(first: Document, found: Sequence[Document]) -> Attributes:
    dicom = first.dicom
    name = {"Alphabetic": first.subject_id}
    return {
        "00080005": _value("CS", "ISO_IR 192"),
        "00080020": _value("DA", dicom.study_date and f"{dicom.study_date:%Y%m%d}"),
        "00080030": _value("TM"),
        "00080050": _value("SH"),
        "00080061": _value("CS", *sorted({each.dicom.modality for each in found})),
        "00080090": _value("PN"),
        "00100010": _value("PN", name),
        "00100020": _value("LO", first.subject_id),
        "00100030": _value("DA"),
        "00100040": _value("CS", dicom.sex),
        "0020000D": _value("UI", dicom.study_uid),
        "00200010": _value("SH"),
        "00201206": _value("IS", len({each.dicom.series_uid for each in found})),
        "00201208": _value("IS", len(found)),
    }


def _series(dicom: DicomObject, found: Sequence[Document]) -> Attributes:
    beside = [each for each in found if each.dicom.series_uid == dicom.series_uid]
    return {
        "00080060": _value("CS", dicom.modality),
        "0008103E": _value("LO", dicom.series_description),
        "0020000E": _value("UI", dicom.series_uid),
        "00200011": _value("IS", dicom.series_number),
        "00201209": _value("IS", len(beside)),
    }


def _instance(dicom: DicomObject) -> Attributes:
    said = {
        "00080016": _value("UI", dicom.sop_class_uid),
        "00080018": _value("UI", dicom.instance_uid),
        "00200013": _value("IS", dicom.instance_number),
    }
    pixels = {
        "00280008": ("IS", dicom.frames),
        "00280010": ("US", dicom.rows),
        "00280011": ("US", dicom.columns),
        "00280100": ("US", dicom.bits_allocated),
    }
    return said | {tag: _value(vr, of) for tag, (vr, of) in pixels.items() if of is not None}


def _value(vr: str, *values: object) -> dict[str, Any]:
    said = [value for value in values if value not in (None, "")]
    return {"vr": vr, "Value": said} if said else {"vr": vr}
