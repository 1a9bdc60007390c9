# SPDX-License-Identifier: Apache-2.0
"""What two models say of one scan, side by side. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from memoryguard.common.contracts.events import Engine, Reason, RiskPredicted, RiskWithheld


@dataclass(frozen=True, slots=True)
class Verdict:
    """What matters of a prediction, or of its absence.

    Parameters
    ----------
    model
        Who says it.
    probabilities
        Of each group; empty where the model withholds.
    explained
        Name of the one output that the model explains, and its value.
    reasons
        Why it withholds.
    """

    model: Engine
    probabilities: Mapping[str, float]
    explained: tuple[str, float] | None
    reasons: tuple[Reason, ...] = ()

    @property
    def most_similar(self) -> str | None:
        """The group that somebody is most similar to; the first by name among equals."""
        groups = sorted(self.probabilities)
        return max(groups, key=lambda group: self.probabilities[group]) if groups else None

    def document(self) -> dict[str, Any]:
        """Write it as plain data."""
        model = self.model.model_dump(mode="json")
        if self.explained is None:
            reasons = [reason.model_dump(mode="json") for reason in self.reasons]
            return {"verdict": "withheld", "model": model, "reasons": reasons}
        name, value = self.explained
        return {
            "verdict": "predicted",
            "model": model,
            "most_similar_group": self.most_similar,
            "probabilities": dict(self.probabilities),
            name: value,
        }


def verdict(risk: RiskPredicted | RiskWithheld) -> Verdict:
    """Take a verdict out of its fact."""
    if isinstance(risk, RiskWithheld):
        return Verdict(risk.model, {}, None, risk.reasons)
    return Verdict(risk.model, risk.probabilities, (risk.explained, risk.output))


def changes(old: Verdict, new: Verdict, threshold: float) -> list[str]:
    """Say in which way a verdict would change; empty where it would not.

    Parameters
    ----------
    old, new
        What was said, and what would be said.
    threshold
        By how much the explained output may move without being another verdict.
    """
    if old.explained is None or new.explained is None:
        if old.explained is new.explained:
            return []
        return ["withheld_to_predicted" if old.explained is None else "predicted_to_withheld"]
    found = ["most_similar_group"] if old.most_similar != new.most_similar else []
    if old.explained[0] != new.explained[0]:
        found.append("explained_output")
    elif abs(new.explained[1] - old.explained[1]) > threshold:
        found.append(old.explained[0])
    return found
