# SPDX-License-Identifier: Apache-2.0
"""Which features a model is given, and when it says nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from memoryguard.ml.domain.features import Measure, group


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a model.

    Parameters
    ----------
    name
        Name of the feature.
    low, high
        Lowest and highest value that the model was made for.
    required
        Without it there is no answer.
    largest_error_sd
        A value whose error is larger, or not known, counts as missing; None: any error will do.
    """

    name: str
    low: float
    high: float
    required: bool = False
    largest_error_sd: float | None = None


@dataclass(frozen=True, slots=True)
class Withheld:
    """Why there is no prediction: a code and the feature it is about (None: no single one)."""

    code: str
    feature: str | None


@dataclass(frozen=True, slots=True)
class Known:
    """What of a model's inputs is known, and why the rest is not."""

    values: dict[str, float]
    errors: dict[str, float]
    missing: dict[str, str]
    partly: tuple[str, ...]
    """Known inputs of the scan whose error is not, or not wholly, known."""


def known(features: Mapping[str, Measure], inputs: Sequence[Input]) -> Known:
    """Pick a model's inputs out of what was gathered."""
    values: dict[str, float] = {}
    missing: dict[str, str] = {}
    for each in inputs:
        measure = features[each.name]
        reason = measure.reason or _too_uncertain(measure, each)
        if reason or measure.value is None:
            missing[each.name] = reason or "not_measured"
        else:
            values[each.name] = measure.value
    errors = {n: e for n in values if (e := features[n].error_sd) is not None}
    measured = [name for name in values if group(name) == "imaging"]
    partly = tuple(n for n in measured if n not in errors or features[n].partly)
    return Known(values, errors, missing, partly)


def _too_uncertain(measure: Measure, each: Input) -> str | None:
    if each.largest_error_sd is None or measure.value is None:
        return None
    if measure.error_sd is None:
        return "error_unknown"
    return "too_uncertain" if measure.error_sd > each.largest_error_sd else None


def withheld(
    given: Known,
    inputs: Sequence[Input],
    one_of: Sequence[str],
    quality: Literal["accepted", "warned", "refused"] = "accepted",
) -> tuple[Withheld, ...]:
    """Every reason against predicting, empty where a prediction may be made.

    Parameters
    ----------
    given
        What is known of the inputs.
    inputs
        The model's inputs.
    one_of
        Features of which at least one must be known; empty where that is not asked.
    quality
        Verdict on the scan.
    """
    reasons = [Withheld("quality_refused", None)] if quality == "refused" else []
    needed = [each.name for each in inputs if each.required and each.name in given.missing]
    reasons += [Withheld("required_input_missing", name) for name in needed]
    # Without age and sex there is no z either: that says nothing new.
    if one_of and not needed and not any(name in given.values for name in one_of):
        reasons.append(Withheld("too_much_missing", None))
    reasons += [
        Withheld("input_outside_training_range", each.name)
        for each in inputs
        if each.name in given.values and not each.low <= given.values[each.name] <= each.high
    ]
    return tuple(reasons)
