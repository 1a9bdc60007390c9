# SPDX-License-Identifier: Apache-2.0
"""A DICOM series on the disk."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from series_samples import SHAPE, TAGS, oblique, phantom

from memoryguard.cli.dicom_series import write_series


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """An oblique series under names in no order, some without an ending."""
    folder = tmp_path / "series"
    write_series(folder, phantom(), oblique(), TAGS)
    names = random.Random(1).sample(range(1000), SHAPE[0])
    for path, name in zip(sorted(folder.iterdir()), names, strict=True):
        path.rename(folder / (f"{name}" if name % 2 else f"x{name}.dcm"))
    return folder
