# SPDX-License-Identifier: Apache-2.0
"""The measurement groups of a report: TID 1411 where a segment shows it, else TID 1501 (PS3.16).

What has no value is not in it; nor has a value an error, a norm or a change that nobody knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from memoryguard.common.contracts.events import AtrophyScored, Change
from memoryguard.common.contracts.parts import NormPack, NormScore
from memoryguard.processor.document import MAKER, concept, uid
from memoryguard.processor.domain import codes
from memoryguard.processor.domain.codes import Code, Site, site_of

MM3: Final = Code("mm3", "UCUM", "cubic millimeter")
MM: Final = Code("mm", "UCUM", "millimeter")
ONE: Final = Code("1", "UCUM", "no units")
PERCENT: Final = Code("%", "UCUM", "percent")
PERCENT_PER_YEAR: Final = Code("%/a", "UCUM", "percent per year")
YEARS: Final = Code("a", "UCUM", "year")

VOLUME: Final = Code("118565006", "SCT", "Volume")
UNCERTAINTY: Final = Code("371884006", "SCT", "+/-, range of measurement uncertainty")
MEDIAN: Final = Code("373099004", "SCT", "Median Value of population")
Z_SCORE: Final = Code("121416", "DCM", "Z-Score of measurement")
CENTILE: Final = Code("121415", "DCM", "Percentile Ranking of measurement")
_DERIVATION: Final = Code("121401", "DCM", "Derivation")
_SD: Final = Code("386136009", "SCT", "Standard Deviation")
POPULATION: Final = "Healthy people of that age, sex and head size"


@dataclass(frozen=True, slots=True)
class Basis:
    """What measurements refer to: the Segmentation, its segments by name, the images' series."""

    segmentation: str
    sop_class: str
    series: str
    segments: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Measured:
    """A value of one structure, in a unit, and how it compares."""

    value: float
    error_sd: float | None
    median: float | None
    score: NormScore | None
    unit: Code


def groups(scored: AtrophyScored, basis: Basis) -> list[Any]:
    """Give a group for every volume and thickness that has a value."""
    return [
        *(_volume_group(name, scored, basis) for name in _valued(scored.volumes_mm3)),
        *(_thickness_group(name, scored, basis) for name in _valued(scored.thickness_mm)),
    ]


def _valued(quantities: Mapping[str, Any]) -> list[str]:
    """Name what has a value, and a place that there is a code for."""
    return [name for name, each in quantities.items() if each.value is not None and site_of(name)]


def _volume_group(name: str, scored: AtrophyScored, basis: Basis) -> Any:
    measured, region = scored.volumes_mm3[name], scored.regions.get(name)
    median = region.median_mm3 if region else None
    told = Measured(measured.value or 0.0, measured.error_sd, median, region, MM3)
    numbers = [_number(VOLUME, told, scored.packs)]
    change = scored.change.get(name)
    if change and change.percent_per_year is not None:
        numbers.append(_change(change, change.percent_per_year))
    return _group(name, numbers, codes.SOFT_VOLUME, scored, basis)


def _thickness_group(name: str, scored: AtrophyScored, basis: Basis) -> Any:
    measured, score = scored.thickness_mm[name], scored.thickness.get(name)
    median = score.median_mm if score else None
    told = Measured(measured.value or 0.0, measured.error_sd, median, score, MM)
    return _group(name, [_number(codes.THICKNESS, told, scored.packs)], None, scored, basis)


def _group(
    name: str, numbers: list[Any], method: Code | None, scored: AtrophyScored, basis: Basis
) -> Any:
    from highdicom import sr

    site = site_of(name)
    assert site is not None  # noqa: S101  # only those are told
    said: dict[str, Any] = {
        # The same for every scan of a person: a reader may follow it.
        "tracking_identifier": sr.TrackingIdentifier(
            uid("tracking", scored.subject_id, name), name
        ),
        "finding_category": concept(codes.category_of(site.structure or name)),
        "finding_type": concept(site.code),
        "finding_sites": [_site(site)],
        "method": concept(method) if method else None,
        "algorithm_id": _algorithm(scored),
        "measurements": numbers,
    }
    images = sr.SourceSeriesForSegmentation(basis.series)
    segment = basis.segments.get(site.structure or "")
    if segment is None:
        group = sr.MeasurementsAndQualitativeEvaluations(**said)
        group[0].ContentSequence.append(images)
        return group
    shown = sr.ReferencedSegment(basis.sop_class, basis.segmentation, segment, source_series=images)
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(referenced_segment=shown, **said)


