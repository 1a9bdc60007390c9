# SPDX-License-Identifier: Apache-2.0
"""A label map as a DICOM Segmentation (PS3.3 A.51) of the de-identified series.

The same scan, measured with the same weights, gives the same bytes: UIDs are derived, and what
would be the time of writing is the day of the scan.
"""

from __future__ import annotations

import io
import json
import uuid
import warnings
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memoryguard.common.contracts.event import derived_id
from memoryguard.common.contracts.parts import Engine
from memoryguard.common.errors import Rejected
from memoryguard.processor.domain.codes import BRAIN, SIDES, STRUCTURES, Code, category_of
from memoryguard.processor.domain.labelling import split_side
from memoryguard.processor.domain.labels import NAMES
from memoryguard.processor.domain.palette import colour_of
from memoryguard.processor.labelmap import from_nifti
from memoryguard.processor.stored import fence, parse, placed

MAKER: Final = "MemoryGuard Imaging"
RESEARCH: Final = "Research use, not a diagnosis"
LABEL: Final = "RESEARCH_USE"
SERIES_NUMBER: Final = 9001
"""High, so that it stands behind what the scanner made."""
NO_DATE: Final = "19000101"
"""Where the scan tells no day; the attribute may not be empty."""
_KEPT: Final = (
    *("PatientAge", "PatientIdentityRemoved", "DeidentificationMethod"),
    *("DeidentificationMethodCodeSequence", "LongitudinalTemporalInformationModified"),
)


@dataclass(frozen=True, slots=True)
class Segmented:
    """A DICOM Segmentation: its file, its header as DICOM JSON, and what finds it.

    ``found_by`` are fields of `contracts.parts.DicomObject`.
    """

    content: bytes
    header: bytes
    found_by: dict[str, Any]


def segmentation(
    archive: bytes, labels_nifti: bytes, scan_id: str, engine: Engine
) -> Segmented | None:
    """Make the Segmentation of a measured scan; runs in a worker process.

    The headers in the archive were written by our own intake, attribute by attribute: they need no
    limited process, as the pixels do, which are not looked at.

    Parameters
    ----------
    archive
        Zip of the series' DICOM instances.
    labels_nifti
        As `labelmap.to_nifti` packs it, on the grid of the series.
    scan_id, engine
        What the UIDs are derived from.

    Returns
    -------
    Segmented or None
        None when nothing is labelled.

    Raises
    ------
    Rejected
        When the two do not fit together.
    """
    labels, _ = from_nifti(labels_nifti)
    present = [int(number) for number in np.unique(labels) if number]
    if not present:
        return None
    sources, planes, step_mm = _on_sources(archive, labels)
    _fill(sources, step_mm, scan_id, engine)
    numbers = np.zeros(max(present) + 1, np.uint8)
    numbers[present] = range(1, len(present) + 1)
    made = _made(sources, numbers[planes], present, scan_id, engine)
    _settle(made, sources[0], scan_id, engine)
    return _written(made)


def _on_sources(
    archive: bytes, labels: NDArray[np.int16]
) -> tuple[list[Any], NDArray[np.int16], float]:
    """Give the instances of the series, the labels of their planes, and how far these are apart."""
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        parsed = [parse(packed.read(name), pixels=False) for name in packed.namelist()]
    with fence():
        series, order, lps_from_ijk = placed(
            [instance for instance in parsed if instance is not None]
        )
        if labels.shape != (len(order), int(series[0].Rows), int(series[0].Columns)):
            raise Rejected("other_grid", "The labels do not lie on the grid of the series.")
    step_mm = float(np.linalg.norm(lps_from_ijk[:3, 0]))
    if len(series) > 1:
        return [series[place] for place in order], labels, step_mm
    planes = np.empty_like(labels)
    planes[order] = labels
    return series, planes, step_mm


def _fill(sources: list[Any], step_mm: float, scan_id: str, engine: Engine) -> None:
    """Add what a Segmentation must have, and scanners may leave out."""
    for source in sources:
        if not source.get("FrameOfReferenceUID"):
            source.FrameOfReferenceUID = _uid("frame of reference", scan_id, engine)
        shared = source.get("SharedFunctionalGroupsSequence") or ()
        frames = source.get("PerFrameFunctionalGroupsSequence") or ()
        measured = [
            m for group in (*shared, *frames) for m in group.get("PixelMeasuresSequence", ())
        ]
        for measures in measured or [source]:
            if not measures.get("SliceThickness"):
                measures.SliceThickness = f"{step_mm:.6g}"


