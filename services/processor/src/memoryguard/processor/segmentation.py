# SPDX-License-Identifier: Apache-2.0
"""A label map as a DICOM Segmentation (PS3.3 A.51) of the de-identified series.

The same scan, measured with the same weights, gives the same bytes: UIDs are derived, and what
would be the time of writing is the day of the scan.
"""

from __future__ import annotations

import io
import zipfile
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memoryguard.common.contracts.parts import Engine
from memoryguard.common.errors import Rejected
from memoryguard.processor.document import (
    MAKER,
    RESEARCH,
    Document,
    concept,
    equipment,
    settle,
    uid,
    understood,
    written,
)
from memoryguard.processor.domain.codes import BRAIN, SIDES, STRUCTURES, category_of
from memoryguard.processor.domain.labelling import split_side
from memoryguard.processor.domain.labels import NAMES
from memoryguard.processor.domain.palette import colour_of
from memoryguard.processor.labelmap import from_nifti
from memoryguard.processor.stored import fence, parse, placed

LABEL: Final = "RESEARCH_USE"
SERIES_NUMBER: Final = 9001
"""High, so that it stands behind what the scanner made."""


def segmentation(
    archive: bytes, labels_nifti: bytes, scan_id: str, engine: Engine
) -> Document | None:
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
    Document or None
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
    return written(made)


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

    refusal = Rejected("segmentation_failed", "No DICOM Segmentation can be made of this scan.")
    with understood(refusal):
        return Segmentation(
            source_images=sources,
            pixel_array=planes,
            segmentation_type="BINARY",
            segment_descriptions=_descriptions(present, engine),
            series_instance_uid=_uid("series", scan_id, engine),
            series_number=SERIES_NUMBER,
            sop_instance_uid=_uid("instance", scan_id, engine),
            instance_number=1,
            **equipment(engine),
            content_label=LABEL,
            content_description=RESEARCH,
            series_description=f"Brain structures. {RESEARCH}",
        )


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
            concept(category_of(structure)),
            concept(STRUCTURES[structure]),
            "AUTOMATIC",
            algorithm,
            anatomic_regions=[concept(BRAIN)],
            display_color=CIELabColor.from_rgb(*colour_of(structure)),
        )
        description.SegmentDescription = f"FreeSurfer label {number}"
        if side is not None:
            (kind,) = description.SegmentedPropertyTypeCodeSequence
            kind.SegmentedPropertyTypeModifierCodeSequence = [concept(SIDES[side])]
        descriptions.append(description)
    return descriptions


def _settle(made: Any, source: Any, scan_id: str, engine: Engine) -> None:
    """Put what depends on the scan alone where highdicom puts chance and the clock."""
    settle(made, source)
    organization = _uid("dimensions", scan_id, engine)
    for item in (*made.DimensionOrganizationSequence, *made.DimensionIndexSequence):
        item.DimensionOrganizationUID = organization


def _uid(what: str, scan_id: str, engine: Engine) -> str:
    """Give a UID: the same for the same scan and weights."""
    return uid("segmentation", what, scan_id, engine.name, engine.weights_sha256)
