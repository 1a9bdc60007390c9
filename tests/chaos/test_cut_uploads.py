# SPDX-License-Identifier: Apache-2.0
"""kill -9 of ingest while many upload: what it acknowledged is there once, the rest comes again."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from cut_uploads import made_uploads, one_round

UPLOADS = 60  # benchmarks/cut_uploads.py has 200, and several moments
AFTER = 20
SEED = 5


@pytest.mark.slow
async def test_every_upload_is_one_scan_whether_it_was_cut_off_or_not(tmp_path: Path) -> None:
    done = await one_round(tmp_path, made_uploads(UPLOADS), AFTER, random.Random(SEED))
    assert not done.wrong
    assert AFTER <= done.acknowledged < UPLOADS, "it was killed too late"
