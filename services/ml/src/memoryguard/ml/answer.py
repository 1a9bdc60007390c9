# SPDX-License-Identifier: Apache-2.0
"""From a scored scan and health metrics to the fact that predicts, or withholds. Pure."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache

from memoryguard.common.contracts.events import (
    AtrophyScored,
    Contribution,
    Engine,
    Reason,
    RiskPredicted,
    RiskWithheld,
)
from memoryguard.ml.domain.features import HealthMetrics, Volume, Withheld, gather
from memoryguard.ml.domain.prediction import NoPrediction, Prediction
from memoryguard.ml.model import RiskModel

EXPLAINED = "dementia_similarity"

MESSAGES = {
    "quality_refused": "the scan was refused",
    "required_input_missing": "an input that the model needs is missing",
    "input_outside_training_range": "an input lies outside what the model was fitted for",
}


def warm_up() -> None:
    """Load model and explainer before the first scan needs them: shap takes seconds."""
    shipped_model().warm_up()


@lru_cache(maxsize=1)
def shipped_model() -> RiskModel:
    """Load the package's model, once per process."""
    return RiskModel()


def answer(
    scored: AtrophyScored, health: Mapping[str, float], model: RiskModel | None = None
) -> RiskPredicted | RiskWithheld:
    """Compare a person with diagnosed groups.

    Parameters
    ----------
    scored
        The scored scan, which carries its volumes.
    health
        Latest health metrics by name; what is not known is absent.
    model
        The model that answers; the shipped one by default.
    """
    started = time.perf_counter()
    model = model or shipped_model()
    alleles = health.get("apoe4_alleles")
    features = gather(
        scored.person.age_years,
        scored.person.sex,
        {name: Volume(q.value, q.reason) for name, q in scored.volumes_mm3.items()},
        HealthMetrics(
            education_years=health.get("education_years"),
            apoe4_count=None if alleles is None else round(alleles),
            moca=health.get("moca"),
        ),
    )
    result = model.predict(features, scored.quality.verdict)
    seconds = {**scored.seconds, "predict": time.perf_counter() - started}
    if isinstance(result, NoPrediction):
        return _withheld(scored, model, result, seconds)
    return _predicted(scored, result, seconds)


def _withheld(
    scored: AtrophyScored, model: RiskModel, result: NoPrediction, seconds: dict[str, float]
) -> RiskWithheld:
    return RiskWithheld(
        subject_id=scored.subject_id,
        scan_id=scored.scan_id,
        user_id=scored.user_id,
        model=Engine(name=model.name, version=model.version, weights_sha256=model.weights_sha256),
        reasons=tuple(
            Reason(
                code=reason.code,
                message=_message(reason, result),
            )
            for reason in result.reasons
        ),
        missing=dict(result.features.missing),
        seconds=seconds,
    )


def _message(reason: Withheld, result: NoPrediction) -> str:
    message = MESSAGES[reason.code]
    if reason.feature is None:
        return message
    cause = result.features.missing.get(reason.feature)
    return f"{message}: {reason.feature} ({cause})" if cause else f"{message}: {reason.feature}"


def _predicted(
    scored: AtrophyScored, result: Prediction, seconds: dict[str, float]
) -> RiskPredicted:
    contributions = sorted(result.explanation.contributions.items(), key=lambda c: -abs(c[1]))
    return RiskPredicted(
        subject_id=scored.subject_id,
        scan_id=scored.scan_id,
        user_id=scored.user_id,
        model=Engine(
            name=result.model.name,
            version=result.model.version,
            weights_sha256=result.model.sha256,
        ),
        probabilities=result.probabilities,
        explained=EXPLAINED,
        base=result.explanation.base,
        output=result.dementia_similarity,
        contributions=tuple(
            Contribution(feature=name, value=result.features[name], contribution=value)
            for name, value in contributions
        ),
        missing=dict(result.missing),
        seconds=seconds,
    )
