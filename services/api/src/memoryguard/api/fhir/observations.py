# SPDX-License-Identifier: Apache-2.0
"""What was measured, as Observations: sizes, what is made of them, change over time, quality."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from memoryguard.api import words
from memoryguard.api.fhir import codes
from memoryguard.api.fhir.codes import OWN, Coded
from memoryguard.api.fhir.elements import (
    Json,
    between,
    coding,
    component,
    concept,
    instant,
    kept_back,
    measured,
    reference,
    resource,
)
from memoryguard.api.known import Known


class Result(Known):
    """What resources are made from, and how they refer to each other."""

    __slots__ = ()

    @property
    def patient(self) -> Json:
        """Refer to the person: the same in every Bundle of theirs."""
        return reference("Patient", self.scan.subject_id)

    def key(self, name: str = "") -> str:
        """Identity of something of this scan."""
        return f"{self.scan.scan_id}/{name}"

    def to(self, kind: str, name: str = "") -> Json:
        """Refer to something of this scan."""
        return reference(kind, self.key(name))


@dataclass(frozen=True, slots=True)
class Group:
    """One kind of size: where it stands in the document, and how it is called and coded."""

    name: str
    values: str
    scores: str
    unit: str
    code: Coded
    text: str

    def said(self, name: str, score: Mapping[str, Any]) -> Any:
        """Read what a score says of it in its unit."""
        return score.get(f"{name}_{self.unit}")


GROUPS = (
    Group("volume", "volumes_mm3", "regions", "mm3", codes.VOLUME, "Volume"),
    Group("thickness", "thickness_mm", "thickness", "mm", codes.LENGTH, "Mean thickness"),
)


def observations(result: Result) -> list[Json]:
    """Give every Observation; of a scan that was not measured only its quality."""
    found = list(_quality(result))
    if result.measured:
        found += _age(result)
        for group in GROUPS:
            found += (_size(result, group, name) for name in result.document[group.values])
        found += [*_ratios(result), *_asymmetries(result), *_changes(result)]
    return found


def _observation(
    result: Result, name: str, code: Json, derived: Sequence[str] = (), **elements: object
) -> Json:
    """Make one: preliminary, since no human has verified it; its day is kept back."""
    imaging = Coded(codes.CATEGORY, "imaging", "Imaging")
    sources = [result.to("ImagingStudy"), *(result.to("Observation", each) for each in derived)]
    engine = result.document["engine"]
    return resource(
        "Observation",
        result.key(name),
        status="preliminary",
        category=[concept(imaging)],
        code=code,
        subject=result.patient,
        _effectiveDateTime=kept_back(),
        issued=instant(result.scan.updated_at),
        device=reference("Device", device_key(engine)) if engine else None,
        derivedFrom=sources,
        **elements,
    )


def device_key(software: Mapping[str, Any]) -> str:
    """Identity of a program: its name, version and weights."""
    return "/".join(str(software[part]) for part in ("name", "version", "weights_sha256"))


def _own(code: str, text: str) -> Json:
    return concept(Coded(OWN, code), text)


def _place(name: str) -> tuple[Json | None, list[Json]]:
    """Where something is: the structure, and its side as a component, as R4 has no element."""
    site = codes.site_of(name)
    if site is None:
        return None, []
    structure = concept(site.structure, words.name(name))
    if site.side is None:
        return structure, []
    side = {"coding": [coding(site.side)]}
    return structure, [component(codes.LATERALITY, "Laterality", valueCodeableConcept=side)]


def _size(result: Result, group: Group, name: str) -> Json:
    value = result.document[group.values][name]
    error_sd = result.document["errors_sd"][group.values].get(name)
    score = result.atrophy[group.scores].get(name)
    place, side = _place(name)
    return _observation(
        result,
        f"{group.name}/{name}",
        concept(group.code, f"{group.text}: {words.name(name)}"),
        bodySite=place,
        **measured(value, group.unit, error_sd, result.why_not(group.values, name)),
        interpretation=_interpretation(score),
        referenceRange=_reference_range(group, score),
        component=[*side, *_compared(group, score)],
    )


def _interpretation(score: Mapping[str, Any] | None) -> list[Json]:
    """Say low, high or within what is usual for age: never more."""
    if score is None or score["severity"] is None:
        return []
    word = score["severity"]
    code = codes.HIGH_LOW[word if word in ("none", "uncertain") else score["direction"] or "low"]
    return [concept(code, words.severity(word, score["direction"]))]


def _reference_range(group: Group, score: Mapping[str, Any] | None) -> list[Json]:
    """Say the median. The norms' bounds are not said by any event, so none stand here."""
    median = None if score is None else group.said("median", score)
    if score is None or median is None:
        return []
    written = words.volume(median) if group.unit == "mm3" else words.thickness(median)
    text = f"{written} expected for age, sex and head size (norm: {score['pack']})"
    return [{"text": text.replace(words.NO_BREAK, " ")}]


