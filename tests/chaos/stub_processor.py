# SPDX-License-Identifier: Apache-2.0
"""The processor with its measuring replaced, as a recipe and as a process of its own.

Volumes follow from the bytes of the archive, so that they differ between scans and are the same
whenever a scan is measured again. A series of ``REFUSED_SLICES`` slices is refused.
"""

from __future__ import annotations

import hashlib
import io
import zipfile

import stub_measure

from memoryguard.common.contracts.events import Quantity
from memoryguard.common.runtime.run import main
from memoryguard.processor.extract import Extract
from memoryguard.processor.service import recipe

REFUSED_SLICES = 25


def measure(archive: bytes, threads: int) -> Extract:
    """Give volumes made of the archive's digest."""
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        if len(files.namelist()) == REFUSED_SLICES:
            return stub_measure.refuse(archive, threads)
    digest = hashlib.sha256(archive).digest()
    extract = stub_measure.constant(archive, threads)
    for at, (name, volume) in enumerate(list(extract.volumes_mm3.items())):
        if volume.value is not None:
            value = volume.value * (1 - digest[at] / 2560)
            extract.volumes_mm3[name] = Quantity(value=value, error_sd=volume.error_sd)
    return extract


RECIPE = recipe(measure, stub_measure.drawn, stub_measure.told)

if __name__ == "__main__":
    main(RECIPE)
