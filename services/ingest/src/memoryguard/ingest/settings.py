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
        default=4 << 30, ge=1, description="Largest upload, unpacked. It is not held in memory."
    )
    max_upload_files: int = Field(default=20_000, ge=1, description="Most files in one upload.")
    concurrency: int = Field(default=2, ge=1, le=64, description="Intakes side by side.")
    parsers: int = Field(default=2, ge=1, le=64, description="Limited processes that read files.")
    quiet_s: float = Field(
        default=10.0,
        gt=0,
        description="A series that came by DICOMweb or DIMSE is taken for complete when it is"
        " whole and nothing of its study has come for so long.",
    )
    patience_s: float = Field(
        default=3600.0, gt=0, description="A series that is not whole after so long is refused."
    )
    origins: str = Field(
        default="",
        description="DICOMweb servers and buckets that scan.available events may name, separated by"
        " commas: https://pacs.example/dicom-web,s3://bucket/folder. No other is ever asked.",
    )
    origin_authorizations: SecretStr = Field(
        default=SecretStr(""),
        description="JSON object: an origin, and the Authorization header that is sent to it.",
    )
    results_to: str = Field(
        default="",
        description="Archives that results are stored back to under the original identity,"
        " separated by commas: DICOMweb servers (https://pacs.example/dicom-web) and DICOM nodes"
        " (dicom://TITLE@10.0.0.5:104, dicoms:// with TLS). Only results of scans that a PACS, an"
        " integration or a clinician sent. Empty: none are.",
    )
    results_authorizations: SecretStr = Field(
        default=SecretStr(""),
        description="JSON object: such a DICOMweb server, and the Authorization header that is sent"
        " to it.",
    )
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
