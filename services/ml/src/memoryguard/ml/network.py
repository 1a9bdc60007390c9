# SPDX-License-Identifier: Apache-2.0
"""A model's ONNX file, run by onnxruntime, and whether it is what its manifest says."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from memoryguard.common.errors import Misconfigured

FLOATS = {"tensor(double)": np.float64, "tensor(float)": np.float32}
PROBABILITIES, COEFFICIENTS, BOOTSTRAP = "probabilities", "coefficients", "bootstrap"

AT_ONCE = 4096
"""Rows that go through a network together."""


class Network:
    """An ONNX model from features (n, k) to probabilities (n, classes).

    It may also give `coefficients` (n, k + 1, classes), of which the probabilities are the
    softmax, and `bootstrap` (n, b, classes): what models fitted on other draws would say.

    Parameters
    ----------
    content
        The ONNX file.
    inputs, classes
        How many columns there are, in and out.

    Raises
    ------
    Misconfigured
        When it cannot be loaded, or its inputs and outputs are others.
    """

    def __init__(self, content: bytes, inputs: int, classes: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # Small matrices: threads would only wait for each other.
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session: Any = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception:  # noqa: BLE001  # onnxruntime's own, of many kinds
            raise Misconfigured(
                "risk_model_unreadable",
                "the risk model is not an ONNX file that can be run",
                "opset 17 and the classic operators will do",
            ) from None
        # What is not asked for is not computed.
        self._run_options = onnxruntime.RunOptions()
        self._run_options.only_execute_path_to_fetches = True
        self._run_options.log_severity_level = 4
        self._outputs = {out.name: list(out.shape) for out in self._session.get_outputs()}
        given = self._session.get_inputs()
        columns = list(given[0].shape) if given else []
        if (
            len(given) != 1
            or given[0].type not in FLOATS
            or len(columns) != 2
            or columns[1] != inputs
            or isinstance(columns[0], int)
            or not self._fits(PROBABILITIES, classes)
            or not all(
                self._fits(each, classes) for each in (COEFFICIENTS, BOOTSTRAP) if self.gives(each)
            )
        ):
            raise Misconfigured(
                "risk_model_shape",
                "the risk model's inputs and outputs are not those of its manifest",
                "one input (people, features), float or double; probabilities (people, classes)",
            )
        self._input: str = given[0].name
        self._type = FLOATS[given[0].type]

    def gives(self, output: str) -> bool:
        """Say whether the model has this output."""
        return output in self._outputs

    def probabilities(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities (n, classes) of rows (n, k); NaN: not known."""
        return self.run(PROBABILITIES, rows)

    def run(self, output: str, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give one output of rows (n, k); NaN: not known."""
        given = np.asarray(rows, dtype=self._type)
        # An explanation asks of hundreds of thousands of rows, and what a network holds of each on
        # its way is a hundred times what it is given.
        parts = [given[at : at + AT_ONCE] for at in range(0, max(len(given), 1), AT_ONCE)]
        found = [self._session.run([output], {self._input: p}, self._run_options)[0] for p in parts]
        return np.concatenate(found, axis=0, dtype=np.float64)

    def _fits(self, output: str, classes: int) -> bool:
        shape = self._outputs.get(output)
        return shape is not None and len(shape) >= 2 and shape[-1] == classes
