# SPDX-License-Identifier: Apache-2.0
"""Calibrate a scanner by a table of one's own healthy controls (``memoryguard norms calibrate``).

One row a person, one scan each: ``age_years``, ``sex`` (F or M), ``intracranial_mm3``, and any of
``hippocampus_total_mm3``, ``cortex_mean_mm`` and so on. What comes out is a mean z by region, no
row of the table. It is signed as a pack is (`signature`), and is used for scans of that maker and
field that the same version of the engine measured. People must be healthy: whatever they have in
common is taken for the scanner's.
"""

from __future__ import annotations

import csv
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from memoryguard.atrophy.domain.calibrate import FEWEST_CONTROLS, site_offset
from memoryguard.atrophy.domain.choice import choices
from memoryguard.atrophy.domain.measure import Engine, Person, Quantity
from memoryguard.atrophy.domain.pack import Pack
from memoryguard.atrophy.domain.region import score_region
from memoryguard.atrophy.domain.result import RegionScore
from memoryguard.atrophy.domain.setting import Setting
from memoryguard.atrophy.domain.site import SiteOffset, norm_id
from memoryguard.atrophy.settings import norms
from memoryguard.common.errors import Rejected
from memoryguard.common.vocabulary import THICKNESS

Scores = Mapping[str, RegionScore]


def offsets(people: Iterable[Scores], packs: Mapping[str, Pack]) -> dict[str, SiteOffset]:
    """Offsets by region, of those that enough controls have a z for."""
    scores: dict[str, list[RegionScore]] = {}
    for person in people:
        for region, score in person.items():
            if score.z is not None:
                scores.setdefault(region, []).append(score)
    return {
        region: _offset(found, packs)
        for region, found in scores.items()
        if len(found) >= FEWEST_CONTROLS
    }


def _offset(scores: list[RegionScore], packs: Mapping[str, Pack]) -> SiteOffset:
    norm = norm_id([packs[name] for name in (scores[0].pack or "").split("+")])
    parts = [score.sd_parts for score in scores if score.sd_parts]
    constant = [math.hypot(p.site, p.scanner, p.version, p.calibration) for p in parts]
    zs = [score.z for score in scores if score.z is not None]
    return site_offset(norm, zs, statistics.fmean(constant))


def scored(
    row: Mapping[str, str], engine: Engine, scanner: tuple[str, float], packs: Mapping[str, Pack]
) -> Scores:
    """Every z of one person, those too that an uncalibrated scanner would withhold."""
    maker, field_t = scanner
    sex = row.get("sex", "").strip()
    person = Person(_number(row, "age_years"), "F" if sex == "F" else "M" if sex == "M" else None,
                    field_t, maker)  # fmt: skip
    setting = Setting(
        person, engine, _quantity(row, "intracranial"), packs, max_calibration_sd_z=math.inf
    )
    return {
        region: score_region(region, _quantity(row, region), setting, choice)
        for region, choice in choices(engine, packs).items()
    }


def _quantity(row: Mapping[str, str], region: str) -> Quantity:
    unit = "mm" if region in THICKNESS else "mm3"
    value = _number(row, f"{region}_{unit}")
    return Quantity(value, None, "not_measured" if value is None else None)


def _number(row: Mapping[str, str], column: str) -> float | None:
    text = (row.get(column) or "").strip()
    try:
        return float(text) if text else None
    except ValueError:
        raise Rejected(
            "controls_not_a_number", f"a cell of {column} is not a number", "leave it empty"
        ) from None


def rows_of(table: Path) -> Iterator[Mapping[str, str]]:
    """Rows of a CSV file with a header."""
    with table.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file)


def calibrated(
    table: Path, name: str, engine: Engine, manufacturer: str, field_strength_t: float
) -> dict[str, Any]:
    """Document of a scanner's offsets, to be signed.

    Parameters
    ----------
    table
        CSV of healthy controls.
    name
        What the scanner is called in results.
    engine
        What measured them.
    manufacturer, field_strength_t
        Of the scanner, as its headers say it; tesla.

    Raises
    ------
    Rejected
        ``too_few_controls``, ``controls_not_a_number``.
    """
    packs = norms().packs
    scanner = (manufacturer, field_strength_t)
    people = [scored(row, engine, scanner, packs) for row in rows_of(table)]
    found = offsets(people, packs)
    if not found:
        raise Rejected(
            "too_few_controls",
            f"no region has a z in {FEWEST_CONTROLS} people or more",
            "see the columns, and the ages that the norms hold for",
        )
    return {
        "name": name,
        "engine": engine.name,
        "version": engine.version,
        "manufacturer": manufacturer,
        "field_strength_t": field_strength_t,
        "regions": {region: asdict(offset) for region, offset in found.items()},
    }
