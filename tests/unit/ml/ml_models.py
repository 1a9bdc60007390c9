# SPDX-License-Identifier: Apache-2.0
"""People, and models that are not ours, for the tests of ml."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from memoryguard.ml.domain.features import FEATURES, Measure
from memoryguard.ml.manifest import MANIFEST

PERSON = {
    "age_years": 74.0,
    "male": 0.0,
    "education_years": 15.0,
    "apoe4_alleles": 1.0,
    "moca": 22.0,
    "mmse": 26.0,
    "hippocampus_z": -1.4,
    "ventricles_z": 1.1,
    "brain_z": -0.6,
    "hippocampus_percent_per_year": -2.5,
}
LINEAR_INPUTS = ("hippocampus_z", "brain_z")
FOREIGN_INPUTS = ("age_years", "cortex_thickness_mm", "hippocampus_asymmetry_percent")


def measures(
    values: dict[str, float], errors: dict[str, float] | None = None
) -> dict[str, Measure]:
    """Everything that is gathered, of which only these values are known."""
    found = {name: Measure(None, reason="not_measured") for name in FEATURES}
    known_errors = {"hippocampus_percent_per_year": 1.0} | (errors or {})
    return found | {n: Measure(value, known_errors.get(n)) for n, value in values.items()}


def network(
    element: int = TensorProto.FLOAT,
    inputs: int = len(FOREIGN_INPUTS),
    classes: int = 2,
    scale: float = 1.0,
    output: str = "probabilities",
) -> bytes:
    """Softmax of squares and products: no model whose coefficients we would know."""
    kind = np.float32 if element == TensorProto.FLOAT else np.float64
    generator = np.random.default_rng(7)
    weights = (0.02 * generator.standard_normal((inputs, classes))).astype(kind)
    graph = helper.make_graph(
        [
            helper.make_node("Tanh", ["rows"], ["bent"]),
            helper.make_node("MatMul", ["rows", "weights"], ["linear"]),
            helper.make_node("MatMul", ["bent", "weights"], ["curved"]),
            helper.make_node("Mul", ["linear", "curved"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["shares"], axis=-1),
            helper.make_node("Mul", ["shares", "scale"], [output]),
        ],
        "foreign",
        [helper.make_tensor_value_info("rows", element, ["n", inputs])],
        [helper.make_tensor_value_info(output, element, ["n", classes])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.asarray(scale, dtype=kind), "scale"),
        ],
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def linear_network(bend: float = 0.0, off: float = 0.0) -> bytes:
    """Build two linear scores of two inputs, and their coefficients.

    Parameters
    ----------
    bend
        Added to the second score where the first input is well above the second: there the
        coefficients are not the whole truth.
    off
        Added to the coefficients that are stated.
    """
    node, double = helper.make_node, TensorProto.DOUBLE
    weights = np.asarray([[0.0, 0.5], [0.0, -1.0], [0.0, 0.3]])
    constants = {
        "weights": weights,
        "stated": (weights + np.asarray([0.0, off]))[None],
        "intercept": np.asarray([0, 0, 0, 1], dtype=np.int64),
        "one": np.asarray(1.0),
        "first_over_second": np.asarray([[1.0], [-1.0]]),
        "well_above": np.asarray(0.2),
        "bend": np.asarray([[0.0, bend]]),
        "shape": np.asarray([3, 2], dtype=np.int64),
        "start": np.asarray([0], dtype=np.int64),
        "end": np.asarray([1], dtype=np.int64),
    }
    graph = helper.make_graph(
        [
            node("Pad", ["rows", "intercept", "one"], ["person"]),
            node("MatMul", ["person", "weights"], ["linear"]),
            node("MatMul", ["rows", "first_over_second"], ["above"]),
            node("Sub", ["above", "well_above"], ["far"]),
            node("Relu", ["far"], ["beyond"]),
            node("MatMul", ["beyond", "bend"], ["bent"]),
            node("Add", ["linear", "bent"], ["scores"]),
            node("Softmax", ["scores"], ["probabilities"], axis=-1),
            node("Shape", ["rows"], ["sizes"]),
            node("Slice", ["sizes", "start", "end"], ["people"]),
            node("Concat", ["people", "shape"], ["all"], axis=0),
            node("Expand", ["stated", "all"], ["coefficients"]),
        ],
        "linear",
        [helper.make_tensor_value_info("rows", double, ["n", 2])],
        [
            helper.make_tensor_value_info("probabilities", double, ["n", 2]),
            helper.make_tensor_value_info("coefficients", double, ["n", 3, 2]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def linear(folder: Path, content: bytes) -> Path:
    """Write a model that states its coefficients; both inputs are alike in its background."""
    values = [[place, place] for place in np.linspace(-1.0, 1.0, 21).tolist()]
    inputs = [{"name": name, "low": -5.0, "high": 5.0} for name in LINEAR_INPUTS]
    return foreign(folder, content, LINEAR_INPUTS, values, inputs=inputs)


def foreign(
    folder: Path,
    content: bytes | None = None,
    features: tuple[str, ...] = FOREIGN_INPUTS,
    people: list[list[float]] | None = None,
    **changes: Any,
) -> Path:
    """Write a model of somebody else's into a folder."""
    folder.mkdir(exist_ok=True)
    generator = np.random.default_rng(3)
    drawn = (np.asarray([70.0, 2.4, 0.0]) + generator.standard_normal((40, 3))).tolist()
    document: dict[str, Any] = {
        "format": 1,
        "name": "foreign",
        "version": "0.1",
        "inputs": [
            {"name": name, "low": -200.0, "high": 200.0, "required": True}
            for name in FOREIGN_INPUTS
        ],
        "classes": ["healthy", "ill"],
        "explained": "ill",
    }
    files = {
        "model": network() if content is None else content,
        "background": json.dumps({"features": features, "values": people or drawn}).encode(),
    }
    for part, data in files.items():
        (folder / part).write_bytes(data)
        document[part] = {"name": part, "sha256": hashlib.sha256(data).hexdigest()}
    (folder / MANIFEST).write_text(json.dumps(document | changes))
    return folder
