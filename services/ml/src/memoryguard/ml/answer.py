# SPDX-License-Identifier: Apache-2.0
"""From a scored scan and health metrics to the fact that predicts, or withholds. Pure."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache

from memoryguard.common.contracts.events import (
    AtrophyScored,
    Change,
    Contribution,
    Engine,
    Quantity,
    Reason,
    RegionScore,
    RiskPredicted,
    RiskWithheld,
)
from memoryguard.common.runtime.settings import read
from memoryguard.ml.domain.abstention import Withheld
from memoryguard.ml.domain.features import Measure, Scan, gather, group
from memoryguard.ml.domain.prediction import NoPrediction, Prediction
from memoryguard.ml.domain.sentences import sentence
from memoryguard.ml.model import RiskModel
from memoryguard.ml.settings import MlSettings

EXPLAINED = "dementia_similarity"
DEMENTIA = "Dementia"

MESSAGES = {
    "quality_refused": "the scan was refused",
    "required_input_missing": "an input that the model needs is missing",
    "too_much_missing": "too much is missing for the model to say anything",
    "input_outside_training_range": "an input lies outside what the model was fitted for",
}


def warm_up() -> None:
    """Load and check model and explainer before the first scan needs them: it takes seconds."""
    configured_model().warm_up()


@lru_cache(maxsize=1)
def configured_model() -> RiskModel:
    """Load the model that the settings name, once per process."""
    settings = read(MlSettings)
    return RiskModel(settings.model, settings.prevalence)


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
        The model that answers; the configured one by default.
    """
    started = time.perf_counter()
    model = model or configured_model()
    features = gather(_scan(scored), health)
    result = model.predict(features, scored.quality.verdict)
    seconds = {**scored.seconds, "predict": time.perf_counter() - started}
    if isinstance(result, NoPrediction):
        return _withheld(scored, model, features, result, seconds)
    return _predicted(scored, model, features, result, seconds)


def _scan(scored: AtrophyScored) -> Scan:
    why = scored.change_reason or "fewer_than_two_scans"
    return Scan(
        age_years=scored.person.age_years,
        sex=scored.person.sex,
        z={name: _z(region) for name, region in scored.regions.items()},
        volumes_mm3=_measures(scored.volumes_mm3),
        thickness_mm=_measures(scored.thickness_mm),
        ratios=_measures(scored.ratios),
        asymmetry_percent=_measures(scored.asymmetry_percent),
        percent_per_year={
            name: _rate(scored.change[name]) if name in scored.change else Measure(None, reason=why)
            for name in scored.regions
        },
    )


def _measures(quantities: Mapping[str, Quantity]) -> dict[str, Measure]:
    return {
        name: Measure(quantity.value, quantity.error_sd, quantity.reason)
        for name, quantity in quantities.items()
    }


def _z(region: RegionScore) -> Measure:
    """Z with its error; where a part of that is not known, with those parts that are."""
    if region.z_sd is not None or not region.z_sd_parts:
        return Measure(region.z, region.z_sd, region.reason)
    parts = [part for part in region.z_sd_parts.values() if part is not None]
    return Measure(region.z, sum(part * part for part in parts) ** 0.5, region.reason, partly=True)


def _rate(change: Change) -> Measure:
    return Measure(change.percent_per_year, change.se_percent_per_year, change.reason)


def _engine(model: RiskModel) -> Engine:
    """Name the model by its manifest's hash, which holds those of its files."""
    return Engine(
        name=model.manifest.name, version=model.manifest.version, weights_sha256=model.sha256
    )


def _quantities(features: Mapping[str, Measure]) -> dict[str, Quantity]:
    return {
        name: Quantity(value=each.value, error_sd=each.error_sd, reason=each.reason)
        for name, each in features.items()
    }


def _withheld(
    scored: AtrophyScored,
    model: RiskModel,
    features: Mapping[str, Measure],
    result: NoPrediction,
    seconds: dict[str, float],
) -> RiskWithheld:
    return RiskWithheld(
        subject_id=scored.subject_id,
        scan_id=scored.scan_id,
        user_id=scored.user_id,
        model=_engine(model),
        reasons=tuple(
            Reason(code=reason.code, message=_message(reason, result)) for reason in result.reasons
        ),
        missing=result.given.missing,
        features=_quantities(features),
        seconds=seconds,
    )


def _message(reason: Withheld, result: NoPrediction) -> str:
    message = MESSAGES[reason.code]
    if reason.feature is None:
        return message
    cause = result.given.missing.get(reason.feature)
    return f"{message}: {reason.feature} ({cause})" if cause else f"{message}: {reason.feature}"


def _predicted(
    scored: AtrophyScored,
    model: RiskModel,
    features: Mapping[str, Measure],
    result: Prediction,
    seconds: dict[str, float],
) -> RiskPredicted:
    explanation = result.explanation
    contributions = _contributions(result)
    totals: dict[str, float] = {}
    for each in contributions:
        totals[each.group or ""] = totals.get(each.group or "", 0.0) + each.contribution
    return RiskPredicted(
        subject_id=scored.subject_id,
        scan_id=scored.scan_id,
        user_id=scored.user_id,
        model=_engine(model),
        probabilities=result.probabilities,
        intervals95=result.intervals95,
        interval_omits=result.given.partly,
        prevalence=result.prevalence,
        dementia_similarity=result.probabilities.get(DEMENTIA),
        explained=EXPLAINED if result.explained == DEMENTIA else f"similarity_{result.explained}",
        base=explanation.base,
        output=result.similarity,
        contributions=contributions,
        group_contributions=totals,
        method=explanation.method,
        baseline=explanation.baseline,
        background_people=explanation.background_people,
        additivity_error=explanation.additivity_error,
        missing=result.given.missing,
        features=_quantities(features),
        seconds=seconds,
    )


def _contributions(result: Prediction) -> tuple[Contribution, ...]:
    """Give what each input adds, the largest first."""
    effects = sorted(result.explanation.effects.items(), key=lambda each: -abs(each[1].value))
    return tuple(
        Contribution(
            feature=name,
            value=result.given.values[name],
            contribution=effect.value,
            group=group(name),
            error=effect.error,
            sentence=sentence(name, result.given.values[name], effect.value),
        )
        for name, effect in effects
    )
