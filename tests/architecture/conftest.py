# SPDX-License-Identifier: Apache-2.0
"""What architecture tests are given."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from built import Built, build_all
from cryptography.fernet import Fernet

from memoryguard.common.security.tokens import generate_key_pair


@pytest_asyncio.fixture
async def built(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Built]:
    """All six services on real resources; none of them runs yet."""
    monkeypatch.setenv("MEMORYGUARD_AUDIT_SIGNING_KEY", generate_key_pair()[0].decode())
    monkeypatch.setenv("MEMORYGUARD_IDENTITY_KEY", Fernet.generate_key().decode())
    async with build_all(tmp_path, database_url) as services:
        yield services
