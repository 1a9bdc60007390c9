# SPDX-License-Identifier: Apache-2.0
"""Settings of the commands that work on a deployment's keys, from the environment."""

from __future__ import annotations

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from memoryguard.common.errors import Misconfigured


class KeySettings(BaseSettings):
    """Where the wrapped keys of a deployment lie, and what they are wrapped with."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    storage: str = Field(
        validation_alias=AliasChoices("IMAGING_STORAGE_PATH", "storage"),
        description="Object store, as for every service.",
    )
    encryption_keys: SecretStr = Field(
        validation_alias=AliasChoices("IMAGING_ENCRYPTION_KEY", "encryption_keys"),
        description="Key ring, as for every service.",
    )
    identity_keys: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("MEMORYGUARD_IDENTITY_KEY", "identity_keys"),
        description="Key ring of the identity vault, as for ingest; left alone when not given.",
    )


def read_key_settings() -> KeySettings:
    """Read the environment; Misconfigured names what is missing, never a value."""
    try:
        return KeySettings()  # pyright: ignore[reportCallIssue]  # the environment fills it
    except ValidationError as error:
        names = ", ".join(sorted(str(part["loc"][0]) for part in error.errors()))
        raise Misconfigured(
            "bad_settings",
            f"settings missing or wrong: {names}",
            "docs/CONFIG.md lists every setting",
        ) from None