def _compared(group: Group, score: Mapping[str, Any] | None) -> Iterator[Json]:
    """What comes of setting a size beside healthy people of that age, sex and head size."""
    if score is None:
        return
    reason, z = score["reason"], score["z"]
    yield component(codes.Z_SCORE, "z", **measured(z, "1", score["z_sd"], reason))
    median = group.said("median", score)
    if median is not None:
        said = measured(median, group.unit, None, None)
        yield component(codes.MEDIAN, "Median of healthy people", **said)
    if score["centile"] is not None:
        centile = measured(score["centile"], "%", None, None)
        yield component(codes.CENTILE, "Centile", **centile)
    if score["centile_band"]:
        band = between(score["centile_band"], "%")
        code = Coded(OWN, "centile-band-80")
        yield component(code, "80 % band of the centile", valueRange=band)


def _ratios(result: Result) -> Iterator[Json]:
    for name in result.atrophy["ratios"]:
        yield _observation(
            result,
            f"ratio/{name}",
            concept(codes.VOLUME_RATIO, words.name(name)),
            [f"volume/{part}" for part in codes.PARTS.get(name, ())],
            **_derived(result, "ratios", name, "1"),
        )


def _asymmetries(result: Result) -> Iterator[Json]:
    for name in result.atrophy["asymmetry_percent"]:
        place, _ = _place(name)
        yield _observation(
            result,
            f"asymmetry/{name}",
            _own("asymmetry", f"Left minus right, as a share of their mean: {words.name(name)}"),
            [f"volume/{name}_{side}" for side in ("left", "right")],
            bodySite=place,
            **_derived(result, "asymmetry_percent", name, "%"),
        )


def _derived(result: Result, group: str, name: str, unit: str) -> Json:
    value, error_sd = result.atrophy[group][name], result.error_sd(group, name)
    return measured(value, unit, error_sd, result.why_not(group, name))


def _changes(result: Result) -> Iterator[Json]:
    changes = result.atrophy["change"]
    for name, change in changes.items():
        yield _change(result, name, change)
    if not changes:
        reason = result.why_not("atrophy", "change")
        code = _own("yearly-change", "Yearly change of volume")
        yield _observation(result, "change", code, **measured(None, "%/a", None, reason))


def _change(result: Result, name: str, change: Mapping[str, Any]) -> Json:
    place, side = _place(name)
    text = f"Yearly change of volume: {words.name(name)}"
    rate, error = change["percent_per_year"], change["se_percent_per_year"]
    return _observation(
        result,
        f"change/{name}",
        _own("yearly-change", text),
        [f"volume/{name}"] if name in result.document["volumes_mm3"] else [],
        bodySite=place,
        **measured(rate, "%/a", error, change["reason"]),
        component=[*side, *_over_time(change)],
    )


def _over_time(change: Mapping[str, Any]) -> Iterator[Json]:
    interval = measured(change["interval_years"], "a", None, None)
    yield component(Coded(OWN, "interval"), "Between the first scan and this one", **interval)
    yield component(Coded(OWN, "scans"), "Scans", valueInteger=change["scans"])
    if change["percent_per_year"] is None:
        return
    band = change["ci95_percent_per_year"]
    said = measured(None, "%/a", None, change["error_reason"])
    said = {"valueRange": between(band, "%/a")} if band else said
    yield component(Coded(OWN, "interval-95"), "95 % interval", **said)
    if change["within_measurement_noise"] is not None:
        noise = change["within_measurement_noise"]
        code = Coded(OWN, "within-measurement-noise")
        yield component(code, "Within the noise of measurement", valueBoolean=noise)


def _age(result: Result) -> Iterator[Json]:
    age = (result.document["person"] or {}).get("age_years")
    code = concept(codes.AGE, "Age at the scan, years")
    yield _observation(result, "age", code, **measured(age, "a", None, "not_reported"))


def _quality(result: Result) -> Iterator[Json]:
    quality = result.document["quality"]
    if quality is None:
        return
    verdict = Coded("urn:memoryguard:quality", quality["verdict"])
    yield _observation(
        result,
        "quality",
        _own("scan-quality", "Whether the scan can be measured"),
        valueCodeableConcept=concept(verdict, words.VERDICTS[quality["verdict"]]),
        component=[
            component(
                Coded(OWN, "quality-reason"),
                "What was noticed",
                valueCodeableConcept=concept(Coded(codes.REASONS, each["code"]), each["message"]),
            )
            for each in quality["reasons"]
        ],
    )
