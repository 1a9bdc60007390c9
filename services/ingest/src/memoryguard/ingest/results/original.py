# SPDX-License-Identifier: Apache-2.0
"""A result under the original identity, as the hospital's archive knows the person and the study.

The object was made by our own processor, of a scan that was disguised here. Whatever the disguise
mapped is mapped back from what the vault keeps; the object's own UIDs are mapped once more: it is
another object now, and nobody may tell by them whose the disguised one is.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from memoryguard.common.errors import Rejected
from memoryguard.common.security.keyring import mapped_uid

STANDARD: Final = "1.2.840.10008."
"""Below it lie the UIDs of DICOM itself."""
OURS: Final = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.66.4",  # Segmentation
        "1.2.840.10008.5.1.4.1.1.88.34",  # Comprehensive 3D SR
    }
)
"""Objects that were made here: one that names another finds it where that is stored, too."""
_TEXTS: Final = {
    "PatientName": "patient_name",
    "PatientID": "patient_id",
    "PatientBirthDate": "patient_birth_date",
    "PatientSex": "patient_sex",
    "AccessionNumber": "accession_number",
    "StudyID": "study_id",
    "StudyDate": "study_date",
    "StudyTime": "study_time",
    "ReferringPhysicianName": "referring_physician_name",
}
_OF_DISGUISE: Final = (
    *("PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence"),
    *("LongitudinalTemporalInformationModified", "PatientAge"),
)


def original(
    content: bytes, identity: Mapping[str, Any], uid_key: bytes, made_at: datetime
) -> bytes:
    """Write a result anew, under the original identity; runs in a worker process.

    Parameters
    ----------
    content
        A DICOM file that refers to the disguised scan.
    identity
        What the vault keeps of the scan.
    uid_key
        The person's key of UIDs.
    made_at
        When the result was made.

    Returns
    -------
    bytes
        The same bytes for the same arguments.

    Raises
    ------
    Rejected
        ``identity_incomplete``: the vault does not know everything that the object refers to.
        ``identity_unusable``: what it knows cannot be written.
    """
    from pydicom import dcmread

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of values that are as the scanner wrote them
        dataset = dcmread(io.BytesIO(content))
        _map_back(dataset, _originals(identity, uid_key), uid_key)
        try:
            _name(dataset, identity)
            _date(dataset, made_at)
            target = io.BytesIO()
            dataset.save_as(target, enforce_file_format=True)
        except (ValueError, TypeError, LookupError) as error:
            raise Rejected(
                "identity_unusable", "what is known of the scan's origin cannot be written"
            ) from error
    return target.getvalue()


def _originals(identity: Mapping[str, Any], uid_key: bytes) -> dict[str, str]:
    """Give the original UIDs of a scan, by what the disguise made of them."""
    names = ("study_instance_uid", "series_instance_uid", "frame_of_reference_uid")
    uids = [*(identity.get(name, "") for name in names), *identity.get("sop_instance_uids", ())]
    return {mapped_uid(uid_key, uid): uid for uid in uids if uid}


def _map_back(dataset: Any, originals: Mapping[str, str], uid_key: bytes) -> None:
    _map_items(dataset, originals, uid_key)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID


def _map_items(dataset: Any, originals: Mapping[str, str], uid_key: bytes) -> None:
    """Map every UID, in sequences too: the scan's back, those of our own objects once more."""
    must = {"StudyInstanceUID"}
    if dataset.get("ReferencedSOPClassUID") not in OURS:
        must.add("ReferencedSOPInstanceUID")
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value or ():
                _map_items(item, originals, uid_key)
        elif element.VR == "UI" and element.value:
            _map_uid(element, originals, uid_key, must=element.keyword in must)


def _map_uid(element: Any, originals: Mapping[str, str], uid_key: bytes, *, must: bool) -> None:
    uid = str(element.value)
    if must and uid not in originals:
        raise Rejected(
            "identity_incomplete", "the vault does not know all that the result refers to"
        )
    if not uid.startswith(STANDARD):
        element.value = originals.get(uid) or mapped_uid(uid_key, uid)


def _name(dataset: Any, identity: Mapping[str, Any]) -> None:
    """Write who it is in the characters of the scan."""
    from pydicom.charset import convert_encodings, decode_bytes

    named: str = identity.get("character_set", "")
    utf8 = "ISO_IR 192" in named.split("\\")
    encodings = convert_encodings(named.split("\\") if named else None)

    def text(name: str) -> str:
        kept = str(identity.get(name, ""))
        # The vault keeps one character for each byte, unless the scan was in UTF-8.
        return kept if utf8 else decode_bytes(kept.encode("latin-1"), encodings, {0x5C, 0x5E, 0x3D})

    if named:
        dataset.SpecificCharacterSet = named.split("\\")
    for keyword, name in _TEXTS.items():
        setattr(dataset, keyword, text(name))
    if identity.get("issuer_of_patient_id"):
        dataset.IssuerOfPatientID = text("issuer_of_patient_id")
    for keyword in _OF_DISGUISE:
        if keyword in dataset:
            delattr(dataset, keyword)


def _date(dataset: Any, made_at: datetime) -> None:
    """Say when it was made: the disguised object has a shifted day instead."""
    day, time = f"{made_at:%Y%m%d}", f"{made_at:%H%M%S}"
    for what in ("InstanceCreation", "Content", "Series"):
        setattr(dataset, f"{what}Date", day)
        setattr(dataset, f"{what}Time", time)
    dataset.TimezoneOffsetFromUTC = "+0000"
    for equipment in dataset.get("ContributingEquipmentSequence") or ():
        equipment.ContributionDateTime = f"{day}{time}"
