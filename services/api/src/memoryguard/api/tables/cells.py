# SPDX-License-Identifier: Apache-2.0
"""What stands in a cell: readers of what is known of a scan, by the name of what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from memoryguard.api.known import Known

Read: TypeAlias = Callable[[Known, str], object]

NOT_SAID: Final = "not_said"
"""Why something is absent that was never spoken of."""


def part(name: str, field: str) -> Read:
    """Read a field of a part of the document."""

    def read(known: Known, _: str) -> object:
        said: Mapping[str, Any] = known.document[name] or {}
        return said.get(field)

    return read


def overall(field: str) -> Read:
    """Read what was said of the scan as a whole, beside healthy people."""
    return lambda known, _: known.atrophy[field]


def size(group: str) -> Read:
    """Read a size."""
    return lambda known, name: known.document[group].get(name)


def size_error(group: str) -> Read:
    """Read one standard deviation of a size."""
    return lambda known, name: known.document["errors_sd"][group].get(name)


def size_reason(group: str) -> Read:
    """Read why there is no size."""
    return lambda known, name: known.why_not(group, name)


def score(group: str, field: str) -> Read:
    """Read a field of a score against healthy people."""
    return lambda known, name: known.atrophy[group].get(name, {}).get(field)


def score_reason(group: str) -> Read:
    """Read why there is no score."""

    def read(known: Known, name: str) -> object:
        said = known.atrophy[group].get(name)
        return said["reason"] if said else unscored(known)

    return read


def unscored(known: Known) -> str:
    """Say why nothing was set beside healthy people: the scan's own reason, if it has one."""
    return NOT_SAID if known.scored else known.why_not("atrophy", "overall") or NOT_SAID


def derived(group: str) -> Read:
    """Read a ratio or an asymmetry."""
    return lambda known, name: known.atrophy[group].get(name)


def derived_error(group: str) -> Read:
    """Read one standard deviation of it."""
    return lambda known, name: known.error_sd(group, name)


def derived_reason(group: str) -> Read:
    """Read why there is none."""

    def read(known: Known, name: str) -> object:
        if known.atrophy[group].get(name) is not None:
            return None
        return known.why_not(group, name) or unscored(known)

    return read


def change(field: str, place: int | None = None) -> Read:
    """Read a field of the change over time, or one of its two bounds."""

    def read(known: Known, name: str) -> object:
        said = known.atrophy["change"].get(name, {}).get(field)
        return said if place is None or said is None else said[place]

    return read


def change_reason(known: Known, name: str) -> object:
    """Read why there is no rate, or no interval of it."""
    said = known.atrophy["change"].get(name)
    if said is None:
        return known.why_not("atrophy", "change") or unscored(known)
    return said["reason"] or said["error_reason"]


def feature(known: Known, name: str) -> object:
    """Read what the model was given."""
    return known.features.get(name, {}).get("value")


def probability(known: Known, group: str) -> object:
    """Read a group's probability."""
    return _risk(known, "probabilities").get(group)


def bound(place: int) -> Read:
    """Read one end of the 95 % interval of a group's probability."""

    def read(known: Known, group: str) -> object:
        interval = _risk(known, "intervals95").get(group)
        return interval and interval[place]

    return read


def _risk(known: Known, field: str) -> dict[str, Any]:
    return (known.document["risk"] or {}).get(field) or {}


def similarity(known: Known, _: str) -> object:
    """Read the output that is explained, where it is the one that the column is named after."""
    risk = known.document["risk"] or {}
    return risk["output"] if risk.get("explained") == "dementia_similarity" else None


def risk_reason(known: Known, _: str) -> object:
    """Read why the model says nothing."""
    return listed(known.document["reasons"]["risk"])


def risk_missing(known: Known, _: str) -> object:
    """Read which inputs the model did not have, and why."""
    missing = known.answer["missing"] if known.answer else {}
    return " ".join(f"{name}:{code}" for name, code in sorted(missing.items()))


def model(field: str) -> Read:
    """Read which model answered."""
    return lambda known, _: known.answer and known.answer["model"][field]


def problem(known: Known, _: str) -> object:
    """Read why the scan failed."""
    found = known.scan.standing.problem
    return found and found.code


def quality_reasons(known: Known, _: str) -> object:
    """Read what was noticed about the scan."""
    return listed((known.document["quality"] or {}).get("reasons", ()))


def listed(reasons: Any) -> str:
    """Write the codes of reasons, each once."""
    return " ".join(dict.fromkeys(reason["code"] for reason in reasons))


def packs(known: Known, _: str) -> object:
    """Read which norms were used."""
    said = known.atrophy["packs"]
    return " ".join(
        f"{name}:{said[name]['version']}:{said[name]['sha256']}" for name in sorted(said)
    )


def site(known: Known, _: str) -> object:
    """Read which healthy controls of the scanner corrected the scores."""
    said = known.atrophy["site"]
    return said and f"{said['name']}:{said['sha256']}"


def flags(known: Known, _: str) -> object:
    """Read what a reader should know that forbids no score."""
    return " ".join(known.atrophy["flags"])


def earlier(known: Known, _: str) -> object:
    """Read how many earlier scans of this person it was compared with."""
    return len(known.atrophy["earlier_scans"])
