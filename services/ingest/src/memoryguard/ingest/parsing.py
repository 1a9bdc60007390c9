# SPDX-License-Identifier: Apache-2.0
"""What is done with the bytes of strangers: synchronous, without effects, on plain data only.

These functions run in a limited process of their own (`common.runtime.sandbox`), which is given no
secret but the one person's key that disguises UIDs. They take files and plain arguments, and give
plain data and files.

Codes of refusals of one file::

    empty_upload                 nothing in it
    too_large, too_many_elements beyond the limits of `domain.elements` and `domain.inspect`
    not_dicom                    no DICOM file (PS3.10)
    hostile_preamble             DICOM that is a program or a document as well
    truncated_file               cut off: a length, an end or the pixels lie beyond the last byte
    malformed_dicom              contradicts the standard
    other_object                 the file names another object outside than inside
    nested_too_deep              sequences in sequences, without end
    unsupported_transfer_syntax  deflated, big endian, or a codec that is not read
    unsupported_modality         not MR
    unsupported_object           not a grey (Enhanced) MR Image
    missing_attribute            what an image cannot be used without
    bad_pixel_format             the description of the pixels contradicts itself or them
    bad_geometry                 a place, direction or spacing that cannot be
    burned_in_annotation         text in the picture
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any, TypeAlias

from memoryguard.common.errors import Rejected
from memoryguard.common.security.keyring import mapped_uid
from memoryguard.ingest.domain import equipment, person, tags
from memoryguard.ingest.domain.deidentify import Pseudonym, deidentify
from memoryguard.ingest.domain.elements import read_file
from memoryguard.ingest.domain.header import header_of
from memoryguard.ingest.domain.inspect import Instance, inspect
from memoryguard.ingest.domain.values import name_text, number, word, words

Document: TypeAlias = dict[str, Any]

LEFT_OUT = frozenset(
    {
        *("not_dicom", "unsupported_modality", "unsupported_object"),
        "unsupported_transfer_syntax",
    }
)
"""What may lie beside a scan and is left out; anything else that is refused is damage."""


def describe(files: Sequence[bytes]) -> tuple[list[Document], list[bytes]]:
    """Look at files.

    Returns
    -------
    list of dict
        Of each file either ``refused`` (code, message, hint), or ``header`` (see `domain.header`),
        ``digest`` (SHA-256, hexadecimal) and what identifies: ``study_uid``, ``series_uid``,
        ``issuer``, ``patient_id``, ``birth_date``. ``sop_class`` and ``sop_uid`` of both, as far
        as the file tells.
    """
    return [_described(data) for data in files], []


def portray(
    files: Sequence[bytes], *, spacing_mm: Sequence[float], series: str, shift_days: int
) -> tuple[Document, list[bytes]]:
    """Tell what is kept of the person and of how the scan was made, from its first image.

    Returns
    -------
    dict
        ``person``, ``acquisition`` (as in the events), ``notes`` (pairs of code and sentence) and
        ``identity``: what the vault keeps.
    """
    instance = inspect(files[0])
    age = person.age_years(instance.dataset)
    sex = word(instance.dataset, tags.SEX)
    notes: list[tuple[str, str]] = []
    if age is None:
        notes.append(("age_unknown", "the file does not tell the age at the scan"))
    elif age == person.OLDEST_AGE_YEARS:
        notes.append(("age_capped", "ages over 89 are one group; 90 is stated"))
    if sex not in ("F", "M"):
        notes.append(("sex_unknown", "the file does not tell the sex"))
    return {
        "person": {"age_years": age, "sex": sex if sex in ("F", "M") else None},
        "acquisition": _acquisition(instance, spacing_mm, series, shift_days),
        "notes": notes,
        "identity": _identity(instance),
    }, []


def disguise(
    files: Sequence[bytes],
    *,
    numbers: Sequence[int],
    subject_id: str,
    uid_key: str,
    shift_days: int,
    series: str,
    age_years: float | None,
) -> tuple[list[str], list[bytes]]:
    """Write images anew, without identity (`domain.deidentify`).

    Parameters
    ----------
    files, numbers
        Images, and their places in the series, from 1.
    subject_id, uid_key, shift_days
        The person's pseudonym, key of UIDs (hexadecimal), and secret shift of dates.
    series, age_years
        The same for the whole series.

    Returns
    -------
    list of str, list of bytes
        The original UIDs of the images, for the vault, and the new images.
    """
    pseudonym = Pseudonym(subject_id, shift_days, partial(mapped_uid, bytes.fromhex(uid_key)))
    uids: list[str] = []
    written: list[bytes] = []
    for data, place in zip(files, numbers, strict=True):
        instance = inspect(data)
        uids.append(instance.sop_uid)
        written.append(
            deidentify(instance, pseudonym, series=series, age_years=age_years, number=place)
        )
    return uids, written


def _described(data: bytes) -> Document:
    try:
        instance = inspect(data)
        header = header_of(instance)
    except Rejected as error:
        refused = (error.code, error.message, error.hint)
        return {"refused": refused, **_named(data)}
    return {
        "header": header.document(),
        "digest": instance.digest.hex(),
        "sop_class": instance.sop_class,
        "sop_uid": instance.sop_uid,
        "study_uid": instance.study_uid,
        "series_uid": instance.series_uid,
        "issuer": instance.issuer,
        "patient_id": instance.patient_id,
        "birth_date": str(instance.birth_date or ""),
    }


def _named(data: bytes) -> Document:
    """Give class and UID of an object that is refused, for the answer to its sender."""
    try:
        dataset = read_file(data).dataset
    except Rejected:
        return {"sop_class": "", "sop_uid": ""}
    return {"sop_class": word(dataset, tags.SOP_CLASS), "sop_uid": word(dataset, tags.SOP_UID)}


def _acquisition(
    instance: Instance, spacing_mm: Sequence[float], series: str, shift_days: int
) -> Document:
    dataset = instance.dataset
    acquired_on = _moved(person.scanned_on(dataset), shift_days)
    return {
        "acquired_on": acquired_on and acquired_on.isoformat(),
        "manufacturer": equipment.manufacturer(word(dataset, tags.MANUFACTURER)),
        "scanner_model": equipment.model(word(dataset, tags.MODEL)),
        "field_strength_t": number(dataset, tags.FIELD_STRENGTH),
        "spacing_mm": list(spacing_mm),
        "series": series,
    }


def _moved(day: date | None, shift_days: int) -> date | None:
    try:
        return day + timedelta(days=shift_days) if day is not None else None
    except OverflowError:
        return None


def _identity(instance: Instance) -> Document:
    dataset = instance.dataset
    texts = {
        "patient_name": tags.PATIENT_NAME,
        "patient_id": tags.PATIENT_ID,
        "issuer_of_patient_id": tags.ISSUER,
        "patient_birth_date": tags.BIRTH_DATE,
        "patient_sex": tags.SEX,
        "accession_number": tags.ACCESSION,
        "study_id": tags.STUDY_ID,
        "study_date": tags.STUDY_DATE,
        "study_time": tags.STUDY_TIME,
        "referring_physician_name": tags.REFERRER,
        "frame_of_reference_uid": tags.FRAME_OF_REFERENCE,
    }
    found = {name: name_text(dataset, tag) for name, tag in texts.items()}
    return found | {
        "character_set": "\\".join(words(dataset, tags.CHARACTER_SET)),
        "study_instance_uid": instance.study_uid,
        "series_instance_uid": instance.series_uid,
    }


CALLS: Mapping[str, Callable[..., tuple[Any, list[bytes]]]] = {
    "describe": describe,
    "portray": portray,
    "disguise": disguise,
}
