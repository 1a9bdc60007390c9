# SPDX-License-Identifier: Apache-2.0
"""What a result says, and in which event of the log each value of it must stand: one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

Document: TypeAlias = Mapping[str, Any]

ROLES: Final[Mapping[str, str]] = {
    "memoryguard.scan.received.v1": "received",
    "memoryguard.volumes.extracted.v1": "measured",
    "memoryguard.volumes.refused.v1": "measured",
    "memoryguard.atrophy.scored.v1": "scored",
    "memoryguard.risk.predicted.v1": "answered",
    "memoryguard.risk.withheld.v1": "answered",
}
"""What an event is to a result; there is at most one of each."""

# By the severity of a region: whether it is low (a ventricle: large) for age.
_DETECTED = {"none": False, "mild": True, "moderate": True, "severe": True}


def _whole(said: Any) -> Any:
    return said


def _values(said: Document | None) -> Document:
    return {name: quantity["value"] for name, quantity in (said or {}).items()}


def _errors(said: Document | None) -> Document:
    quantities = (said or {}).items()
    return {name: q.get("error_sd") for name, q in quantities if q["value"] is not None}


def _detected(said: Document | None) -> Document:
    return {name: _DETECTED.get(score["severity"]) for name, score in (said or {}).items()}


class Row(NamedTuple):
    """What stands at a path of a result, and where in the data of which event it comes from.

    Parameters
    ----------
    path
        In the result.
    role
        Of the event (`ROLES`); ``features`` is ``measured`` where there is a score, ``predicted``
        and ``withheld`` are the two kinds of ``answered``.
    of
        Path in the event's data.
    take
        What the result keeps of it.
    otherwise
        What stands there when the event says nothing of it.
    """

    path: str
    role: str
    of: str
    take: Callable[[Any], Any] = _whole
    otherwise: object = None


_ACQUISITION = ("manufacturer", "scanner_model", "field_strength_t", "spacing_mm", "series")
_ATROPHY = (
    *("regions", "thickness", "summaries", "packs", "site", "overall", "overall_region"),
    *("flags", "change", "earlier_scans"),
)
_RISK = (
    *("model", "probabilities", "explained", "base", "output", "contributions", "missing"),
    *("dementia_similarity", "intervals95", "interval_omits", "prevalence", "method", "baseline"),
    *("background_people", "additivity_error", "group_contributions", "features"),
)

TABLE: Final[Sequence[Row]] = (
    Row("hippocampal_volume_total", "measured", "volumes_mm3.hippocampus_total.value"),
    Row("cortical_thickness_mean", "measured", "thickness_mm.cortex_mean.value"),
    Row("total_brain_volume", "measured", "volumes_mm3.total_brain.value"),
    Row("atrophy_severity", "scored", "overall"),
    Row("atrophy_detected", "scored", "regions", _detected),
    Row("quality", "measured", "quality"),
    Row("engine", "measured", "engine"),
    Row("person", "measured", "person"),
    *(Row(f"acquisition.{name}", "measured", f"acquisition.{name}") for name in _ACQUISITION),
    *(Row(group, "measured", group, _values) for group in ("volumes_mm3", "thickness_mm")),
    *(
        Row(f"errors_sd.{group}", "measured", group, _errors)
        for group in ("volumes_mm3", "thickness_mm")
    ),
    *(
        Row(f"ml_features.{group}", "features", group, _values)
        for group in ("volumes_mm3", "thickness_mm")
    ),
    *(
        Row(f"{place}.{group}", "scored", group, _values)
        for group in ("asymmetry_percent", "ratios")
        for place in ("ml_features", "atrophy")
    ),
    *(Row(f"atrophy.{name}", "scored", name) for name in _ATROPHY),
    Row("atrophy.overall_at_least", "scored", "overall_at_least", otherwise=False),
    *(Row(f"risk.{name}", "predicted", name) for name in _RISK),
    *(Row(f"risk_withheld.{name}", "withheld", name) for name in ("model", "reasons", "missing")),
    Row("proof.scan.sha256", "received", "archive.sha256"),
    Row("proof.scan.instances", "received", "instances"),
    Row("proof.engine", "measured", "engine"),
    Row("proof.packs", "scored", "packs"),
    Row("proof.model", "answered", "model"),
)
