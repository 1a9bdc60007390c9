# SPDX-License-Identifier: Apache-2.0
"""What several events are made of: references, reasons, quantities and the like."""

from __future__ import annotations

from datetime import date
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

Purpose: TypeAlias = Literal[
    "TREAT", "ETREAT", "BTG", "HOPERAT", "HPAYMT", "HRESCH", "PATRQT", "FAMRQT", "HCOMPL"
]
"""What data is used for: codes of HL7's value set PurposeOfUse (2.16.840.1.113883.1.11.20448).

Treatment, emergency treatment, break the glass, healthcare operations, payment, research, the
patient's request, the family's request, compliance."""

Basis: TypeAlias = Literal["own", "role", "grant", "override"]
"""By what a look is permitted: one's own data, the caller's role, a grant, or broken glass."""


class Part(BaseModel):
    """A part of a fact."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ObjectRef(Part):
    """An encrypted object in the store."""

    uri: str = Field(description="Path in the object store.")
    sha256: str = Field(description="Of the plain bytes, hexadecimal.")
    bytes: int = Field(ge=0, description="Length of the plain bytes.")


class Reason(Part):
    """Why something was refused, withheld or warned of."""

    code: str
    message: str


class Person(Part):
    """What the measurement needs to know about the person; nothing that identifies."""

    age_years: float | None = Field(default=None, description="Age at the scan.")
    sex: Literal["F", "M"] | None = None


class Acquisition(Part):
    """How the scan was made."""

    acquired_on: date | None = Field(
        default=None, description="Shifted by a constant of this person: intervals are true."
    )
    manufacturer: str | None = None
    scanner_model: str | None = None
    field_strength_t: float | None = None
    spacing_mm: tuple[float, float, float] | None = None
    series: str | None = Field(default=None, description="From a closed vocabulary.")


class Quantity(Part):
    """A measured value, or why there is none."""

    value: float | None
    error_sd: float | None = Field(default=None, description="One standard deviation, same unit.")
    reason: str | None = Field(default=None, description="Code; set when value is null.")
    confidence: float | None = Field(default=None, description="0..1: how sure the engine is.")


class Engine(Part):
    """What measured."""

    name: str
    version: str
    weights_sha256: str


class Quality(Part):
    """Whether the scan can be measured."""

    verdict: Literal["accepted", "warned", "refused"]
    reasons: tuple[Reason, ...] = ()


class NormPack(Part):
    """Exactly which norms were used."""

    version: str
    sha256: str = Field(description="Of the file, hexadecimal.")
    software: str = Field(description="What measured the people behind the norm.")
    signed_by: str = Field(description="Id of the key whose signature over the file holds.")


class Calibration(Part):
    """By what the engine's value was divided to be compared with another program's norm."""

    ratio: float = Field(description="Engine's value over that of the norm's software.")
    sd_z: float = Field(description="What its uncertainty adds to that of z, one SD.")
    n: int = Field(description="Heads measured with both; 0: only other programs' spread is known.")
    data: str = Field(description="Which heads.")


class SiteOffset(Part):
    """What healthy controls of the scan's own scanner are off by, taken out of z."""

    mean_z: float = Field(description="Their mean z, drawn towards 0 as few of them ask for.")
    sd_z: float = Field(description="Its uncertainty, one SD.")
    n: int = Field(description="How many there were.")


class CalibratedSite(Part):
    """Which controls a scan's z were corrected by."""

    name: str
    sha256: str = Field(description="Of the file, hexadecimal.")
    signed_by: str = Field(description="Id of the key whose signature over the file holds.")


class NormCurve(Part):
    """Values of healthy people of that sex, head size and scanner, by age."""

    age_years: tuple[float, ...] = Field(description="From the first age of the norm to its last.")
    p5: tuple[float, ...] = Field(
        description="5th centile at each age, in the measurement's unit, as this engine measures."
    )
    p25: tuple[float, ...] = Field(description="25th centile.")
    p50: tuple[float, ...] = Field(description="Median.")
    p75: tuple[float, ...] = Field(description="75th centile.")
    p95: tuple[float, ...] = Field(description="95th centile.")


