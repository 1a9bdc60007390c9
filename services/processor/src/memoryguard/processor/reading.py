# SPDX-License-Identifier: Apache-2.0
"""Reads a stored series in a limited process of its own (`common.runtime.sandbox`).

Decoders of compressed pixels are native code, and the pixels are a stranger's. What comes back are
the voxels as they are stored, for they are half as large as scaled ones.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from memoryguard.common.errors import Rejected
from memoryguard.common.runtime.sandbox import Limits, Parser
from memoryguard.processor.domain.image import Image
from memoryguard.processor.series import image_of
from memoryguard.processor.stored import MAX_VOXELS, Stored

Document: TypeAlias = dict[str, Any]

LIMITS = Limits(memory_bytes=512 << 20, seconds=60.0)
"""256 slices of 512 x 512 and 16 bits need 445 MB, 300 of them 491 MB; more are ``too_large``."""
_NUMBERS = ("|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<f4")


class Reader:
    """Reads one archive after the other in one process."""

    def __init__(self) -> None:
        self._parser = Parser("memoryguard.processor.decoding", LIMITS)

    def start(self) -> None:
        """Start the process before it is needed: its imports take a second."""
        self._parser.start()

    def read(self, archive: bytes) -> Image:
        """Read a zip of the DICOM instances of one series.

        Raises
        ------
        Rejected
            As `series.read_series`, and as `Parser.call`.
        """
        document, blobs = self._parser.call("stored", [archive])
        return image_of(believed(document, blobs))

    def peak_bytes(self) -> int:
        """Give the largest resident memory of its process so far."""
        return self._parser.peak_bytes()

    def close(self) -> None:
        """End the process."""
        self._parser.close()


def believed(document: Document, blobs: list[bytes]) -> Stored:
    """Take what a parser says, if it fits together: it may be somebody else's by now.

    Raises
    ------
    Rejected
        ``parser_failed``.
    """
    try:
        return _stored(document, blobs)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise Rejected("parser_failed", "The image in it cannot be read.") from error


def _stored(document: Document, blobs: list[bytes]) -> Stored:
    (voxels,), (slices, rows, columns) = blobs, document["shape"]
    if document["numbers"] not in _NUMBERS or not 0 < slices * rows * columns <= MAX_VOXELS:
        raise ValueError("no volume")
    planes = np.frombuffer(voxels, document["numbers"]).reshape(slices, rows, columns)
    order = [int(n) for n in document["order"]]
    scaling = [
        (None if slope is None else float(slope), float(intercept), bool(low))
        for slope, intercept, low in document["scaling"]
    ]
    affine = np.array(document["lps_from_ijk"], np.float64).reshape(4, 4)
    if sorted(order) != list(range(slices)) or len(scaling) != slices:
        raise ValueError("other slices are described than are there")
    return Stored(planes, order, scaling, affine)
