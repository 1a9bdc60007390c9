# SPDX-License-Identifier: Apache-2.0
"""Settings of every process, from the environment. docs/CONFIG.md is generated from here."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from memoryguard.common.errors import Misconfigured


class KafkaSettings(BaseSettings):
    """The bus of a real deployment, and how its topics are made."""

    model_config = SettingsConfigDict(env_prefix="MEMORYGUARD_KAFKA_", frozen=True, extra="ignore")

    servers: str = Field(
        default="",
        description="host:port of brokers, separated by commas. Empty: the bus is in PostgreSQL.",
    )
    prefix: str = Field(
        default="",
        pattern=r"^[a-zA-Z0-9._-]*$",
        description="Put before every topic and group, in a cluster shared with others.",
    )
    security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="Protocol of the brokers' listener."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="How a SASL login is proved."
    )
    user: str | None = Field(default=None, description="SASL user.")
    password: SecretStr | None = Field(default=None, description="SASL password.")
    ca_file: Path | None = Field(
        default=None, description="Certificates that brokers are checked with; the system's else."
    )
    client_cert_file: Path | None = Field(
        default=None, description="Our certificate (PEM), where brokers ask for one."
    )
    client_key_file: Path | None = Field(default=None, description="Its private key (PEM).")
    session_timeout_s: float = Field(
        default=10.0, gt=0, description="Silence after which a consumer is taken for dead."
    )
    partitions: int | None = Field(
        default=None, ge=1, description="Partitions of a new topic, instead of the flow's."
    )
    replication: int = Field(
        default=1, ge=1, description="Replicas of a new topic; one fewer must confirm a write."
    )
    retention_ms: int | None = Field(
        default=None, ge=-1, description="Retention of a new topic, instead of the flow's."
    )


class OidcSettings(BaseSettings):
    """An OpenID provider whose bearer tokens are taken beside the local issuer's."""

    model_config = SettingsConfigDict(env_prefix="MEMORYGUARD_OIDC_", frozen=True, extra="ignore")

    issuer: str = Field(
        default="", description="Its issuer (iss), a URL. Empty: only the local issuer's tokens."
    )
    audience: str = Field(default="memoryguard", description="Audience (aud) of tokens for us.")
    jwks_url: str = Field(
        default="", description="Where its keys are; empty: its discovery document says it."
    )
    jwks_file: Path | None = Field(
        default=None, description="A file with its keys instead, read again when they change."
    )
    roles_claim: str = Field(
        default="roles",
        min_length=1,
        description="Claim with the roles; dots lead into objects, as in realm_access.roles.",
    )
    ca_file: Path | None = Field(
        default=None, description="Certificates that it is checked with; the system's else."
    )


class PlatformSettings(BaseSettings):
    """What a process needs to join the platform. Names are upper-cased with ``MEMORYGUARD_``."""

    model_config = SettingsConfigDict(
        env_prefix="MEMORYGUARD_", frozen=True, extra="ignore", populate_by_name=True
    )

    database_url: SecretStr = Field(description="PostgreSQL, for instance postgresql://host/db.")
    storage: str = Field(
        validation_alias=AliasChoices("IMAGING_STORAGE_PATH", "storage"),
        description="Object store: a folder, or s3://, gs://, az:// with the cloud's variables.",
    )
    encryption_keys: SecretStr = Field(
        validation_alias=AliasChoices("IMAGING_ENCRYPTION_KEY", "encryption_keys"),
        description="Fernet keys, separated by commas; the first encrypts, all decrypt.",
    )
    vault_key: SecretStr = Field(description="32 bytes in URL-safe base64; makes pseudonyms.")
    token_public_key: str = Field(description="Ed25519 public key (PEM) of the token issuer.")
    token_issuer: str = Field(default="memoryguard-local", description="Expected issuer (iss).")
    import_root: Path | None = Field(
        default=None, description="Folder that scan.available events may name files in."
    )
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    oidc: OidcSettings = Field(default_factory=OidcSettings)
    profile: Literal["development", "production"] = Field(
        default="development",
        description="production: what would cross the network unencrypted is refused at start.",
    )
    behind_proxy: bool = Field(
        default=False,
        description="A proxy in front ends TLS, and names the caller last in X-Forwarded-For.",
    )
    tls_cert_file: Path | None = Field(
        default=None, description="Certificate chain (PEM) to serve with; 1.2 is the oldest TLS."
    )
    tls_key_file: Path | None = Field(default=None, description="Its private key (PEM).")
    rate_per_second: float = Field(
        default=500.0, gt=0, description="Requests of one account; ten seconds' worth at once."
    )
    anonymous_rate_per_second: float = Field(
        default=20.0, gt=0, description="Refused or public requests of one address; likewise."
    )
    cors_origins: str = Field(
        default="",
        pattern=r"^(https?://[^/\s,*]+(\s*,\s*https?://[^/\s,*]+)*)?$",
        description="Origins whose pages may read answers, exactly, separated by commas.",
    )
    host: str = Field(default="127.0.0.1", description="Address to serve HTTP on.")
    port: int = Field(default=8470, ge=0, le=65535, description="Port; 0 takes a free one.")
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR.")
    trace_to_console: bool = Field(default=False, description="Print spans to standard error.")
    cpu_workers: int = Field(default=1, ge=1, le=64, description="Processes for long CPU work.")


def read_settings() -> PlatformSettings:
    """Read the platform's settings from the environment; see ``read``."""
    return read(PlatformSettings)


def variable(cls: type[BaseSettings], name: str, field: FieldInfo) -> str:
    """Name the environment variable of a setting; of several, the first."""
    if isinstance(field.validation_alias, AliasChoices):
        return str(field.validation_alias.choices[0])
    return f"{cls.model_config.get('env_prefix', '')}{name}".upper()


Settings = TypeVar("Settings", bound=BaseSettings)


def read(settings: type[Settings]) -> Settings:
    """Read the environment; Misconfigured names what is missing or wrong, never a value."""
    try:
        return settings()
    except ValidationError as error:
        names = sorted({str(part["loc"][0]) for part in error.errors()})
        raise Misconfigured(
            "bad_settings",
            f"settings missing or wrong: {', '.join(names)}",
            "docs/CONFIG.md lists every setting",
        ) from None
