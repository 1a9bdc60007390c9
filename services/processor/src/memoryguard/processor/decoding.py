# SPDX-License-Identifier: Apache-2.0
"""What `reading` has done in a limited process: from a stored series to its stored voxels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
import PIL.Image

from memoryguard.processor.stored import stored_series

for _name in (
    *("numpy.ma", "pydicom.pixels.decoders", "pydicom.pixels.processing", "pydicom.pixels.utils"),
    *("PIL.Jpeg2KImagePlugin", "jpeg_ls", "encodings.cp437", "encodings.iso8859_1"),
):
    import_module(_name)  # libraries import them at first use, when a parser can open nothing
PIL.Image.preinit()

Answer: TypeAlias = tuple[dict[str, Any], list[memoryview]]


def stored(files: list[bytes]) -> Answer:
    """Decode the one archive of DICOM instances that is given.

    Returns
    -------
    dict, list of memoryview
        ``shape`` and ``numbers`` (numpy's name of their type) of the voxels that follow, and the
        fields of `stored.Stored`.
    """
    found = stored_series(files)
    numbers = found.planes.dtype.newbyteorder("<")
    planes: Any = np.ascontiguousarray(found.planes, numbers)
    return {
        "shape": list(planes.shape),
        "numbers": numbers.str,
        "order": found.order,
        "scaling": found.scaling,
        "lps_from_ijk": found.lps_from_ijk.tolist(),
    }, [memoryview(planes).cast("B")]


CALLS: Mapping[str, Callable[[list[bytes]], Answer]] = {"stored": stored}