def _site(site: Site) -> Any:
    from highdicom.sr import FindingSite

    return FindingSite(concept(site.code), concept(site.side) if site.side else None)


def _algorithm(scored: AtrophyScored) -> Any:
    from highdicom.sr import AlgorithmIdentification
    from pydicom.sr.codedict import codes as standard

    engine = scored.engine
    return AlgorithmIdentification(
        name=engine.name,
        version=engine.version,
        parameters=[f"weights_sha256={engine.weights_sha256}"],
        family=standard.DCM.ArtificialIntelligence,
        manufacturer=MAKER,
    )


# --- numbers -------------------------------------------------------------------------------


def _number(name: Code, told: Measured, packs: Mapping[str, NormPack]) -> Any:
    """Give a value with its error, and where it lies among healthy people."""
    from highdicom.sr import Measurement, MeasurementProperties

    properties = MeasurementProperties(
        measurement_statistical_properties=_compared(told, packs) if told.score else None
    )
    properties.extend(_error(told.error_sd, told.unit))
    return Measurement(concept(name), float(told.value), concept(told.unit), properties=properties)


def _compared(told: Measured, packs: Mapping[str, NormPack]) -> Any | None:
    from highdicom.sr import MeasurementStatisticalProperties

    score = told.score
    if score is None or score.z is None:
        return None
    numbers = [_property(Z_SCORE, score.z, ONE, _error(score.z_sd, ONE))]
    if told.median is not None:
        numbers.append(_property(MEDIAN, told.median, told.unit))
    if score.centile is not None:
        numbers.append(_property(CENTILE, score.centile, PERCENT))
    return MeasurementStatisticalProperties(numbers, POPULATION, _authority(score, packs))


def _authority(score: NormScore, packs: Mapping[str, NormPack]) -> str:
    """Name the norms, each with its version and the first figures of its digest."""
    told = [
        f"norm pack {name}, version {pack.version}, of {pack.software}, sha256 {pack.sha256[:16]}"
        for name in (score.pack or "").split("+")
        if (pack := packs.get(name))
    ]
    if score.calibration:
        told.append(f"the value was divided by {score.calibration.ratio:.4g} to be compared")
    return "; ".join(told)


def _change(change: Change, percent_per_year: float) -> Any:
    from highdicom.sr import Measurement, MeasurementProperties

    properties = MeasurementProperties()
    properties.extend(
        [
            *_error(change.se_percent_per_year, PERCENT_PER_YEAR),
            _property(codes.CHANGE_YEARS, change.interval_years, YEARS),
            _property(codes.CHANGE_SCANS, change.scans, ONE),
        ]
    )
    ends = (codes.CHANGE_LOW, codes.CHANGE_HIGH)
    for end, value in zip(ends, change.ci95_percent_per_year or (), strict=False):
        properties.append(_property(end, value, PERCENT_PER_YEAR))
    unit = concept(PERCENT_PER_YEAR)
    return Measurement(concept(codes.CHANGE), float(percent_per_year), unit, properties=properties)


def _error(sd: float | None, unit: Code) -> list[Any]:
    """Give an uncertainty, and that it is one standard deviation."""
    from highdicom.sr import CodeContentItem

    if sd is None:
        return []
    derived = CodeContentItem(concept(_DERIVATION), concept(_SD), "HAS CONCEPT MOD")
    return [_property(UNCERTAINTY, sd, unit, [derived])]


def _property(name: Code, value: float, unit: Code, inside: list[Any] | None = None) -> Any:
    from highdicom.sr import ContentSequence, NumContentItem

    number = NumContentItem(concept(name), value, concept(unit), None, "HAS PROPERTIES")
    if inside:
        number.ContentSequence = ContentSequence(inside)
    return number
