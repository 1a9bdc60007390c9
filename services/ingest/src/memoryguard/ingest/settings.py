# SPDX-License-Identifier: Apache-2.0
"""Settings of ingest, from the environment."""

from __future__ import annotations

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from memoryguard.common.errors import Misconfigured
from memoryguard.common.runtime.settings import PlatformSettings
from memoryguard.common.security.keyring import KeyRing


class IngestSettings(BaseSettings):
    """Limits of intake."""

    model_config = SettingsConfigDict(
        env_prefix="MEMORYGUARD_INGEST_", frozen=True, extra="ignore", populate_by_name=True
    )

    max_upload_bytes: int = Field(
        default=1 << 30, ge=1, description="Largest upload; it is held in memory while checked."
    )
    max_upload_files: int = Field(default=5000, ge=1, description="Most files in one upload.")
    concurrency: int = Field(default=2, ge=1, le=64, description="Intakes side by side.")
    identity_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("MEMORYGUARD_IDENTITY_KEY", "identity_key"),
        description="Fernet keys of the identity vault, as IMAGING_ENCRYPTION_KEY. Required.",
    )

    def identity_ring(self, platform: PlatformSettings) -> KeyRing:
        """Build the identity vault's key ring.

        Raises
        ------
        Misconfigured
            ``no_identity_key``, ``shared_identity_key``.
        """
        keys = self.identity_key.get_secret_value() if self.identity_key else ""
        try:
            ring = KeyRing.from_setting(keys)
        except Misconfigured as error:
            raise Misconfigured(
                "no_identity_key",
                "ingest has no usable key for its identity vault",
                "set MEMORYGUARD_IDENTITY_KEY: Fernet keys, separated by commas",
            ) from error
        others = KeyRing.from_setting(platform.encryption_keys.get_secret_value())
        if not set(ring.fingerprints).isdisjoint(others.fingerprints):
            raise Misconfigured(
                "shared_identity_key",
                "the identity vault has a key of the object store",
                "give MEMORYGUARD_IDENTITY_KEY keys of its own",
            )
        return ring
