# SPDX-License-Identifier: Apache-2.0
"""The columns of the wide table, which has one row for each scan: names, units, meanings.

What `memoryguard score` reads or writes has its names here, so that it can read such a table. An
empty cell was not measured; a column that ends in ``_reason`` says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from memoryguard.api.known import Known
from memoryguard.api.tables import cells
from memoryguard.api.tables.cells import Read
from memoryguard.common.vocabulary import THICKNESS, VOLUMES

WHERE: Final = "<name>"
"""Stands in a column's name for what is measured."""
GROUPS: Final[Mapping[str, str]] = {"CN": "cn", "MCI": "mci", "Dementia": "dementia"}
"""Groups of the shipped model; those of another one stand in the long table alone."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column, or one for each of several names: then `WHERE` is in its name."""

    name: str
    unit: str
    meaning: str
    read: Read


@dataclass(frozen=True, slots=True)
class Family:
    """Columns that stand together, for each of several names.

    Parameters
    ----------
    names
        What stands for `WHERE`, by what the facts call it.
    """

    title: str
    columns: Sequence[Column]
    names: Mapping[str, str]

    def headings(self) -> Iterator[str]:
        """Give the names of all its columns."""
        for written in self.names.values():
            yield from (column.name.replace(WHERE, written) for column in self.columns)

    def cells(self, known: Known) -> Iterator[object]:
        """Give a scan's cells, in the same order."""
        for name in self.names:
            yield from (column.read(known, name) for column in self.columns)


def _once(title: str, *columns: Column) -> Family:
    return Family(title, columns, {"": ""})


def _alike(*names: str) -> Mapping[str, str]:
    return {name: name for name in names}


def _sizes(group: str, scores: str, unit: str) -> tuple[Column, ...]:
    """Give the columns of a size, measured and set beside healthy people."""

    def said(field: str) -> Read:
        return cells.score(scores, field)

    return (
        Column(f"<name>_{unit}", unit, "as measured", cells.size(group)),
        Column(f"<name>_error_sd_{unit}", unit, "its error, one SD", cells.size_error(group)),
        Column(f"<name>_{unit}_reason", "", "why it is empty", cells.size_reason(group)),
        Column(
            f"<name>_median_{unit}", unit,
            "of healthy people of that age, sex, head size and scanner, as this engine measures",
            said(f"median_{unit}"),
        ),
        Column("<name>_z", "SD", "distance from them", said("z")),
        Column("<name>_z_sd", "SD", "error of z, one SD", said("z_sd")),
        Column("<name>_centile", "%", "share of them that lies below", said("centile")),
        Column(
            "<name>_severity", "", "none, mild, moderate, severe or uncertain", said("severity"),
        ),
        Column("<name>_reason", "", "why there is no z", cells.score_reason(scores)),
        Column("<name>_severity_reason", "", "why it is uncertain", said("severity_reason")),
    )  # fmt: skip


