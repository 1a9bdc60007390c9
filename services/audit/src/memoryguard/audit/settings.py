# SPDX-License-Identifier: Apache-2.0
"""Settings of audit, from the environment."""

from __future__ import annotations

from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from memoryguard.audit.cosigned import Witness
from memoryguard.common.errors import Misconfigured
from memoryguard.tlog.cosignature import WitnessKey
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.note import Signer


class AuditSettings(BaseSettings):
    """Under which name and key the log is signed, and how often."""

    model_config = SettingsConfigDict(env_prefix="MEMORYGUARD_AUDIT_", frozen=True, extra="ignore")

    signing_key: SecretStr | None = Field(
        default=None, description="Ed25519 private key (PEM) that signs checkpoints. Required."
    )
    origin: str = Field(
        default="memoryguard/audit", pattern=r"^[^\s+]+$", description="Name of the log."
    )
    checkpoint_s: float = Field(
        default=2.0, gt=0, description="Seconds between checkpoints of a growing log."
    )

    witnesses: str = Field(
        default="",
        description="Who cosigns the log: pairs KEY=URL, with spaces between them;"
        " `memoryguard witness new-key` prints the key.",
    )
    cosign_s: float = Field(
        default=60.0,
        gt=0,
        description="Seconds after which witnesses sign again a log that has not grown.",
    )

    def signer(self) -> Signer:
        """Build the log's signer; Misconfigured when there is no usable key."""
        try:
            pem = self.signing_key.get_secret_value().encode() if self.signing_key else b""
            key = load_pem_private_key(pem, None)
        except ValueError:
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise Misconfigured(
                "no_signing_key",
                "audit has no Ed25519 signing key",
                "set MEMORYGUARD_AUDIT_SIGNING_KEY",
            )
        return Signer(self.origin, key)

    def witness_addresses(self) -> list[Witness]:
        """Read the witnesses; Misconfigured when one is not a verifier key and an address."""
        return [_witness(pair) for pair in self.witnesses.split()]


def _witness(pair: str) -> Witness:
    key, _, rest = pair.partition("=http")  # a name may have a "=", too
    url = f"http{rest}"
    try:
        parsed = WitnessKey.parse(key)
    except Unverified:
        parsed = None
    address = urlsplit(url)
    if parsed is None or address.scheme not in ("http", "https") or not address.hostname:
        raise Misconfigured(
            "bad_witnesses",
            "a witness is not given as KEY=URL with the verifier key that it printed",
            "set MEMORYGUARD_AUDIT_WITNESSES",
        )
    return Witness(parsed, url.rstrip("/"))
