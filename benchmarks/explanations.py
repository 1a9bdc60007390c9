# SPDX-License-Identifier: Apache-2.0
"""One explanation of ten known inputs over 99 people, at exact values: ours beside shap's.

Peers run on the same ONNX file. Most of their time is the file, which looks coefficients up for
each of 101,376 rows, so shap's KernelExplainer also runs on the same formula in numpy.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from report import Result, table

from memoryguard.ml.answer import configured_model
from memoryguard.ml.domain.features import Measure
from memoryguard.ml.domain.prediction import Prediction

REPEATS, REPEATS_OF_PEER = 200, 5


def beside_shap() -> Result:
    """Time one explanation of ten inputs by ours and by shap, at exact values, on one file."""
    model = configured_model()
    middle = [(each.low + each.high) / 2.0 for each in model.inputs]
    values = dict(zip(model.manifest.features, middle, strict=True)) | {"male": 1.0}
    features = {name: Measure(value, 0.5) for name, value in values.items()}

    def ours() -> Prediction:
        found = model.predict(features)
        assert isinstance(found, Prediction), "the middle of every range is inside it"
        return found

    background, person = model.background, np.asarray(list(values.values()))
    coefficients = model.coefficients(person)

    def similarity(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return model.probabilities(np.asarray(rows, dtype=np.float64))[:, 2]

    def formula(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        powers = np.exp(rows @ coefficients[:-1] + coefficients[-1])
        return powers[:, 2] / powers.sum(axis=1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap

        kernel = shap.KernelExplainer(similarity, background)
        exact = shap.ExactExplainer(
            similarity, shap.maskers.Independent(background, len(background))
        )
        bare = shap.KernelExplainer(formula, background)
        runs: dict[str, tuple[Callable[[], NDArray[np.float64]], int]] = {
            "a whole prediction of ours": (lambda: _effects(ours()), REPEATS),
            "shap.KernelExplainer": (
                lambda: np.ravel(
                    kernel.shap_values(person, nsamples=2 ** len(person), l1_reg=0, silent=True)
                ),
                REPEATS_OF_PEER,
            ),
            "shap.KernelExplainer on numpy's formula of it": (
                lambda: np.ravel(
                    bare.shap_values(person, nsamples=2 ** len(person), l1_reg=0, silent=True)
                ),
                REPEATS_OF_PEER,
            ),
            "shap.ExactExplainer": (lambda: exact(person[None]).values[0], REPEATS_OF_PEER),
        }
        timed = {name: _timed(run, times) for name, (run, times) in runs.items()}
    reference = timed["a whole prediction of ours"][1]
    return {
        name: {
            "ms": 1000.0 * seconds,
            "difference": float(np.abs(found - reference).max()),
        }
        for name, (seconds, found) in timed.items()
    } | {"additivity_error": ours().explanation.additivity_error}


def _effects(prediction: Prediction) -> NDArray[np.float64]:
    return np.asarray([effect.value for effect in prediction.explanation.effects.values()])


def _timed(run: Callable[[], NDArray[np.float64]], times: int) -> tuple[float, NDArray[np.float64]]:
    """Median seconds, warm, and what came out."""
    found = run()
    seconds: list[float] = []
    for _ in range(times):
        started = time.perf_counter()
        found = run()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds), np.asarray(found, dtype=np.float64)


def print_shap(found: Result) -> None:
    """Print how long explanations take."""
    ours = found["a whole prediction of ours"]["ms"]
    table(
        [
            "one explanation of ten inputs, 99 people",
            "ms, median",
            "times ours",
            "largest difference",
        ],
        [
            [name, f"{f['ms']:.2f}", f"{f['ms'] / ours:.1f}", f"{f['difference']:.1e}"]
            for name, f in found.items()
            if isinstance(f, dict)
        ],
    )
