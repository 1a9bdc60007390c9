# SPDX-License-Identifier: Apache-2.0
"""The risk model: ONNX files with a manifest, run by onnxruntime and explained by shap."""

from __future__ import annotations

import hashlib
import json
import warnings
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from memoryguard.common.errors import Misconfigured
from memoryguard.ml.domain.features import (
    FEATURES,
    OPTIONAL,
    REQUIRED,
    FeatureSet,
    out_of_range,
    withheld,
)
from memoryguard.ml.domain.prediction import (
    Explanation,
    ModelIdentity,
    NoPrediction,
    Prediction,
)

SHIPPED = Path(__file__).parent / "weights"
DEMENTIA = "Dementia"
ADDITIVITY_TOLERANCE = 1e-6


class RiskModel:
    """A family of models, one for every set of known inputs.

    Parameters
    ----------
    weights_dir
        Folder with ``manifest.json`` and the files it names; the shipped one by default.

    Raises
    ------
    Misconfigured
        When a file is absent, differs from its SHA-256, or the manifest asks for features that
        this version does not gather.
    """

    def __init__(self, weights_dir: Path | None = None) -> None:
        self._folder = weights_dir or SHIPPED
        manifest = self._read("manifest.json")
        self._manifest: dict[str, Any] = json.loads(manifest)
        self._manifest_sha256 = hashlib.sha256(manifest).hexdigest()
        unknown = set(self._manifest["ranges"]) ^ set(FEATURES)
        if unknown:
            raise Misconfigured(
                "risk_model_features", "the risk model's features are not those gathered here"
            )
        self._by_features = {tuple(entry["features"]): entry for entry in self._manifest["models"]}
        for entry in self._manifest["models"]:
            self._verified(entry)
        self._background = self._load_background()
        self._sessions: dict[str, Any] = {}
        self._explainers: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """Name of the model family."""
        return self._manifest["name"]

    @property
    def version(self) -> str:
        """Version of the model family."""
        return self._manifest["version"]

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the manifest, which holds that of every file of the family."""
        return self._manifest_sha256

    @property
    def classes(self) -> tuple[str, ...]:
        """Diagnosed groups, in the order of the model's output."""
        return tuple(self._manifest["classes"])

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Lowest and highest value of each feature that the model answers for."""
        return {name: (low, high) for name, (low, high) in self._manifest["ranges"].items()}

    def predict(
        self,
        features: FeatureSet,
        quality: Literal["accepted", "warned", "refused"] = "accepted",
    ) -> Prediction | NoPrediction:
        """Compare one person with the diagnosed groups.

        Parameters
        ----------
        features
            What is known; the model for exactly these inputs answers.
        quality
            Verdict on the scan the volumes come from.
        """
        reasons = withheld(features, self.ranges, quality)
        if reasons:
            return NoPrediction(reasons, features, out_of_range(features, self.ranges))
        names = tuple(name for name in FEATURES if name in features.values)
        entry = self._by_features[names]
        row = np.asarray([[features.values[name] for name in names]], dtype=np.float64)
        probabilities = self._run(entry, row)[0]
        stated = dict(zip(self.classes, probabilities.tolist(), strict=True))
        return Prediction(
            probabilities=stated,
            class_priors=dict(self._manifest["class_priors"]),
            dementia_similarity=stated[DEMENTIA],
            explanation=self._explain(entry, names, row, stated[DEMENTIA]),
            features={name: features.values[name] for name in names},
            missing=dict(features.missing),
            model=ModelIdentity(self.name, self.version, entry["file"], entry["sha256"]),
        )

    def warm_up(self) -> None:
        """Load what the first explanation needs (seconds), so that no scan has to wait for it."""
        names = REQUIRED + OPTIONAL
        middle = np.median(self._background, axis=0)
        self.predict(FeatureSet(dict(zip(names, middle.tolist(), strict=True)), {}))

    def probabilities(
        self, names: tuple[str, ...], rows: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Probabilities (n, 3), float64, of rows (n, k) whose columns are the named features."""
        return self._run(self._by_features[names], rows)

    def _run(self, entry: dict[str, Any], rows: NDArray[np.float64]) -> NDArray[np.float64]:
        import onnxruntime

        file = entry["file"]
        if file not in self._sessions:
            options = onnxruntime.SessionOptions()
            # A matrix of five by three: threads would only wait for each other.
            options.intra_op_num_threads = 1
            self._sessions[file] = onnxruntime.InferenceSession(
                self._verified(entry), options, providers=["CPUExecutionProvider"]
            )
        inputs = {"features": rows.astype(np.float32)}
        return self._sessions[file].run(["probabilities"], inputs)[0].astype(np.float64)

    def _explain(
        self, entry: dict[str, Any], names: tuple[str, ...], row: NDArray[np.float64], output: float
    ) -> Explanation:
        """Exact Shapley values: every coalition of the (at most seven) inputs is evaluated."""
        found = self._explainer(entry, names)(row, silent=True)
        values: NDArray[np.float64] = np.asarray(found.values[0], dtype=np.float64)
        base = float(np.ravel(found.base_values)[0])
        if abs(base + float(values.sum()) - output) > ADDITIVITY_TOLERANCE:
            raise ArithmeticError("Shapley values do not add up to the model's output")
        contributions = dict(zip(names, values.tolist(), strict=True))
        return Explanation(base, contributions, len(self._background))

    def _explainer(self, entry: dict[str, Any], names: tuple[str, ...]) -> Any:
        if entry["file"] not in self._explainers:
            ExactExplainer, Independent = _shap()
            background = self._background[:, [FEATURES.index(name) for name in names]]
            dementia = self.classes.index(DEMENTIA)

            def similarity(rows: NDArray[np.float64]) -> NDArray[np.float64]:
                return self._run(entry, np.asarray(rows))[:, dementia]

            self._explainers[entry["file"]] = ExactExplainer(
                similarity, Independent(background, max_samples=len(background))
            )
        return self._explainers[entry["file"]]

    def _load_background(self) -> NDArray[np.float64]:
        document = json.loads(self._verified(self._manifest["background"]))
        if tuple(document["features"]) != FEATURES:
            raise Misconfigured(
                "risk_model_features", "the background's features are not those gathered here"
            )
        return np.asarray(document["values"], dtype=np.float64)

    def _verified(self, entry: dict[str, Any]) -> bytes:
        data = self._read(entry["file"])
        if hashlib.sha256(data).hexdigest() != entry["sha256"]:
            raise Misconfigured(
                "risk_model_damaged",
                "a file of the risk model differs from its manifest",
                "install the package again, or restore the weights folder",
            )
        return data

    def _read(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except OSError as error:
            raise Misconfigured(
                "risk_model_absent",
                "a file of the risk model cannot be read",
                "install the package again, or check the weights folder in the settings",
            ) from error


def _shap() -> tuple[Any, Any]:
    """Import shap's exact explainer and its masker.

    Up to Python 3.11 shap brings numba, which would compile for 14 s to save 5 ms per
    explanation of seven inputs; it is told not to while shap's functions are defined.
    """
    with warnings.catch_warnings():
        # shap and numba warn about their own dependencies while they load.
        warnings.simplefilter("ignore")
        numba = import_module("numba") if find_spec("numba") else None
        before = numba.config.DISABLE_JIT if numba else None
        try:
            if numba:
                numba.config.DISABLE_JIT = True
            from shap.explainers import ExactExplainer
            from shap.maskers import Independent
        finally:
            if numba:
                numba.config.DISABLE_JIT = before
    return ExactExplainer, Independent
