# SPDX-License-Identifier: Apache-2.0
"""What stands in a report in plain words: what was looked at, what was found, what to ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from memoryguard.api.report.facts import Facts, proof

Document: TypeAlias = Mapping[str, Any]

PARTS = {
    "hippocampus_total": (
        "Hippocampi",
        "two small parts deep in the brain that help to store new memories",
    ),
    "lateral_ventricles": ("Ventricles", "chambers inside the brain that are filled with fluid"),
    "total_brain": ("Whole brain", "all of the brain together"),
}
DEGREES = {"mild": "a little", "moderate": "clearly", "severe": "much"}
GROUPS = {
    "CN": "people whose memory is healthy",
    "MCI": "people with mild memory or thinking problems",
    "Dementia": "people with dementia",
}
CANNOT_SAY = (
    "It is not a diagnosis. Only a doctor who knows you can make one.",
    "It does not show why a part of the brain is small or large. There are many causes, and some"
    " are harmless.",
    "It does not say how your memory is, or what will happen later.",
    "Every measurement is a little uncertain. A second scan of the same brain would give slightly"
    " different numbers.",
)
QUESTIONS = (
    "What do these results mean together with my history and my memory tests?",
    "Is there another explanation, such as sleep, mood, medicines or another illness?",
    "Do I need more tests, or a second scan, and when?",
    "What can I do now for my brain and my heart?",
)


def plain_of(document: Document) -> Facts:
    """Gather what a report in plain words says; see `facts.facts_of`."""
    return {
        "title": "Your brain scan in plain words",
        "date": document["updated_at"][:10],
        "scan": document["id"],
        "account": document["user_id"] or "not linked",
        "lead": _lead(document),
        "found": list(_found(document)),
        "change": _change(document),
        "similarity": _similarity(document),
        "cannot": list(CANNOT_SAY),
        "questions": list(QUESTIONS),
        "proof": proof(document),
    }


def _lead(document: Document) -> str:
    if error := document.get("error"):
        return f"This scan could not be measured: {error['message']}. Ask whether to repeat it."
    word = document["atrophy"]["overall"]
    if word is None:
        return "The scan was measured, but could not be compared with healthy people."
    if word == "uncertain":
        return "The measurement is too uncertain to say whether all sizes are usual for your age."
    if word == "none":
        return "The parts of the brain that could be compared have a usual size for your age."
    return "At least one part of the brain has a size that is not usual for your age. See below."


def _found(document: Document) -> Iterator[Facts]:
    for name, (title, what) in PARTS.items():
        said = document["atrophy"]["regions"].get(name)
        if said and said["z"] is not None:
            sentence = f"{_size(said)} {_rank(said)}"
            yield {"name": title, "what": what, "sentence": sentence,
                   "z": said["z"], "sd": said["z_sd"]}  # fmt: skip


def _size(said: Document) -> str:
    severity = said["severity"]
    if severity in DEGREES:
        side = "larger" if said["direction"] == "high" else "smaller"
        return f"The size is {DEGREES[severity]} {side} than is usual for your age."
    if severity == "none":
        return "This is a usual size for your age."
    return "The measurement is too uncertain to say whether this is usual."


def _rank(said: Document) -> str:
    """Say a centile as people in a hundred, with what is possible."""
    if said["centile"] is None:
        return ""
    band: tuple[float, float] | None = said.get("centile_band")
    about = f"Of 100 healthy people like you, about {_people(said['centile'])} have a smaller one"
    if band is None:
        return f"{about}."
    return f"{about} (it could be {_people(band[0])} to {_people(band[1])})."


def _people(percent: float) -> str:
    return f"{min(max(round(percent), 1), 99)}"


def _change(document: Document) -> str:
    said = document["atrophy"]["change"].get("hippocampus_total")
    if not said or said["percent_per_year"] is None:
        return "There is no earlier scan to compare with, so nothing can be said about change."
    rate, interval = said["percent_per_year"], said["ci95_percent_per_year"]
    if said["within_measurement_noise"] is not False or not interval:
        return "Compared with the earlier scan, no change shows that is larger than the error of"\
            " measuring."  # fmt: skip
    way = "smaller" if rate < 0 else "larger"
    ends = sorted(abs(each) for each in interval)
    return (
        f"Since the earlier scan ({said['interval_years']:.1f} years) the hippocampi measure"
        f" {abs(rate):.0f} % {way} a year; between {ends[0]:.0f} and {ends[1]:.0f} % is possible."
        " In everybody they shrink a little with age."
    )


def _similarity(document: Document) -> Facts | None:
    """Give likeness to groups, only with intervals and with how common each group was."""
    risk = document["risk"]
    intervals, prevalence = (risk or {}).get("intervals95"), (risk or {}).get("prevalence")
    if not risk or not intervals or not prevalence:
        return None
    return {
        "rows": [
            {
                "name": GROUPS.get(group, group),
                "share": share,
                "text": f"{_people(100 * share)} of 100",
                "interval": f"{_people(100 * intervals[group][0])} to "
                f"{_people(100 * intervals[group][1])}",
                "usual": f"{_people(100 * prevalence[group])} of 100",
            }
            for group, share in risk["probabilities"].items()
            if group in intervals and group in prevalence
        ],
    }
