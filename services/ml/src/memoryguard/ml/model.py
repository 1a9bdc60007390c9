# SPDX-License-Identifier: Apache-2.0
"""The risk model: an ONNX file with a manifest, checked at start, asked, and explained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from memoryguard.common.errors import Misconfigured
from memoryguard.ml.domain import shapley
from memoryguard.ml.domain.abstention import Known, known, withheld
from memoryguard.ml.domain.features import Measure
from memoryguard.ml.domain.prediction import Effect, Explanation, NoPrediction, Prediction
from memoryguard.ml.domain.prevalence import mixed, moved, seats
from memoryguard.ml.explaining import Probability, permuted, reference
from memoryguard.ml.manifest import adds_up, open_folder
from memoryguard.ml.network import BOOTSTRAP, COEFFICIENTS, PROBABILITIES, Network

SHIPPED = Path(__file__).parent / "weights"
TOLERANCE = 1e-6
LARGEST_SUM_ERROR = 1e-5  # of a model in single precision
# People of the background whom an explanation compares with, and draws of the inputs' errors.
COMPARED = 99
DRAWS, SEED = 100, 0


class RiskModel:
    """A model that says how similar a person is to diagnosed groups.

    Parameters
    ----------
    folder
        Folder with ``manifest.json`` and the files it names; the shipped one by default.
    prevalence
        Shares of the groups among the people asked about; the manifest's by default.

    Raises
    ------
    Misconfigured
        When the folder does not hold a model that can be trusted to run (see `manifest` and
        `network`), or shares are given that are none of the model's groups.
    """

    def __init__(
        self, folder: Path | None = None, prevalence: Mapping[str, float] | None = None
    ) -> None:
        found = open_folder(folder or SHIPPED)
        self.manifest = found.manifest
        self.sha256 = found.sha256
        self.inputs = found.manifest.needs()
        self.prevalence = self._shares(prevalence)
        self._place = self.manifest.classes.index(self.manifest.explained)
        self._network = Network(
            found.network, len(self.manifest.inputs), len(self.manifest.classes)
        )
        self._odds = np.asarray(
            [
                self.prevalence[name] / (self.manifest.trained_for or {})[name]
                if self.prevalence
                else 1.0
                for name in self.manifest.classes
            ]
        )
        self.background, self._baseline = self._compared(found.background, found.groups)
        self._check(found.background)

    def predict(
        self,
        features: Mapping[str, Measure],
        quality: Literal["accepted", "warned", "refused"] = "accepted",
    ) -> Prediction | NoPrediction:
        """Compare one person with the diagnosed groups.

        Parameters
        ----------
        features
            Everything that was gathered.
        quality
            Verdict on the scan that it comes from.
        """
        given = known(features, self.inputs)
        reasons = withheld(given, self.inputs, self.manifest.one_of, quality)
        if reasons:
            return NoPrediction(reasons, given)
        row = self._row(given)
        stated = self.probabilities(row[None])[0]
        if not np.isfinite(stated).all():
            raise ArithmeticError("the risk model's answer is no number")
        return Prediction(
            probabilities=dict(zip(self.manifest.classes, stated.tolist(), strict=True)),
            intervals95=self._intervals(row, given, stated),
            prevalence=self.prevalence,
            explained=self.manifest.explained,
            explanation=self._explain(row, float(stated[self._place])),
            given=given,
        )

    def probabilities(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities (n, classes) of rows (n, inputs), NaN where not known, as deployed."""
        return moved(self._network.probabilities(rows), self._odds)

    def coefficients(self, row: NDArray[np.float64]) -> NDArray[np.float64]:
        """Coefficients (inputs + 1, classes) that answer for a row (inputs,), as deployed."""
        found = self._network.run(COEFFICIENTS, row[None])[0]
        found[-1] += np.log(self._odds)
        return found

    def warm_up(self) -> None:
        """Load what a first answer needs, and hold our exact Shapley values against shap's.

        Raises
        ------
        Misconfigured
            When they differ by more than 1e-6.
        """
        middle = np.median(self.background, axis=0)
        output = float(self.probabilities(middle[None])[0, self._place])
        found = self._explain(middle, output)
        if found.method == "exact":
            base, effects = reference(self._probability(middle), middle, self.background)
            ours = np.asarray([effect.value for effect in found.effects.values()])
            if max(abs(base - found.base), float(np.abs(ours - effects).max())) > TOLERANCE:
                raise Misconfigured(
                    "risk_model_explanation",
                    "exact Shapley values of the risk model differ from shap's",
                    "install the locked versions of numpy, onnxruntime and shap",
                )

    def _row(self, given: Known) -> NDArray[np.float64]:
        return np.asarray([given.values.get(name, np.nan) for name in self.manifest.features])

    def _shares(self, given: Mapping[str, float] | None) -> dict[str, float]:
        """Give the shares of the groups as deployed; empty where the model knows of none."""
        if given is None:
            return dict(self.manifest.prevalence or {})
        positive = all(0.0 < share < 1.0 for share in given.values())
        if self.manifest.trained_for is None or not (
            positive and adds_up(given, self.manifest.classes)
        ):
            raise Misconfigured(
                "risk_prevalence",
                "the stated prevalence does not fit the risk model",
                f"MEMORYGUARD_ML_PREVALENCE: shares of {', '.join(self.manifest.classes)} that"
                " add up to 1, for a model that says what shares it was trained for",
            )
        return {name: given[name] for name in self.manifest.classes}

    def _compared(
        self, background: NDArray[np.float64], groups: tuple[str, ...]
    ) -> tuple[NDArray[np.float64], str]:
        """People whom an explanation starts from, and what to call them."""
        if not (groups and self.prevalence):
            return background, f"mean over {len(background)} people of the model's background"
        counts = seats(self.prevalence, COMPARED)
        people = mixed(background, groups, counts)
        listed = ", ".join(f"{count} {name}" for name, count in counts.items())
        return people, f"mean over {len(people)} drawn people ({listed}), mixed by the prevalence"

    def _check(self, background: NDArray[np.float64]) -> None:
        """Stop when what comes out is no probabilities, or not those of the coefficients given."""
        sparse = background.copy()
        sparse[:, np.asarray([not each.required for each in self.inputs])] = np.nan
        sound = all(self._sound(rows) for rows in (background, sparse))
        if not sound or (self._network.gives(COEFFICIENTS) and not self._linear(background)):
            raise Misconfigured(
                "risk_model_output",
                "the risk model's answers for its own background are no probabilities",
                "they are finite, add up to 1, and are the softmax of coefficients where it gives"
                " any",
            )

    def _sound(self, rows: NDArray[np.float64]) -> bool:
        found = self._network.probabilities(rows)
        return (
            found.shape == (len(rows), len(self.manifest.classes))
            and bool(np.isfinite(found).all())
            and bool((found >= 0.0).all())
            and bool((np.abs(found.sum(axis=1) - 1.0) < LARGEST_SUM_ERROR).all())
        )

    def _linear(self, rows: NDArray[np.float64]) -> bool:
        """Say whether probabilities are the softmax of (features, 1) times the coefficients."""
        found = self._network.run(COEFFICIENTS, rows)
        if found.shape != (len(rows), rows.shape[1] + 1, len(self.manifest.classes)):
            return False
        scores = np.einsum("nk,nkc->nc", np.column_stack([rows, np.ones(len(rows))]), found)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        expected = powers / powers.sum(axis=1, keepdims=True)
        return bool((np.abs(expected - self._network.probabilities(rows)) < TOLERANCE).all())

    def _intervals(
        self, row: NDArray[np.float64], given: Known, stated: NDArray[np.float64]
    ) -> dict[str, tuple[float, float]]:
        """95 % of what other draws of the moments and of the inputs' own errors would say.

        Errors are drawn independently, always with the same numbers. An interval is widened to
        hold the probability itself.
        """
        errors = np.asarray([given.errors.get(name, 0.0) for name in self.manifest.features])
        rows = row[None]
        if errors.any():
            noise = np.random.default_rng(SEED).standard_normal((DRAWS, len(errors)))
            rows = row + noise * errors
        output = BOOTSTRAP if self._network.gives(BOOTSTRAP) else PROBABILITIES
        found = moved(self._network.run(output, rows), self._odds).reshape(-1, len(stated))
        low, high = np.percentile(found, [2.5, 97.5], axis=0)
        ends = zip(np.minimum(low, stated).tolist(), np.maximum(high, stated).tolist(), strict=True)
        return dict(zip(self.manifest.classes, ends, strict=True))

    def _probability(self, row: NDArray[np.float64]) -> Probability:
        """Give the explained group's probability as a function of the known inputs alone."""
        places = np.flatnonzero(~np.isnan(row))

        def probability(rows: NDArray[np.float64]) -> NDArray[np.float64]:
            full = np.full((len(rows), len(row)), np.nan)
            full[:, places] = rows
            return self.probabilities(full)[:, self._place]

        return probability

    def _explain(self, row: NDArray[np.float64], output: float) -> Explanation:
        """Give Shapley values over the known inputs; the others are in no coalition."""
        places = np.flatnonzero(~np.isnan(row))
        person, background = row[places], self.background[:, places]
        if self._network.gives(COEFFICIENTS) and len(places) <= shapley.LARGEST:
            coefficients = self.coefficients(row)[np.append(places, -1)]
            base, values = shapley.exact(person, background, coefficients, self._place)
            method, errors = "exact", [None] * len(values)
        else:
            base, values, spread = permuted(self._probability(row), person, background)
            method, errors = "permutation", spread.tolist()
        off = abs(base + float(values.sum()) - output)
        if off > TOLERANCE:
            raise ArithmeticError("Shapley values do not add up to the model's output")
        names = [self.manifest.features[place] for place in places]
        effects = [Effect(*each) for each in zip(values.tolist(), errors, strict=True)]
        return Explanation(
            base=base,
            effects=dict(zip(names, effects, strict=True)),
            method=method,
            additivity_error=off,
            baseline=self._baseline,
            background_people=len(background),
        )
