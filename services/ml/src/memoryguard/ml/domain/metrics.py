# SPDX-License-Identifier: Apache-2.0
"""Health metrics of a person: of every name the latest by the day that it holds for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class Metric:
    """Value of a metric, the day it holds for, and when it was said (None: not known)."""

    value: float
    recorded_on: date
    said_at: datetime | None


def told(
    known: Mapping[str, Metric], metrics: Mapping[str, float], recorded_on: date, said_at: datetime
) -> dict[str, Metric]:
    """Give what is known after a record; one of an earlier day changes nothing of its name."""
    newer = {
        name: Metric(value, recorded_on, said_at)
        for name, value in metrics.items()
        if name not in known or known[name].recorded_on <= recorded_on
    }
    return {**known, **newer}


def values(known: Mapping[str, Metric]) -> dict[str, float]:
    """Metrics by name."""
    return {name: metric.value for name, metric in known.items()}
