# SPDX-License-Identifier: Apache-2.0
"""Settings of the api, from the environment."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ApiSettings(BaseSettings):
    """Whom clinicians see, how long exceptions and sessions last, and how browsers sign in."""

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
    oidc_client_id: str = Field(
        default="",
        description="Our name at the provider of MEMORYGUARD_OIDC_ISSUER. Empty: no such sign-in.",
    )
    oidc_client_secret: SecretStr | None = Field(
        default=None, description="Our secret there; none for a public client. PKCE is always used."
    )
    oidc_redirect_url: str = Field(
        default="",
        description="Where it sends browsers back to: https://<this server>/sign-in/callback.",
    )
    oidc_scope: str = Field(
        default="openid",
        description="Scopes that are asked for; with them, its access token must be a JWT for us.",
    )
