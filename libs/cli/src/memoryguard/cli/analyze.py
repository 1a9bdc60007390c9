# SPDX-License-Identifier: Apache-2.0
"""Measure one scan without any server: the code of the services, called in a row.

The document has the keys ``quality``, ``engine``, ``person``, ``volumes_mm3``, ``thickness_mm``,
``atrophy``, ``risk``, ``seconds``, shaped as the API shapes them, and beside them ``errors_sd``
and ``reasons``: one standard deviation of every number that has an error, and the code for
every null.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from memoryguard.cli.header import Header, read_header
from memoryguard.common.contracts.events import (
    Acquisition,
    AtrophyScored,
    Person,
    RiskPredicted,
    RiskWithheld,
    VolumesExtracted,
)
from memoryguard.common.contracts.events import Engine as EngineIdentity
from memoryguard.common.contracts.parts import NormScore
from memoryguard.common.errors import Rejected
from memoryguard.processor.domain.measurement import Measurement, nothing
from memoryguard.processor.domain.measurement import Quality as Verdict
from memoryguard.processor.domain.measurement import Reason as Because
from memoryguard.processor.extract import identity, quality, quantities

if TYPE_CHECKING:
    from memoryguard.processor.engine import Engine

EXIT_MEASURED = 0
EXIT_REFUSED = 3
LOCAL = "local"
"""Stands where an event names scan and subject: here nobody is named, and nothing published."""


def analyze(
    path: Path,
    age_years: float | None = None,
    sex: Literal["F", "M"] | None = None,
    labels_out: Path | None = None,
    health: Mapping[str, float] | None = None,
    engine: Engine | None = None,
) -> tuple[dict[str, Any], int]:
    """Measure, score and explain one scan.

    Parameters
    ----------
    path
        A DICOM folder, a zip, a multi-frame file or a NIfTI.
    age_years
        Age at the scan; what the DICOM header states where not given.
    sex
        'F' or 'M'; what the DICOM header states where not given.
    labels_out
        Where to write the label map (``.nii`` or ``.nii.gz``).
    health
        Health metrics by name: ``moca``, ``education_years``, ``apoe4_alleles``.
    engine
        One that is already loaded, for many scans in a row.

    Returns
    -------
    tuple
        The document, and the exit status: 0, or 3 when the scan is refused.

    Raises
    ------
    Rejected
        When the label map cannot be written where it should go.
    """
    started = perf_counter()
    _check_target(labels_out)
    chosen = engine or _load_engine()
    measured = _measure(chosen, path, labels_out)
    header = read_header(path)
    person = replace(header, age_years=age_years or header.age_years, sex=sex or header.sex)
    scan = _fact(identity(chosen), measured, person)
    if scan.quality.verdict == "refused":
        scored, risk = None, None
    else:
        scored, risk = _score_and_explain(scan, health or {})
    seconds = (risk or scan).seconds | {"total": perf_counter() - started}
    document = _document(scan, scored, risk)
    document["seconds"] = {name: round(value, 3) for name, value in seconds.items()}
    return document, EXIT_MEASURED if scored else EXIT_REFUSED


def _load_engine() -> Engine:
    from memoryguard.processor.engine import Engine

    return Engine()


def _check_target(labels_out: Path | None) -> None:
    """Find out before measuring, not after."""
    if labels_out is None:
        return
    if not labels_out.name.endswith((".nii", ".nii.gz")):
        raise Rejected("bad_labels_name", "The label map is a NIfTI.", "Name it something.nii.gz.")
    if not labels_out.parent.is_dir():
        raise Rejected("no_such_folder", "The folder for the label map does not exist.")


def _measure(engine: Engine, path: Path, labels_out: Path | None) -> Measurement:
    """Read and measure; a file that cannot be read is a refusal with its code."""
    from memoryguard.processor.series import read_path

    started = perf_counter()
    try:
        image = read_path(path)
        seconds = {"read": perf_counter() - started}
        measured = engine.measure(image)
    except Rejected as error:
        reason = Because(error.code, f"{error.message} {error.hint}".strip())
        volumes, thickness = nothing(error.code)
        seconds = {"read": perf_counter() - started}
        return Measurement(Verdict("refused", (reason,)), volumes, thickness, None, seconds)
    if labels_out is not None and measured.labels is not None:
        _write_labels(labels_out, measured.labels, image.ras_from_ijk)
    return replace(measured, seconds=seconds | measured.seconds)


def _write_labels(
    target: Path, labels: NDArray[np.int16], ras_from_ijk: NDArray[np.float64]
) -> None:
    from memoryguard.processor.labelmap import to_nifti

    content = to_nifti(labels, ras_from_ijk)
    target.write_bytes(content if target.name.endswith(".gz") else gzip.decompress(content))


def _fact(engine: EngineIdentity, measured: Measurement, person: Header) -> VolumesExtracted:
    """Say what was measured the way the processor says it to the next service."""
    return VolumesExtracted(
        subject_id=LOCAL,
        scan_id=LOCAL,
        engine=engine,
        quality=quality(measured),
        volumes_mm3=quantities(measured.volumes_mm3),
        thickness_mm=quantities(measured.thickness_mm),
        person=Person(age_years=person.age_years, sex=person.sex),
        acquisition=Acquisition(
            manufacturer=person.manufacturer, field_strength_t=person.field_strength_t
        ),
        seconds=measured.seconds,
    )


def _score_and_explain(
    scan: VolumesExtracted, health: Mapping[str, float]
) -> tuple[AtrophyScored, RiskPredicted | RiskWithheld]:
    from memoryguard.atrophy.answer import answer as score
    from memoryguard.ml.answer import answer as explain

    scored = score(scan)
    return scored, explain(scored, health)


def _document(
    scan: VolumesExtracted, scored: AtrophyScored | None, risk: RiskPredicted | RiskWithheld | None
) -> dict[str, Any]:
    numbers = {"volumes_mm3": scan.volumes_mm3, "thickness_mm": scan.thickness_mm}
    predicted = risk if isinstance(risk, RiskPredicted) else None
    return {
        "quality": scan.quality.model_dump(mode="json"),
        "engine": scan.engine.model_dump(mode="json"),
        "person": scan.person.model_dump(mode="json"),
        **{part: {n: q.value for n, q in found.items()} for part, found in numbers.items()},
        "atrophy": _atrophy(scored),
        "risk": predicted
        and predicted.model_dump(
            mode="json", exclude={"subject_id", "scan_id", "user_id", "seconds"}
        ),
        "errors_sd": {
            part: {n: q.error_sd for n, q in found.items() if q.value is not None}
            for part, found in numbers.items()
        },
        "reasons": {
            part: {n: q.reason for n, q in found.items() if q.value is None}
            for part, found in numbers.items()
        }
        | {"atrophy": _unscored(scan, scored), "risk": _withheld(scan, risk)},
    }


def _atrophy(scored: AtrophyScored | None) -> dict[str, Any]:
    if scored is None:
        return {"regions": {}, "overall": None}
    return {
        "regions": {n: r.model_dump(mode="json") for n, r in scored.regions.items()},
        "thickness": {n: t.model_dump(mode="json") for n, t in scored.thickness.items()},
        "summaries": {n: each.model_dump(mode="json") for n, each in scored.summaries.items()},
        "packs": {n: pack.model_dump(mode="json") for n, pack in scored.packs.items()},
        "site": scored.site and scored.site.model_dump(mode="json"),
        "overall": scored.overall,
        "overall_region": scored.overall_region,
        "overall_at_least": scored.overall_at_least,
        "flags": list(scored.flags),
        "asymmetry_percent": {n: q.value for n, q in scored.asymmetry_percent.items()},
        "ratios": {n: q.value for n, q in scored.ratios.items()},
    }


def _unscored(scan: VolumesExtracted, scored: AtrophyScored | None) -> dict[str, str]:
    """Why a region has no z, or one that is too uncertain for a word."""
    if scored is None:
        return {"overall": scan.quality.reasons[0].code if scan.quality.reasons else "refused"}
    scores: dict[str, NormScore] = {**scored.regions, **scored.thickness}
    coded = {name: score.reason or score.severity_reason for name, score in scores.items()}
    coded["overall"] = scored.overall_reason
    return {name: code for name, code in coded.items() if code}


def _withheld(
    scan: VolumesExtracted, risk: RiskPredicted | RiskWithheld | None
) -> list[dict[str, str]]:
    """Why the model says nothing."""
    if isinstance(risk, RiskPredicted):
        return []
    reasons = risk.reasons if risk else scan.quality.reasons
    return [reason.model_dump(mode="json") for reason in reasons]
