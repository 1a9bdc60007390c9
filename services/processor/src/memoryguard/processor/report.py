# SPDX-License-Identifier: Apache-2.0
"""A scored scan as a DICOM Structured Report: TID 1500, Imaging Measurement Report (PS3.16).

What is in it, and under which codes, is told in docs/DICOM.md. The same score gives the same
bytes; another score of the same scan is another report in the same series, which names the earlier
ones as its predecessors.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

from memoryguard.common.contracts.events import AtrophyScored
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
from memoryguard.processor.domain.codes import PRIVATE, Code
from memoryguard.processor.findings import Basis, groups

FORM: Final = "1"
"""Part of every report's UID: raise it when the same score shall be told in another way."""
SERIES_NUMBER: Final = 9002
SOP_CLASS: Final = "1.2.840.10008.5.1.4.1.1.88.34"
"""Comprehensive 3D SR: what IHE's profile AI Results asks for."""
SAID: Final = frozenset(
    {"subject_id", "scan_id", "engine", "quality", "volumes_mm3", "thickness_mm", "regions"}
    | {"thickness", "summaries", "packs", "change"}
)
"""All that a report tells of a score."""
ERRORS: Final = "Each range of uncertainty is one standard deviation to either side."
_FRAMES: Final = "52009230"
"""Per-Frame Functional Groups Sequence: most of a Segmentation's header, and nothing to us."""
_PROCEDURE: Final = Code("24590-2", "LN", "Brain MRI")
_EVALUATIONS: Final = Code("C0034375", "UMLS", "Qualitative Evaluations")
_QUALITY: Final = Code("111101", "DCM", "Image Quality")
_COMMENT: Final = Code("121106", "DCM", "Comment")


def digest_of(scored: AtrophyScored) -> str:
    """Name a score by what a report tells of it."""
    said = scored.model_dump(mode="json", include=set(SAID))
    return hashlib.sha256(json.dumps([FORM, said], sort_keys=True).encode()).hexdigest()[:16]


def report(header: bytes, scored: AtrophyScored, earlier: Sequence[str]) -> Document:
    """Make the report of a score; runs in a worker process.

    Parameters
    ----------
    header
        Of the scan's Segmentation, as DICOM JSON: it names person, study and images, too.
    scored
        The score.
    earlier
        Digests of the scores of this scan that were reported before.

    Raises
    ------
    Rejected
        ``nothing_to_report``: no volume has a value. ``report_failed``.
    """
    with understood(Rejected("report_failed", "No DICOM report can be made of this score.")):
        segmentation = _read(header)
        made = _made(segmentation, scored, earlier)
        settle(made, segmentation)
        return written(made)


def _read(header: bytes) -> Any:
    from pydicom import Dataset

    said = json.loads(header)
    said.pop(_FRAMES, None)
    return Dataset.from_json(said)


def _made(segmentation: Any, scored: AtrophyScored, earlier: Sequence[str]) -> Any:
    from highdicom.sr import Comprehensive3DSR

    content = _content(segmentation, scored)
    made = Comprehensive3DSR(
        evidence=[segmentation, *_images(segmentation)],
        content=content,
        series_instance_uid=_uid(scored, "series"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=_uid(scored, digest_of(scored)),
        instance_number=len(earlier) + 1,
        is_complete=True,
        series_description=f"Brain volumes. {RESEARCH}",
        previous_versions=[_version(scored, segmentation, digest) for digest in earlier] or None,
        **equipment(scored.engine),
    )
    made.CodingSchemeIdentificationSequence = [_scheme()]
    return made


def _content(segmentation: Any, scored: AtrophyScored) -> Any:
    """Build the tree: who observed, each measurement, and what is to be read beside them."""
    from highdicom.sr import MeasurementReport, ObservationContext

    (images,) = segmentation.ReferencedSeriesSequence
    basis = Basis(
        segmentation=str(segmentation.SOPInstanceUID),
        sop_class=str(segmentation.SOPClassUID),
        series=str(images.SeriesInstanceUID),
        segments={s.SegmentLabel: int(s.SegmentNumber) for s in segmentation.SegmentSequence},
    )
    found = groups(scored, basis)
    if not found:
        raise Rejected("nothing_to_report", "No volume of the scan has a value.")
    tree = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=_observer(scored)),
        procedure_reported=concept(_PROCEDURE),
        imaging_measurements=found,
    )
    tree[0].ContentSequence.append(_evaluations(scored))
    return tree


def _observer(scored: AtrophyScored) -> Any:
    from highdicom.sr import DeviceObserverIdentifyingAttributes, ObserverContext
    from pydicom.sr.codedict import codes

    engine = scored.engine
    return ObserverContext(
        codes.DCM.Device,
        DeviceObserverIdentifyingAttributes(
            uid=uid("device", engine.name, engine.weights_sha256),
            name=MAKER,
            manufacturer_name=MAKER,
            model_name=engine.name,
            serial_number=engine.weights_sha256[:16],
        ),
    )


def _evaluations(scored: AtrophyScored) -> Any:
    """Say in words what the numbers are not, whether the scan is fit, and what the scores mean."""
    from highdicom.sr import ContainerContentItem, ContentSequence, TextContentItem

    quality = scored.quality
    verdict = " ".join([f"{quality.verdict}.", *(reason.message for reason in quality.reasons)])
    sentences = [summary.sentence for summary in scored.summaries.values()]
    texts = [
        (_COMMENT, f"{RESEARCH}. Not verified by anybody."),
        (_COMMENT, ERRORS),
        (_QUALITY, verdict),
        *((_COMMENT, sentence) for sentence in sentences),
    ]
    container = ContainerContentItem(concept(_EVALUATIONS), relationship_type="CONTAINS")
    container.ContentSequence = ContentSequence(
        [TextContentItem(concept(name), text, relationship_type="CONTAINS") for name, text in texts]
    )
    return container


def _images(segmentation: Any) -> list[Any]:
    """Give the images that the Segmentation was made of, as evidence."""
    return [
        _instance(segmentation, series.SeriesInstanceUID, item.ReferencedSOPClassUID, instance)
        for series in segmentation.ReferencedSeriesSequence
        for item in series.ReferencedInstanceSequence
        if (instance := item.ReferencedSOPInstanceUID)
    ]


def _version(scored: AtrophyScored, segmentation: Any, digest: str) -> Any:
    return _instance(segmentation, _uid(scored, "series"), SOP_CLASS, _uid(scored, digest))


def _instance(segmentation: Any, series: str, sop_class: str, instance: str) -> Any:
    from pydicom import Dataset

    named = Dataset()
    named.StudyInstanceUID, named.SeriesInstanceUID = segmentation.StudyInstanceUID, series
    named.SOPClassUID, named.SOPInstanceUID = sop_class, instance
    return named


def _scheme() -> Any:
    from pydicom import Dataset

    scheme = Dataset()
    scheme.CodingSchemeDesignator = PRIVATE
    scheme.CodingSchemeName = f"{MAKER}, private codes"
    scheme.CodingSchemeResponsibleOrganization = MAKER
    return scheme


def _uid(scored: AtrophyScored, what: str) -> str:
    engine = scored.engine
    return uid("report", what, scored.scan_id, engine.name, engine.weights_sha256)