SCAN: Final = _once(
    "The scan and the person",
    Column("id", "", "the scan's name", lambda known, _: known.scan.scan_id),
    Column("person", "", "the person's pseudonym: rows of one person share it",
           lambda known, _: known.scan.subject_id),
    Column("age_years", "years", "age at the scan", cells.part("person", "age_years")),
    Column("sex", "", "F or M", cells.part("person", "sex")),
    Column("earlier_scans", "", "earlier scans of the person that it was compared with",
           cells.earlier),
    Column("field_strength_t", "tesla", "of the scanner",
           cells.part("acquisition", "field_strength_t")),
    Column("manufacturer", "", "of the scanner", cells.part("acquisition", "manufacturer")),
    Column("scanner_model", "", "of the scanner", cells.part("acquisition", "scanner_model")),
    Column("status", "", "uploaded, processing, completed or failed",
           lambda known, _: known.document["status"]),
    Column("status_reason", "", "why it failed", cells.problem),
    Column("quality", "", "accepted, warned or refused", cells.part("quality", "verdict")),
    Column("quality_reason", "", "codes of what was noticed", cells.quality_reasons),
    Column("engine", "", "program that measured", cells.part("engine", "name")),
    Column("engine_version", "", "of it", cells.part("engine", "version")),
    Column("engine_sha256", "", "of its weights", cells.part("engine", "weights_sha256")),
    Column("packs", "", "norms, as name:version:sha256", cells.packs),
    Column("site", "", "healthy controls of the scanner, as name:sha256", cells.site),
    Column("flags", "", "codes of what a reader should know", cells.flags),
    Column("overall", "", "what the regions say together", cells.overall("overall")),
    Column("overall_region", "", "where that word comes from", cells.overall("overall_region")),
    Column("overall_reason", "", "why there is none",
           lambda known, _: known.why_not("atrophy", "overall")),
)  # fmt: skip
CHANGE: Final = (
    Column("<name>_percent_per_year", "% a year", "rate of change",
           cells.change("percent_per_year")),
    Column("<name>_percent_per_year_low", "% a year", "its 95 % interval, from",
           cells.change("ci95_percent_per_year", 0)),
    Column("<name>_percent_per_year_high", "% a year", "to",
           cells.change("ci95_percent_per_year", 1)),
    Column("<name>_within_noise", "", "whether measuring twice would differ as much",
           cells.change("within_measurement_noise")),
    Column("<name>_change_years", "years", "from the first scan to this one",
           cells.change("interval_years")),
    Column("<name>_scans", "", "scans that the rate is made from", cells.change("scans")),
    Column("<name>_change_reason", "", "why there is no rate, or no interval",
           cells.change_reason),
)  # fmt: skip
FAMILIES: Final = (
    SCAN,
    Family(
        "What was known beside the scan, as the model was given it",
        (Column(WHERE, "", "see docs/SCORE.md", cells.feature),),
        _alike("education_years", "mmse", "moca", "apoe4_alleles"),
    ),
    Family("Volumes", _sizes("volumes_mm3", "regions", "mm3"), _alike(*VOLUMES)),
    Family(
        "Thickness of the cortex",
        _sizes("thickness_mm", "thickness", "mm"),
        _alike(*THICKNESS),
    ),
    Family(
        "Asymmetry",
        (
            Column("<name>_asymmetry_percent", "%", "200 (left − right) / (left + right)",
                   cells.derived("asymmetry_percent")),
            Column("<name>_asymmetry_error_sd_percent", "%", "its error, one SD",
                   cells.derived_error("asymmetry_percent")),
            Column("<name>_asymmetry_percent_reason", "", "why it is empty",
                   cells.derived_reason("asymmetry_percent")),
        ),
        _alike("hippocampus", "lateral_ventricle"),
    ),
    Family(
        "Ratios of volumes",
        (
            Column("<name>_ratio", "1", "as named", cells.derived("ratios")),
            Column("<name>_ratio_error_sd", "1", "its error, one SD",
                   cells.derived_error("ratios")),
            Column("<name>_ratio_reason", "", "why it is empty", cells.derived_reason("ratios")),
        ),
        _alike("hippocampus_to_brain", "ventricles_to_brain", "grey_to_white",
               "brain_to_intracranial"),
    ),
    Family("Change over time", CHANGE, _alike(*(n for n in VOLUMES if n != "intracranial"))),
    _once(
        "Similarity to diagnosed groups today; no forecast",
        Column("dementia_similarity", "1", "probability of the dementia group", cells.similarity),
    ),
    Family(
        "Each group",
        (
            Column("probability_<name>", "1", "probability of the group", cells.probability),
            Column("probability_<name>_low", "1", "its 95 % interval, from", cells.bound(0)),
            Column("probability_<name>_high", "1", "to", cells.bound(1)),
        ),
        GROUPS,
    ),
    _once(
        "The model",
        Column("risk_reason", "", "codes of why the model says nothing", cells.risk_reason),
        Column("risk_missing", "", "inputs it did not have, as name:code", cells.risk_missing),
        Column("model", "", "its name", cells.model("name")),
        Column("model_version", "", "of it", cells.model("version")),
        Column("model_sha256", "", "of its file", cells.model("weights_sha256")),
    ),
)  # fmt: skip
"""All columns, in their order."""


def headings() -> list[str]:
    """Give the names of all columns."""
    return [name for family in FAMILIES for name in family.headings()]


def row(known: Known) -> list[object]:
    """Give the cells of one scan."""
    return [cell for family in FAMILIES for cell in family.cells(known)]
