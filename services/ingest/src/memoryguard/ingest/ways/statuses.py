# SPDX-License-Identifier: Apache-2.0
"""What DICOM calls our refusals: the same numbers in DIMSE (PS3.7 C, PS3.4 B.2.3) and STOW-RS."""

from __future__ import annotations

from memoryguard.ingest.staging import Receipt

SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
DUPLICATE_INSTANCE = 0x0111
CLASS_NOT_SUPPORTED = 0x0122
NOT_AUTHORIZED = 0x0124
OUT_OF_RESOURCES = 0xA700
DATASET_MISMATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000
TRANSFER_SYNTAX_NOT_SUPPORTED = 0xC122

_STATUS_OF = {
    "unsupported_modality": CLASS_NOT_SUPPORTED,
    "unsupported_object": CLASS_NOT_SUPPORTED,
    "unsupported_transfer_syntax": TRANSFER_SYNTAX_NOT_SUPPORTED,
    "conflicting_instances": DUPLICATE_INSTANCE,
    "patient_mismatch": NOT_AUTHORIZED,
    "mixed_patients": NOT_AUTHORIZED,
    "subject_erased": NOT_AUTHORIZED,
    "too_large": OUT_OF_RESOURCES,
    "too_many_elements": OUT_OF_RESOURCES,
    "other_study": DATASET_MISMATCH,
    "other_object": DATASET_MISMATCH,
    "missing_attribute": DATASET_MISMATCH,
    "bad_pixel_format": DATASET_MISMATCH,
    "bad_geometry": DATASET_MISMATCH,
    "series_closed": PROCESSING_FAILURE,
    "burned_in_annotation": PROCESSING_FAILURE,
}


def status_of(receipt: Receipt) -> int:
    """Give the status of one file."""
    if receipt.state in ("kept", "duplicate"):
        return SUCCESS
    return _STATUS_OF.get(receipt.code, CANNOT_UNDERSTAND)