def _made(
    sources: list[Any], planes: NDArray[np.uint8], present: list[int], scan_id: str, engine: Engine
) -> Any:
    from highdicom.seg import Segmentation

    with _understood():
        return Segmentation(
            source_images=sources,
            pixel_array=planes,
            segmentation_type="BINARY",
            segment_descriptions=_descriptions(present, engine),
            series_instance_uid=_uid("series", scan_id, engine),
            series_number=SERIES_NUMBER,
            sop_instance_uid=_uid("instance", scan_id, engine),
            instance_number=1,
            manufacturer=MAKER,
            manufacturer_model_name=engine.name,
            software_versions=engine.version,
            device_serial_number=engine.weights_sha256[:16],
            content_label=LABEL,
            content_description=RESEARCH,
            series_description=f"Brain structures. {RESEARCH}",
        )


@contextmanager
def _understood() -> Generator[None]:
    """Turn what highdicom cannot take into a refusal; keep its warnings quiet."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (AttributeError, ValueError, TypeError, KeyError) as error:
        raise Rejected(
            "segmentation_failed", "No DICOM Segmentation can be made of this scan."
        ) from error


def _descriptions(present: list[int], engine: Engine) -> list[Any]:
    """Describe every structure by its codes; the words for people are its name here."""
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentDescription
    from pydicom.sr.codedict import codes

    algorithm = AlgorithmIdentificationSequence(
        name=engine.name,
        family=codes.DCM.ArtificialIntelligence,
        version=engine.version,
        source=MAKER,
        parameters={"weights_sha256": engine.weights_sha256},
    )
    descriptions: list[Any] = []
    for segment, number in enumerate(present, 1):
        structure, side = split_side(NAMES[number])
        description = SegmentDescription(
            segment,
            NAMES[number],
            _concept(category_of(structure)),
            _concept(STRUCTURES[structure]),
            "AUTOMATIC",
            algorithm,
            anatomic_regions=[_concept(BRAIN)],
            display_color=CIELabColor.from_rgb(*colour_of(structure)),
        )
        description.SegmentDescription = f"FreeSurfer label {number}"
        if side is not None:
            (kind,) = description.SegmentedPropertyTypeCodeSequence
            kind.SegmentedPropertyTypeModifierCodeSequence = [_concept(SIDES[side])]
        descriptions.append(description)
    return descriptions


def _concept(code: Code) -> Any:
    from highdicom.sr import CodedConcept

    return CodedConcept(code.value, code.scheme, code.meaning)


def _settle(made: Any, source: Any, scan_id: str, engine: Engine) -> None:
    """Put what depends on the scan alone where highdicom puts chance and the clock."""
    for name in _KEPT:
        if name in source:
            made[name] = source[name]
    day = source.get("StudyDate") or NO_DATE
    for name in ("InstanceCreationDate", "ContentDate", "SeriesDate"):
        setattr(made, name, day)
    for name in ("InstanceCreationTime", "ContentTime", "SeriesTime"):
        setattr(made, name, "000000")
    for equipment in made.get("ContributingEquipmentSequence") or ():
        equipment.ContributionDateTime = f"{day}000000"
    organization = _uid("dimensions", scan_id, engine)
    for item in (*made.DimensionOrganizationSequence, *made.DimensionIndexSequence):
        item.DimensionOrganizationUID = organization


def _uid(what: str, scan_id: str, engine: Engine) -> str:
    """Give a UID below 2.25 (PS3.5 B.2): the same for the same scan and weights."""
    name = derived_id("segmentation", what, scan_id, engine.name, engine.weights_sha256)
    return f"2.25.{uuid.UUID(name).int}"


def _written(made: Any) -> Segmented:
    content = io.BytesIO()
    made.save_as(content)
    del made.PixelData
    return Segmented(
        content=content.getvalue(),
        header=json.dumps(made.to_json_dict(), default=str).encode(),  # dates are objects
        found_by={
            "sop_class_uid": str(made.SOPClassUID),
            "study_uid": str(made.StudyInstanceUID),
            "series_uid": str(made.SeriesInstanceUID),
            "instance_uid": str(made.SOPInstanceUID),
            "study_date": _day(made),
            "sex": made.PatientSex or None,
            "series_number": int(made.SeriesNumber),
            "series_description": str(made.SeriesDescription),
            "rows": int(made.Rows),
            "columns": int(made.Columns),
            "frames": int(made.NumberOfFrames),
            "bits_allocated": int(made.BitsAllocated),
        },
    )


def _day(made: Any) -> date | None:
    try:
        return datetime.strptime(str(made.StudyDate), "%Y%m%d").date()  # noqa: DTZ007  # a day
    except ValueError:
        return None
