# SPDX-License-Identifier: Apache-2.0
"""Settings of the processor, from the environment."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ProcessorSettings(BaseSettings):
    """How many scans are measured side by side, and with how many threads each."""

    model_config = SettingsConfigDict(
        env_prefix="MEMORYGUARD_PROCESSOR_", frozen=True, extra="ignore"
    )

    concurrency: int = Field(default=1, ge=1, le=64, description="Scans measured side by side.")
    threads: int = Field(default=2, ge=1, le=64, description="Threads of one measurement.")
