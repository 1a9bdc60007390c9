# SPDX-License-Identifier: Apache-2.0
"""A score with everything that a report may tell, and a report read back into plain values."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from typing import Any

from highdicom.sr import srread
from ingest_samples import series_files, taken
from pydicom.dataset import Dataset
from test_segmentation import drawn, label_map

from memoryguard.common.contracts import events as e
from memoryguard.common.contracts.parts import Calibration, Engine, NormPack
from memoryguard.common.vocabulary import THICKNESS, VOLUMES
from memoryguard.processor.document import Document

ENGINE = Engine(name="headframe", version="1.2.3", weights_sha256="ab" * 32)
SUBJECT = "5e" * 16
PACK = NormPack(version="2", sha256="cd" * 32, software="FreeSurfer 6", signed_by="0" * 16)
NORM: dict[str, Any] = {
    "z_sd": 0.123456789012,
    "centile": 4.25,
    "pack": "one+two",
    "calibration": Calibration(ratio=1.02, sd_z=0.05, n=3, data="three heads"),
}


@cache
def segmented() -> Document:
    """The Segmentation of every structure."""
    return drawn(taken(content for _, content in series_files()).archive, label_map())


def scored(**changes: Any) -> e.AtrophyScored:
    """Everything is measured, two regions are compared, one has changed."""
    volumes = {
        name: e.Quantity(value=1000.125 * (place + 1) / 3, error_sd=10.5 + place)
        for place, name in enumerate(VOLUMES)
    }
    volumes["amygdala_left"] = e.Quantity(value=None, reason="not_measured_by_engine")
    volumes["fourth_ventricle"] = e.Quantity(value=2000.0)
    thick = {name: e.Quantity(value=2.5, error_sd=0.1) for name in THICKNESS}
    said: dict[str, Any] = {
        "subject_id": SUBJECT,
        "scan_id": "scan-1",
        "engine": ENGINE,
        "quality": e.Quality(
            verdict="warned", reasons=(e.Reason(code="low_contrast", message="Grey is near."),)
        ),
        "volumes_mm3": volumes,
        "thickness_mm": thick,
        "person": e.Person(age_years=72.0, sex="F"),
        "acquisition": e.Acquisition(),
        "regions": {
            "hippocampus_left": e.RegionScore(
                volume_mm3=volumes["hippocampus_left"].value, expected_mm3=3300.0,
                median_mm3=3400.5, z=-1.7, **NORM,
            ),
            "hippocampus_total": e.RegionScore(
                volume_mm3=volumes["hippocampus_total"].value, median_mm3=6800.0, z=2.5, **NORM
            ),
            "hippocampus_right": e.RegionScore(volume_mm3=1.0, reason="age_unknown"),
        },
        "thickness": {
            "cortex_left": e.ThicknessScore(
                thickness_mm=2.5, median_mm=2.4, z=0.5, centile=69.1, pack="one"
            )
        },
        "summaries": {
            "hippocampal": e.Summary(
                region="hippocampus_total", severity="mild", sentence="Mildly low for age."
            )
        },
        "packs": {"one": PACK, "two": PACK.model_copy(update={"version": "3"})},
        "overall": "mild",
        "asymmetry_percent": {},
        "ratios": {},
        "change": {
            "hippocampus_total": e.Change(
                scans=3, interval_years=1.5, percent_per_year=-2.25, se_percent_per_year=1.1,
                ci95_percent_per_year=(-4.2, 0.2),
            ),
            "total_brain": e.Change(scans=2, interval_years=0.7, percent_per_year=-0.5),
            "brain_stem": e.Change(
                scans=2, interval_years=0.1, percent_per_year=None, reason="interval_too_short"
            ),
        },
        "seconds": {},
    }  # fmt: skip
    return e.AtrophyScored(**(said | changes))


def read(content: bytes) -> dict[str, dict[str, Any]]:
    """What a report says of each measured name, read by highdicom."""
    report = srread(io.BytesIO(content))
    return {
        group.tracking_identifier: {"group": group, **values(group[0])}
        for group in report.content.get_volumetric_roi_measurement_groups()
        + report.content.get_image_measurement_groups()
    }


def values(item: Any, path: tuple[str, ...] = ()) -> dict[Any, Any]:
    """Numbers, codes and texts below an item, each by the codes on the way to it."""
    found: dict[Any, Any] = {}
    for each in item.get("ContentSequence", ()):
        way = (*path, code(each.ConceptNameCodeSequence[0]))
        found[way] = value_of(each)
        found |= values(each, way)
    return found


def value_of(item: Dataset) -> Any:
    """The value of one item; of a number with its unit."""
    if item.ValueType == "NUM":
        (measured,) = item.MeasuredValueSequence
        unit = measured.MeasurementUnitsCodeSequence[0].CodeValue
        return float(measured.get("FloatingPointValue") or measured.NumericValue), unit
    if item.ValueType == "CODE":
        return code(item.ConceptCodeSequence[0])
    if item.ValueType == "IMAGE":
        return item.ReferencedSOPSequence[0]
    return {"TEXT": "TextValue", "UIDREF": "UID"}.get(item.ValueType) and str(
        item.get("TextValue") or item.get("UID")
    )


def code(item: Dataset) -> str:
    """A code in one word."""
    return f"{item.CodingSchemeDesignator}:{item.CodeValue}"


def codes_of(item: Dataset) -> Iterator[Dataset]:
    """Every code in an object."""
    for element in item:
        if element.VR == "SQ":
            for inner in element.value:
                if "CodeValue" in inner:
                    yield inner
                yield from codes_of(inner)
