# SPDX-License-Identifier: Apache-2.0
"""Encryption on the wire: our certificate, and what the production profile does not let through."""

from __future__ import annotations

import ipaddress
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from memoryguard.common.errors import Misconfigured
from memoryguard.common.runtime.settings import PlatformSettings

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: forward secrecy and authenticated encryption only, as BCP 195 (RFC 9325) asks."""


def server_context(settings: PlatformSettings) -> ssl.SSLContext | None:
    """Build what we serve TLS with; None when no certificate is configured.

    Raises
    ------
    Misconfigured
        ``bad_tls_files``.
    """
    return context_of(settings.tls_cert_file, settings.tls_key_file, "MEMORYGUARD_TLS")


def context_of(cert_file: Path | None, key_file: Path | None, name: str) -> ssl.SSLContext | None:
    """Build a server's context of a certificate and its key; None without.

    Parameters
    ----------
    cert_file, key_file
        PEM.
    name
        What the settings' names begin with, for the error.

    Raises
    ------
    Misconfigured
        ``bad_tls_files``.
    """
    if cert_file is None and key_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    try:
        if cert_file is None:
            raise FileNotFoundError
        context.load_cert_chain(cert_file, key_file, password=_nobody)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise Misconfigured(
            "bad_tls_files",
            "certificate and key are not there, or do not belong together",
            f"set {name}_CERT_FILE and {name}_KEY_FILE",
        ) from error
    return context


def _nobody() -> str:
    """Answer OpenSSL's question for a key's password; without it, it would ask at the terminal."""
    return ""


def check_transport(settings: PlatformSettings) -> None:
    """Refuse to send anything over a network unencrypted, in the production profile.

    Raises
    ------
    Misconfigured
        ``plaintext_http``, ``plaintext_kafka``, ``plaintext_identity_provider``.
    """
    if settings.profile != "production":
        return
    encrypted = settings.tls_cert_file is not None or settings.behind_proxy
    if not encrypted and not on_this_machine(settings.host):
        raise Misconfigured(
            "plaintext_http",
            "the production profile does not serve plain HTTP to a network",
            "set MEMORYGUARD_TLS_CERT_FILE, or MEMORYGUARD_BEHIND_PROXY where a proxy ends TLS",
        )
    brokers = [server.strip() for server in settings.kafka.servers.split(",") if server.strip()]
    if not settings.kafka.security.endswith("SSL") and not all(
        on_this_machine(urlsplit(f"//{broker}").hostname or "") for broker in brokers
    ):
        raise Misconfigured(
            "plaintext_kafka",
            "the production profile does not speak to Kafka without TLS",
            "set MEMORYGUARD_KAFKA_SECURITY to SSL or SASL_SSL",
        )
    for url in filter(None, (settings.oidc.issuer, settings.oidc.jwks_url)):
        if urlsplit(url).scheme != "https" and not on_this_machine(urlsplit(url).hostname or ""):
            raise Misconfigured(
                "plaintext_identity_provider",
                "the production profile does not take keys over plain HTTP",
                "use https in MEMORYGUARD_OIDC_ISSUER and MEMORYGUARD_OIDC_JWKS_URL",
            )


def on_this_machine(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
