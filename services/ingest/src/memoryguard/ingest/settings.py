# SPDX-License-Identifier: Apache-2.0
"""Settings of ingest, from the environment."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class IngestSettings(BaseSettings):
    """Limits of intake."""

    model_config = SettingsConfigDict(env_prefix="MEMORYGUARD_INGEST_", frozen=True, extra="ignore")

    max_upload_bytes: int = Field(
        default=1 << 30, ge=1, description="Largest upload; it is held in memory while checked."
    )
    max_upload_files: int = Field(default=5000, ge=1, description="Most files in one upload.")
    concurrency: int = Field(default=2, ge=1, le=64, description="Intakes side by side.")
