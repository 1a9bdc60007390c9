# SPDX-License-Identifier: Apache-2.0
"""Settings of the api, from the environment."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ApiSettings(BaseSettings):
    """Whom clinicians see, and how long the exceptions from it last."""

    model_config = SettingsConfigDict(env_prefix="MEMORYGUARD_API_", frozen=True, extra="ignore")

    clinicians_see: Literal["everybody", "granted"] = Field(
        default="everybody",
        description="granted: only who has let them, scans of nobody known, and by breaking glass.",
    )
    override_minutes: int = Field(
        default=60, ge=1, le=240, description="How long broken glass stays open, if nobody says."
    )
    override_max_minutes: int = Field(
        default=240, ge=1, le=240, description="The longest that may be asked for."
    )
    session_idle_minutes: int = Field(
        default=30, ge=1, le=1440, description="A browser session ends when unused for so long."
    )
