# SPDX-License-Identifier: Apache-2.0
"""TLS by real handshakes, and what the production profile refuses at the start."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from certificates import certificate
from cryptography.hazmat.primitives import serialization

from memoryguard.api.service import RECIPE
from memoryguard.common.errors import EX_CONFIG, Misconfigured
from memoryguard.common.runtime.run import serving
from memoryguard.common.runtime.settings import KafkaSettings, OidcSettings, PlatformSettings
from memoryguard.common.security.tls import check_transport, server_context
from memoryguard.common.testing.settings import folder_settings

HOST = "127.0.0.1"
WORLD = "0.0.0.0"


def settings_in(folder: Path, **changes: Any) -> PlatformSettings:
    settings, _ = folder_settings(folder, "postgresql://nowhere")
    return settings.model_copy(update=changes)


def with_tls(folder: Path) -> dict[str, Path]:
    cert_file, key_file = certificate(folder)
    return {"tls_cert_file": cert_file, "tls_key_file": key_file}


def client(version: ssl.TLSVersion, ciphers: str = "ALL:@SECLEVEL=0") -> ssl.SSLContext:
    """A client that speaks one version of TLS and does not look at certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers(ciphers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that it is old is the point
        context.minimum_version = context.maximum_version = version
    return context


async def spoken(port: int, context: ssl.SSLContext) -> str | None:
    """The version that a handshake ends with; None when it fails."""
    try:
        _, writer = await asyncio.open_connection(HOST, port, ssl=context)
    except (ssl.SSLError, ConnectionError):
        return None
    version: str = writer.get_extra_info("ssl_object").version()
    writer.close()
    return version


@pytest.mark.control("164.312(e)(2)(ii)", "versions")
async def test_it_serves_tls_and_nothing_older_than_1_2(database_url: str, tmp_path: Path) -> None:
    settings, _ = folder_settings(tmp_path, database_url)
    settings = settings.model_copy(update=with_tls(tmp_path) | {"profile": "production"})
    async with serving([RECIPE], settings) as (url, _):
        assert url.startswith("https://")
        port = int(url.rsplit(":", 1)[1])
        trusting = ssl.create_default_context(cafile=settings.tls_cert_file)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{url}/health/ready", ssl=trusting) as response:
                assert response.status == 200
                assert "max-age=" in response.headers["Strict-Transport-Security"]
            with pytest.raises(aiohttp.ClientError):
                await session.get(url.replace("https", "http"))
        assert await spoken(port, client(ssl.TLSVersion.TLSv1_3)) == "TLSv1.3"
        assert await spoken(port, client(ssl.TLSVersion.TLSv1_2)) == "TLSv1.2"
        for old in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            assert await spoken(port, client(old)) is None
        for weak in ("AES128-SHA256", "ECDHE-ECDSA-AES128-SHA256"):  # no secrecy later on; CBC
            assert await spoken(port, client(ssl.TLSVersion.TLSv1_2, weak)) is None


async def test_the_old_clients_of_this_test_can_speak_at_all(tmp_path: Path) -> None:
    """Else the test above would see nothing refused but its own client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(tmp_path))
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    server = await asyncio.start_server(lambda _, w: w.close(), HOST, 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await spoken(port, client(ssl.TLSVersion.TLSv1)) == "TLSv1"
        assert await spoken(port, client(ssl.TLSVersion.TLSv1_1)) == "TLSv1.1"


def test_without_a_certificate_there_is_no_tls(tmp_path: Path) -> None:
    assert server_context(settings_in(tmp_path)) is None


def test_files_that_do_not_fit_are_said(tmp_path: Path) -> None:
    cert_file, key_file = certificate(tmp_path)
    _, other_key = certificate(tmp_path, "other")
    (tmp_path / "noise").write_text("noise")
    for cert, key in (
        (cert_file, other_key),
        (cert_file, None),
        (None, key_file),
        (tmp_path / "absent", key_file),
        (tmp_path / "noise", key_file),
    ):
        with pytest.raises(Misconfigured, match="bad_tls_files"):
            server_context(settings_in(tmp_path, tls_cert_file=cert, tls_key_file=key))


def test_a_key_with_a_password_is_refused_and_asks_nobody(tmp_path: Path) -> None:
    cert_file, key_file = certificate(tmp_path)
    key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    sealed = serialization.BestAvailableEncryption(b"secret")
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed)
    )
    with pytest.raises(Misconfigured, match="bad_tls_files"):
        server_context(settings_in(tmp_path, tls_cert_file=cert_file, tls_key_file=key_file))


def kafka(servers: str, security: Any = "PLAINTEXT") -> dict[str, Any]:
    return {"kafka": KafkaSettings(servers=servers, security=security)}


def oidc(**settings: str) -> dict[str, Any]:
    return {"oidc": OidcSettings(**settings)}  # type: ignore[arg-type]


@pytest.mark.control("164.312(e)(1)", "production")
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"host": WORLD}, "plaintext_http"),
        ({"host": "::"}, "plaintext_http"),
        ({"host": "10.0.0.7"}, "plaintext_http"),
        ({"host": "memoryguard.example"}, "plaintext_http"),
        ({"host": HOST}, None),
        ({"host": "localhost"}, None),
        ({"host": "::1"}, None),
        ({"host": WORLD, "behind_proxy": True}, None),
        ({"host": WORLD, "tls_cert_file": Path("cert.pem")}, None),
        (kafka("kafka:9092"), "plaintext_kafka"),
        (kafka("kafka:9092", "SASL_PLAINTEXT"), "plaintext_kafka"),
        (kafka("127.0.0.1:9092,kafka:9092"), "plaintext_kafka"),
        (kafka("127.0.0.1:9092, localhost:9093, [::1]:9092"), None),
        (kafka("kafka:9093", "SSL"), None),
        (kafka("kafka:9093", "SASL_SSL"), None),
        (oidc(issuer="http://idp.example"), "plaintext_identity_provider"),
        (
            oidc(issuer="https://idp.example", jwks_url="http://idp.example/keys"),
            "plaintext_identity_provider",
        ),
        (oidc(issuer="https://idp.example"), None),
        (oidc(issuer="http://127.0.0.1:8080"), None),
    ],
)
def test_the_production_profile_lets_nothing_out_unencrypted(
    tmp_path: Path, changes: dict[str, Any], code: str | None
) -> None:
    check_transport(settings_in(tmp_path, **changes))  # the development profile lets it
    settings = settings_in(tmp_path, profile="production", **changes)
    if code is None:
        check_transport(settings)
    else:
        with pytest.raises(Misconfigured, match=code):
            check_transport(settings)


@pytest.mark.control("164.312(e)(1)", "production")
def test_a_process_that_would_serve_plaintext_ends_with_78(tmp_path: Path) -> None:
    settings, _ = folder_settings(tmp_path, "postgresql://nowhere")
    environment = {
        "MEMORYGUARD_DATABASE_URL": "postgresql://nowhere.invalid/x",
        "IMAGING_STORAGE_PATH": settings.storage,
        "IMAGING_ENCRYPTION_KEY": settings.encryption_keys.get_secret_value(),
        "MEMORYGUARD_VAULT_KEY": settings.vault_key.get_secret_value(),
        "MEMORYGUARD_TOKEN_PUBLIC_KEY": settings.token_public_key,
        "MEMORYGUARD_PROFILE": "production",
        "MEMORYGUARD_HOST": WORLD,
    }
    ended = subprocess.run(
        [sys.executable, "-m", "memoryguard.api"],
        env=os.environ | environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == EX_CONFIG
    assert ended.stderr.splitlines()[-1].startswith("plaintext_http: ")