class NormScore(Part):
    """One measurement against healthy people of that age, sex and head size."""

    z: float | None = None
    z_sd: float | None = Field(default=None, description="Uncertainty of z, one SD.")
    z_sd_parts: dict[str, float | None] = Field(default_factory=dict)
    centile: float | None = Field(default=None, description="Percent.")
    centile_band: tuple[float, float] | None = Field(default=None, description="80 % band.")
    severity: Literal["none", "mild", "moderate", "severe", "uncertain"] | None = None
    severity_probabilities: dict[str, float] | None = None
    severity_reason: str | None = Field(default=None, description="Why it is uncertain.")
    direction: Literal["low", "high"] | None = Field(default=None, description="Abnormal side.")
    pack: str | None = Field(
        default=None, description="Norm that it is compared with; two with a plus: their mean."
    )
    calibration: Calibration | None = Field(
        default=None, description="Null where the engine is the norm's own software."
    )
    site: SiteOffset | None = Field(
        default=None, description="Null where the scanner has no controls for it."
    )
    curve: NormCurve | None = Field(default=None, description="The norm over age.")
    reason: str | None = Field(default=None, description="Why there is no z.")


class RegionScore(NormScore):
    """The volume of one region against healthy people of that age, sex and head size."""

    volume_mm3: float | None
    error_sd_mm3: float | None = None
    expected_mm3: float | None = None
    median_mm3: float | None = None


class ThicknessScore(NormScore):
    """A mean thickness of the cortex against healthy people of that age, sex and head size."""

    thickness_mm: float | None = Field(description="Measured thickness.")
    error_sd_mm: float | None = None
    expected_mm: float | None = None
    median_mm: float | None = None


class Summary(Part):
    """One thing that a reader asks for, in a word and in a sentence."""

    region: str | None = Field(description="Where the word comes from; null where there is none.")
    severity: Literal["none", "mild", "moderate", "severe", "uncertain"] | None
    sentence: str = Field(description="Of how large it is for age, never of loss over time.")
    reason: str | None = Field(default=None, description="Why it is uncertain or not compared.")


class ChangePoint(Part):
    """One scan of those that a change was computed from."""

    years: float = Field(description="After the newest of them: 0 or less. Dates are not told.")
    volume_mm3: float
    error_sd_mm3: float | None = Field(description="Retest error that the interval counts, one SD.")


class Change(Part):
    """Yearly change of one region over the scans of the same person."""

    scans: int
    interval_years: float
    percent_per_year: float | None
    se_percent_per_year: float | None = Field(default=None, description="One standard error.")
    ci95_percent_per_year: tuple[float, float] | None = None
    within_measurement_noise: bool | None = None
    published_percent_per_year: dict[str, float] = Field(
        default_factory=dict, description="Mean rates of groups, by group and source."
    )
    error_source: str | None = Field(
        default=None, description="What the interval is made from: the figure, and whose it is."
    )
    error_reason: str | None = Field(default=None, description="Why there is no interval.")
    points: tuple[ChangePoint, ...] = Field(
        default=(), description="The scans it was computed from, the oldest first."
    )
    reason: str | None = Field(default=None, description="Why there is no rate.")


class Contribution(Part):
    """How much one input moved the model's output (a SHAP value)."""

    feature: str
    value: float
    contribution: float
    group: Literal["imaging", "clinical"] | None = Field(
        default=None, description="Whether the scan says it, or what is known beside it."
    )
    error: float | None = Field(
        default=None, description="Standard error; null where the contribution is exact."
    )
    sentence: str | None = Field(default=None, description="The same in plain words.")


class DicomObject(Part):
    """A DICOM object that was made of a scan, under the pseudonym, and what finds it."""

    content: ObjectRef = Field(description="The DICOM file.")
    header: ObjectRef = Field(description="DICOM JSON of it, without pixels.")
    sop_class_uid: str
    study_uid: str = Field(description="Of the de-identified scan.")
    series_uid: str
    instance_uid: str = Field(
        description="The same for the same scan and weights, and of a report for the same score."
    )
    study_date: date | None = Field(default=None, description="Shifted, as in the scan.")
    sex: Literal["F", "M", "O"] | None = None
    modality: str = Field(description="SEG or SR.")
    series_number: int
    series_description: str
    instance_number: int = Field(
        default=1, ge=1, description="In its series: of several reports the highest is the newest."
    )
    rows: int | None = None
    columns: int | None = None
    frames: int | None = None
    bits_allocated: int | None = None
