# SPDX-License-Identifier: Apache-2.0
"""The intake of one upload: bytes in, one de-identified T1 series out, or a coded refusal.

Synchronous and without effects, so that it can run in a worker process.

Codes of refusals::

    empty_upload                 nothing in it
    too_large, too_many_files    beyond the limits below and those of `archive`
    too_many_elements            beyond the limits below and those of `domain.elements`
    bad_archive                  a zip that is damaged, overlaps, repeats a name, is not deflated
    encrypted_archive            a zip with a password
    nested_archive               a zip in a zip, or beside other files
    unsafe_path                  a name or link in a zip that points out of it
    not_dicom                    no DICOM file (PS3.10) in it
    hostile_preamble             DICOM that is a program or a document as well
    truncated_file               cut off: a length, an end or the pixels lie beyond the last byte
    malformed_dicom              contradicts the standard
    nested_too_deep              sequences in sequences, without end
    unsupported_transfer_syntax  deflated, big endian, or a codec that is not read
    unsupported_modality         not MR
    unsupported_object           not a grey (Enhanced) MR Image
    missing_attribute            what an image cannot be used without
    bad_pixel_format             the description of the pixels contradicts itself or them
    burned_in_annotation         text in the picture
    conflicting_instances        two different images under one UID
    mixed_patients               more than one person
    no_t1_series                 no series is T1-weighted
    mixed_series                 one series of several sizes, directions, studies or volumes
    bad_geometry                 a place, direction or spacing that cannot be
    too_few_slices               fewer than 20
    incomplete_series            slices missing or unequally far apart
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import PurePosixPath

from memoryguard.common.contracts.event import derived_id
from memoryguard.common.contracts.events import Acquisition, Person, Reason
from memoryguard.common.errors import Rejected
from memoryguard.common.security.keyring import VaultKey
from memoryguard.ingest import archive
from memoryguard.ingest.domain import equipment, person, tags
from memoryguard.ingest.domain.deidentify import Pseudonym, deidentify
from memoryguard.ingest.domain.inspect import Instance, inspect
from memoryguard.ingest.domain.series import Series, choose_t1
from memoryguard.ingest.domain.values import number, word

MAX_UPLOAD_BYTES = 2 << 30
MAX_FILES = 5_000
MAX_ELEMENTS = 2_000_000
"""Elements of all files of an upload; 5,000 classic MR images have about 1.5 million."""

LEFT_OUT = {
    "not_dicom": "are not DICOM",
    "unsupported_modality": "are not MR images",
    "unsupported_object": "are DICOM objects other than grey MR images",
    "unsupported_transfer_syntax": "are encoded in a way that is not read here",
}
"""What may lie beside a scan and is left out with a note; anything else refuses the upload."""

_BESIDE = frozenset({".DS_Store", "Thumbs.db", "desktop.ini", "DICOMDIR"})


@dataclass(frozen=True, slots=True)
class Intake:
    """A scan, ready to be stored.

    ``patient_alias`` is the pseudonym of issuer and patient id, None when the file names nobody;
    ``archive`` is a zip of de-identified DICOM files, ``sha256`` its digest.
    """

    subject_id: str
    patient_alias: str | None
    archive: bytes
    sha256: str
    instances: int
    person: Person
    acquisition: Acquisition
    notes: tuple[Reason, ...]

    @property
    def scan_id(self) -> str:
        """The same for the same scan of the same person."""
        return derived_id("scan", self.subject_id, self.sha256)


def intake(
    files: Iterable[tuple[str, bytes]], *, vault: VaultKey, subject_id: str | None = None
) -> Intake:
    """Take one upload in.

    Parameters
    ----------
    files
        Names and contents: DICOM files, or one zip of them. Names are not kept.
    vault
        Makes the pseudonyms.
    subject_id
        Whose scan it is, when the uploader is known; else the patient named in the files.

    Raises
    ------
    Rejected
        With one of the codes listed above.
    """
    instances, notes = _inspected(_flattened(files))
    series, left_out = choose_t1(instances)
    first = series.instances[0]
    alias = vault.subject_id(first.issuer, first.patient_id) if first.patient_id else None
    owner = subject_id or alias
    if owner is None:
        raise Rejected("missing_attribute", "PatientID is missing: whose scan is it?")
    shift_days = vault.date_shift_days(owner)
    pseudonym = Pseudonym(owner, shift_days, partial(vault.dicom_uid, owner))
    who, odd = _person(first)
    packed = archive.pack(_deidentified(series, pseudonym, who.age_years))
    return Intake(
        subject_id=owner,
        patient_alias=alias,
        archive=packed,
        sha256=hashlib.sha256(packed).hexdigest(),
        instances=len(series.instances),
        person=who,
        acquisition=_acquisition(series, shift_days),
        notes=tuple(Reason(code=c, message=m) for c, m in (*notes, *left_out, *odd)),
    )


def _flattened(files: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """Give the contents of all files, within limits, unpacking a zip that comes alone."""
    given = list(files)
    if not given:
        raise Rejected("empty_upload", "there is nothing in it")
    if len(given) > MAX_FILES:
        raise Rejected("too_many_files", f"an upload may have at most {MAX_FILES} files")
    if sum(len(content) for _, content in given) > MAX_UPLOAD_BYTES:
        raise Rejected("too_large", "an upload may have at most 2 GiB")
    if len(given) == 1 and archive.is_zip(given[0][1]):
        given = archive.unpack(given[0][1])
    elif any(archive.is_zip(content) for _, content in given):
        raise Rejected("nested_archive", "a zip must come alone", "send one zip, or only files")
    for name, content in given:
        path = PurePosixPath(name)
        if path.name not in _BESIDE and "__MACOSX" not in path.parts:
            yield content


def _inspected(contents: Iterable[bytes]) -> tuple[list[Instance], list[tuple[str, str]]]:
    found: list[Instance] = []
    left_out: list[Rejected] = []
    elements = 0
    for content in contents:
        try:
            found.append(inspect(content))
        except Rejected as error:
            if error.code not in LEFT_OUT:
                raise
            left_out.append(error)
            continue
        elements += found[-1].elements
        if elements > MAX_ELEMENTS:
            raise Rejected("too_many_elements", f"an upload may have {MAX_ELEMENTS} elements")
    counts = Counter(error.code for error in left_out)
    if not found:
        raise _worst(left_out)
    return found, [(code, f"{n} files {LEFT_OUT[code]}") for code, n in sorted(counts.items())]


def _worst(left_out: list[Rejected]) -> Rejected:
    """Say why nothing is left: what is DICOM tells more than what is not."""
    telling = [error for error in left_out if error.code != "not_dicom"]
    return next(iter(telling or left_out), Rejected("empty_upload", "there is nothing in it"))


def _deidentified(series: Series, pseudonym: Pseudonym, age_years: float | None) -> list[bytes]:
    return [
        deidentify(instance, pseudonym, series=series.word, age_years=age_years, number=place)
        for place, instance in enumerate(series.instances, 1)
    ]


def _person(first: Instance) -> tuple[Person, list[tuple[str, str]]]:
    age = person.age_years(first.dataset)
    sex = word(first.dataset, tags.SEX)
    notes: list[tuple[str, str]] = []
    if age is None:
        notes.append(("age_unknown", "the file does not tell the age at the scan"))
    elif age == person.OLDEST_AGE_YEARS:
        notes.append(("age_capped", "ages over 89 are one group; 90 is stated"))
    if sex not in ("F", "M"):
        notes.append(("sex_unknown", "the file does not tell the sex"))
    return Person(age_years=age, sex="F" if sex == "F" else "M" if sex == "M" else None), notes


def _acquisition(series: Series, shift_days: int) -> Acquisition:
    dataset = series.instances[0].dataset
    return Acquisition(
        acquired_on=_moved(person.scanned_on(dataset), shift_days),
        manufacturer=equipment.manufacturer(word(dataset, tags.MANUFACTURER)),
        scanner_model=equipment.model(word(dataset, tags.MODEL)),
        field_strength_t=number(dataset, tags.FIELD_STRENGTH),
        spacing_mm=series.stack.spacing_mm,
        series=series.word,
    )


def _moved(day: date | None, shift_days: int) -> date | None:
    try:
        return day + timedelta(days=shift_days) if day is not None else None
    except OverflowError:
        return None
