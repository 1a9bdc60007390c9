# SPDX-License-Identifier: Apache-2.0
"""Settings of DIMSE, and which peers may associate."""

from __future__ import annotations

import ssl
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from memoryguard.common.errors import Misconfigured
from memoryguard.common.runtime.settings import PlatformSettings
from memoryguard.common.security.tls import context_of, on_this_machine


class DimseSettings(BaseSettings):
    """The C-STORE receiver."""

    model_config = SettingsConfigDict(env_prefix="MEMORYGUARD_DIMSE_", frozen=True, extra="ignore")

    port: int = Field(default=0, ge=0, le=65535, description="Port of C-STORE; 0: not served.")
    host: str = Field(default="127.0.0.1", description="Address to serve C-STORE on.")
    ae_title: str = Field(
        default="MEMORYGUARD", min_length=1, max_length=16, description="Our AE title."
    )
    peers: str = Field(
        default="",
        description="Who may send: AE titles, each with @address where it must come from there,"
        " separated by commas; for instance PACS@10.0.0.5,SCANNER1.",
    )
    max_associations: int = Field(default=20, ge=1, description="Associations side by side.")
    network_timeout_s: float = Field(
        default=60.0, gt=0, description="A peer that is silent for so long is cut off."
    )
    tls_cert_file: Path | None = Field(default=None, description="Our certificate (PEM).")
    tls_key_file: Path | None = Field(default=None, description="Its private key (PEM).")
    tls_ca_file: Path | None = Field(
        default=None,
        description="Certificates that a peer's own is checked with; then it must have one.",
    )


class Peers:
    """The peers that may associate.

    Raises
    ------
    Misconfigured
        ``no_dimse_peers``: none is listed, and nobody is let in by default.
    """

    def __init__(self, listed: str) -> None:
        entries = [entry.strip() for entry in listed.split(",") if entry.strip()]
        if not entries:
            raise Misconfigured(
                "no_dimse_peers",
                "DIMSE is served but no peer may send",
                "set MEMORYGUARD_DIMSE_PEERS to AE titles, for instance PACS@10.0.0.5",
            )
        self._addresses: dict[str, set[str]] = {}
        for entry in entries:
            title, _, address = entry.partition("@")
            self._addresses.setdefault(title, set()).add(address)

    def may_send(self, ae_title: str, address: str) -> bool:
        """Whether a peer with this title may associate from this address."""
        allowed = self._addresses.get(ae_title.strip(), set())
        return "" in allowed or address in allowed


def tls_context(settings: DimseSettings, platform: PlatformSettings) -> ssl.SSLContext | None:
    """Make the context that PS3.15 B.12 (BCP 195) asks for; None without a certificate.

    Raises
    ------
    Misconfigured
        ``bad_tls_files``, ``bad_dimse_ca``; ``plaintext_dimse`` in the production profile.
    """
    context = context_of(settings.tls_cert_file, settings.tls_key_file, "MEMORYGUARD_DIMSE_TLS")
    if context is None:
        if platform.profile == "production" and not on_this_machine(settings.host):
            raise Misconfigured(
                "plaintext_dimse",
                "the production profile does not receive over DIMSE without TLS",
                "set MEMORYGUARD_DIMSE_TLS_CERT_FILE and MEMORYGUARD_DIMSE_TLS_KEY_FILE",
            )
        return None
    if settings.tls_ca_file is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(settings.tls_ca_file)
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured(
                "bad_dimse_ca", "the certificates of DIMSE peers cannot be read", "are they PEM?"
            ) from error
    return context
