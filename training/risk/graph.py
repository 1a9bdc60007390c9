# SPDX-License-Identifier: Apache-2.0
"""The risk model as one ONNX graph: which inputs are known chooses the coefficients."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET, IR = 17, 8
BATCH = "people"


def build(
    table: NDArray[np.float64], bootstraps: NDArray[np.float64], always: int
) -> onnx.ModelProto:
    """Build the graph.

    Parameters
    ----------
    table
        Coefficients (2 ** optional, k + 1, 3) on features as they come, intercepts last, zero
        for what is not known. Bit j of the first index: optional feature j is known.
    bootstraps
        The same for every bootstrap (b, 2 ** optional, k + 1, 3).
    always
        How many features come first that must be known; where one is not, the answer is NaN.
    """
    features = table.shape[1] - 1
    optional = np.arange(features) >= always
    constants = {
        "table": table,
        "bootstraps": bootstraps.astype(np.float32),
        "optional": optional,
        "powers": np.where(optional, 2.0 ** (np.arange(features) - always), 0.0)[:, None],
        "nothing": np.asarray(0.0),
        "one": np.asarray(1.0),
        "intercept": np.asarray([0, 0, 0, 1], dtype=np.int64),
        "flat": np.asarray([-1], dtype=np.int64),
        "row": np.asarray([1], dtype=np.int64),
        "bootstrap_row": np.asarray([2], dtype=np.int64),
    }
    graph = helper.make_graph(
        [*_coefficients(), *_probabilities(), *_bootstrap()],
        "dementia_similarity",
        [_value("features", [BATCH, features])],
        [
            _value("probabilities", [BATCH, 3]),
            _value("coefficients", [BATCH, features + 1, 3]),
            _value("bootstrap", [BATCH, len(bootstraps), 3]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR,
        producer_name="memoryguard",
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _coefficients() -> list[onnx.NodeProto]:
    """Number of the pattern of known inputs, and its coefficients (people, k + 1, 3)."""
    node = helper.make_node
    return [
        node("IsNaN", ["features"], ["unknown"]),
        node("Not", ["unknown"], ["known"]),
        node("Cast", ["known"], ["known_number"], to=TensorProto.DOUBLE),
        node("MatMul", ["known_number", "powers"], ["pattern_number"]),
        node("Cast", ["pattern_number"], ["pattern_column"], to=TensorProto.INT64),
        node("Reshape", ["pattern_column", "flat"], ["pattern"]),
        node("Gather", ["table", "pattern"], ["coefficients"], axis=0),
    ]


def _probabilities() -> list[onnx.NodeProto]:
    """Softmax of (features, 1) times the coefficients; what is not known meets a zero."""
    node = helper.make_node
    return [
        node("And", ["unknown", "optional"], ["left_out"]),
        node("Where", ["left_out", "nothing", "features"], ["filled"]),
        node("Pad", ["filled", "intercept", "one"], ["person"]),
        node("Unsqueeze", ["person", "row"], ["person_row"]),
        node("MatMul", ["person_row", "coefficients"], ["scores_row"]),
        node("Squeeze", ["scores_row", "row"], ["scores"]),
        node("Softmax", ["scores"], ["probabilities"], axis=-1),
    ]


def _bootstrap() -> list[onnx.NodeProto]:
    """Probabilities (people, b, 3) of every bootstrap; its table is kept in single precision."""
    node = helper.make_node
    return [
        node("Gather", ["bootstraps", "pattern"], ["drawn_single"], axis=1),
        node("Cast", ["drawn_single"], ["drawn"], to=TensorProto.DOUBLE),
        node("MatMul", ["person_row", "drawn"], ["drawn_scores_row"]),
        node("Squeeze", ["drawn_scores_row", "bootstrap_row"], ["drawn_scores"]),
        node("Softmax", ["drawn_scores"], ["drawn_probabilities"], axis=-1),
        node("Transpose", ["drawn_probabilities"], ["bootstrap"], perm=[1, 0, 2]),
    ]


def _value(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.DOUBLE, shape)
