# SPDX-License-Identifier: Apache-2.0
"""Settings of ingest, from the environment."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class IngestSettings(BaseSettings):
    """Limits of intake."""

    model_config = SettingsConfigDict(env_prefix="MEMORYGUARD_INGEST_", frozen=True, extra="ignore")

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
