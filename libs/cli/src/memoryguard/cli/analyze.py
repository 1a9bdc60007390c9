# SPDX-License-Identifier: Apache-2.0
"""Measure one scan without any server: the code of the services, called in a row.

The document has the keys ``quality``, ``engine``, ``person``, ``volumes_mm3``, ``thickness_mm``,
``atrophy``, ``risk``, ``seconds``, and beside them ``errors_sd`` and ``reasons``: one standard
deviation of every number that has an error, and the code for every null.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from memoryguard.cli.header import Header, read_header
from memoryguard.common.errors import Rejected
from memoryguard.processor.domain.measurement import Measurement, Quality, Reason, nothing

if TYPE_CHECKING:
    from memoryguard.processor.engine import BaselineEngine

T = TypeVar("T")
EXIT_MEASURED = 0
EXIT_REFUSED = 3


def analyze(
    path: Path,
    age_years: float | None = None,
    sex: Literal["F", "M"] | None = None,
    labels_out: Path | None = None,
    health: Mapping[str, float] | None = None,
    engine: BaselineEngine | None = None,
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
    """
    started = perf_counter()
    _check_target(labels_out)
    chosen = engine or _load_engine()
    measured = _measure(chosen, path, labels_out)
    header = read_header(path)
    person = replace(header, age_years=age_years or header.age_years, sex=sex or header.sex)
    seconds = dict(measured.seconds)
    atrophy, atrophy_reasons = _timed(
        seconds, "atrophy", lambda: _score(measured, person, chosen.name, chosen.version)
    )
    risk, risk_reasons = _timed(seconds, "risk", lambda: _risk(measured, person, health or {}))
    seconds["total"] = perf_counter() - started
    quality = measured.quality
    numbers = {"volumes_mm3": measured.volumes_mm3, "thickness_mm": measured.thickness_mm}
    document: dict[str, Any] = {
        "quality": {
            "verdict": quality.verdict,
            "reasons": [{"code": r.code, "message": r.message} for r in quality.reasons],
        },
        "engine": {
            "name": chosen.name,
            "version": chosen.version,
            "weights_sha256": chosen.weights_sha256,
        },
        "person": {"age_years": person.age_years, "sex": person.sex},
        **{part: {n: q.value for n, q in found.items()} for part, found in numbers.items()},
        "atrophy": atrophy,
        "risk": risk,
        "errors_sd": {
            part: {n: q.error_sd for n, q in found.items() if q.value is not None}
            for part, found in numbers.items()
        },
        "reasons": {
            part: {n: q.reason for n, q in found.items() if q.value is None}
            for part, found in numbers.items()
        }
        | {"atrophy": atrophy_reasons, "risk": risk_reasons},
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
    }
    return document, EXIT_REFUSED if quality.verdict == "refused" else EXIT_MEASURED


def _load_engine() -> BaselineEngine:
    from memoryguard.processor.engine import BaselineEngine

    return BaselineEngine()


def _timed(seconds: dict[str, float], stage: str, work: Callable[[], T]) -> T:
    started = perf_counter()
    done = work()
    seconds[stage] = perf_counter() - started
    return done


def _check_target(labels_out: Path | None) -> None:
    """Find out before measuring, not after."""
    if labels_out is None:
        return
    if not labels_out.name.endswith((".nii", ".nii.gz")):
        raise Rejected("bad_labels_name", "The label map is a NIfTI.", "Name it something.nii.gz.")
    if not labels_out.parent.is_dir():
        raise Rejected("no_such_folder", "The folder for the label map does not exist.")


def _measure(engine: BaselineEngine, path: Path, labels_out: Path | None) -> Measurement:
    """Read and measure; a file that cannot be read is a refusal with its code."""
    from memoryguard.processor.series import read_path

    started = perf_counter()
    try:
        image = read_path(path)
    except Rejected as error:
        reason = Reason(error.code, f"{error.message} {error.hint}".strip())
        volumes, thickness = nothing(error.code)
        seconds = {"read": perf_counter() - started}
        return Measurement(Quality("refused", (reason,)), volumes, thickness, None, seconds)
    seconds = {"read": perf_counter() - started}
    measured = engine.measure(image)
    if labels_out is not None and measured.labels is not None:
        _write_labels(labels_out, measured.labels, image.ras_from_ijk)
    return replace(measured, seconds=seconds | measured.seconds)


def _write_labels(
    target: Path, labels: NDArray[np.int16], ras_from_ijk: NDArray[np.float64]
) -> None:
    from memoryguard.processor.labelmap import to_nifti

    content = to_nifti(labels, ras_from_ijk)
    target.write_bytes(content if target.name.endswith(".gz") else gzip.decompress(content))


def _score(
    measured: Measurement, person: Header, engine: str, version: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """Set the volumes beside healthy people; returns the scores and the reasons for none."""
    from memoryguard.atrophy.domain.measure import Engine, Person, Quantity
    from memoryguard.atrophy.domain.score import score
    from memoryguard.atrophy.packs import load_packs

    scored = score(
        {n: Quantity(q.value, q.error_sd, q.reason) for n, q in measured.volumes_mm3.items()},
        Person(person.age_years, person.sex, person.field_strength_t, person.manufacturer),
        load_packs(),
        Engine(engine, version),
        measured.quality.verdict,
    )
    regions = {
        name: {
            "z": region.z,
            "z_sd": region.z_sd,
            "centile": region.centile,
            "centile_band": region.centile_band,
            "severity": region.severity,
            "direction": region.direction,
            "expected_mm3": region.expected_mm3,
            "pack": region.pack,
        }
        for name, region in scored.regions.items()
    }
    found = {"regions": regions, "overall": scored.overall.severity, "flags": list(scored.flags)}
    coded = {n: r.reason or r.severity_reason for n, r in scored.regions.items()}
    reasons = {name: code for name, code in coded.items() if code}
    if scored.overall.reason:
        reasons["overall"] = scored.overall.reason
    return found, reasons


def _risk(
    measured: Measurement, person: Header, health: Mapping[str, float]
) -> tuple[dict[str, Any] | None, list[dict[str, str]]]:
    """Ask the model; returns its answer, or None and every reason for withholding it."""
    from memoryguard.ml.domain.features import HealthMetrics, Volume, gather
    from memoryguard.ml.domain.prediction import NoPrediction
    from memoryguard.ml.model import RiskModel

    alleles = health.get("apoe4_alleles")
    features = gather(
        person.age_years,
        person.sex,
        {n: Volume(q.value, q.reason) for n, q in measured.volumes_mm3.items()},
        HealthMetrics(
            education_years=health.get("education_years"),
            apoe4_count=None if alleles is None else int(alleles),
            moca=health.get("moca"),
        ),
    )
    answer = RiskModel().predict(features, measured.quality.verdict)
    if isinstance(answer, NoPrediction):
        return None, [_withheld(r.code, r.feature) for r in answer.reasons]
    moved = sorted(answer.explanation.contributions.items(), key=lambda item: -abs(item[1]))
    return {
        "model": {
            "name": answer.model.name,
            "version": answer.model.version,
            "weights_sha256": answer.model.sha256,
        },
        "probabilities": answer.probabilities,
        "explained": "Dementia",
        "base": answer.explanation.base,
        "output": answer.dementia_similarity,
        "contributions": [
            {"feature": name, "value": answer.features[name], "contribution": amount}
            for name, amount in moved
        ],
        "missing": answer.missing,
    }, []


def _withheld(code: str, feature: str | None) -> dict[str, str]:
    return {"code": code} if feature is None else {"code": code, "feature": feature}
