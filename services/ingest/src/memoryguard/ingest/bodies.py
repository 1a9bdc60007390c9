# SPDX-License-Identifier: Apache-2.0
"""What is sent to ingest as JSON."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Digests(BaseModel):
    """Body of ``POST /api/v1/imaging/upload/missing``."""

    model_config = ConfigDict(extra="forbid")

    user_id: str | None = None
    sha256: list[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]] = Field(max_length=10_000)


class Resolution(BaseModel):
    """Body of ``POST /api/v1/worklist/{patient}``."""

    model_config = ConfigDict(extra="forbid")

    user_id: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")


class Metrics(BaseModel):
    """Health metrics in their units; what is not known is left out."""

    model_config = ConfigDict(extra="forbid")

    mmse: Annotated[float, Field(ge=0, le=30)] | None = None
    moca: Annotated[float, Field(ge=0, le=30)] | None = None
    education_years: Annotated[float, Field(ge=0, le=40)] | None = None
    apoe4_alleles: Annotated[int, Field(ge=0, le=2)] | None = None
    systolic_mmhg: Annotated[float, Field(ge=40, le=350)] | None = None
    diastolic_mmhg: Annotated[float, Field(ge=20, le=250)] | None = None


class HealthMetrics(BaseModel):
    """Body of ``PUT /api/v1/users/{id}/health-metrics``."""

    model_config = ConfigDict(extra="forbid")

    recorded_on: date
    provenance: Literal["clinical", "self_reported", "synthetic"]
    metrics: Metrics
