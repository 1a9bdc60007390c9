# SPDX-License-Identifier: Apache-2.0
"""45 CFR 164.312(e): what crosses a network is not read and not changed on its way."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from certificates import certificate
from tapped import ASKED, TOLD, Line, told

from memoryguard.common.errors import Misconfigured
from memoryguard.common.runtime.settings import KafkaSettings, OidcSettings, PlatformSettings
from memoryguard.common.security.tls import check_transport, server_context
from memoryguard.common.testing.settings import folder_settings
from memoryguard.ingest.results.destinations import destinations
from memoryguard.ingest.settings import IngestSettings
from memoryguard.ingest.ways.peers import DimseSettings, tls_context


def settings_in(folder: Path, **changes: Any) -> PlatformSettings:
    return folder_settings(folder, "postgresql://nowhere")[0].model_copy(update=changes)


# --- 164.312(e)(1) -------------------------------------------------------------------------

PLAIN: list[dict[str, Any]] = [
    {"host": "0.0.0.0"},
    {"kafka": KafkaSettings(servers="kafka:9092")},
    {"oidc": OidcSettings(issuer="http://idp.example")},
]


def nothing_is_sent_in_the_clear(folder: Path, profile: str) -> None:
    assert list(_refusals(folder, profile)) == [
        "plaintext_http",
        "plaintext_kafka",
        "plaintext_identity_provider",
        "plaintext_dimse",
        "plaintext_results",
    ]


def _refusals(folder: Path, profile: str) -> Iterator[str]:
    """What each way through the network that is not encrypted is refused with, at the start."""
    plain = settings_in(folder, profile=profile)
    back = IngestSettings(results_to="http://pacs.example/dicom-web")
    ways = [
        *(lambda c=changes: check_transport(plain.model_copy(update=c)) for changes in PLAIN),
        lambda: tls_context(DimseSettings(port=1, host="0.0.0.0"), plain),
        lambda: destinations(back, plain, DimseSettings()),
    ]
    for way in ways:
        try:
            way()
        except Misconfigured as error:
            yield error.code


@pytest.mark.control("164.312(e)(1)", "production")
def test_nothing_is_sent_in_the_clear(tmp_path: Path) -> None:
    nothing_is_sent_in_the_clear(tmp_path, "production")


@pytest.mark.control("164.312(e)(1)", "production", off="the profile for development")
def test_another_profile_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"\[\] == "):
        nothing_is_sent_in_the_clear(tmp_path, "development")


# --- 164.312(e)(2) -------------------------------------------------------------------------


def contexts(folder: Path) -> tuple[ssl.SSLContext | None, ssl.SSLContext]:
    """What we serve TLS with, and a caller that knows the certificate."""
    cert_file, key_file = certificate(folder)
    settings = settings_in(folder, tls_cert_file=cert_file, tls_key_file=key_file)
    return server_context(settings), ssl.create_default_context(cafile=str(cert_file))


def nothing_arrives_altered(server: ssl.SSLContext | None, caller: ssl.SSLContext | None) -> None:
    assert told(Line(), server, caller) == TOLD
    assert told(Line(changing=True), server, caller) is None, "other bytes arrived"


@pytest.mark.control("164.312(e)(2)(i)", "altered")
def test_nothing_arrives_altered(tmp_path: Path) -> None:
    nothing_arrives_altered(*contexts(tmp_path))


@pytest.mark.control("164.312(e)(2)(i)", "altered", off="a server without a certificate")
def test_what_arrives_altered_is_noticed() -> None:
    with pytest.raises(AssertionError, match="other bytes arrived"):
        nothing_arrives_altered(None, None)


def nobody_can_listen(server: ssl.SSLContext | None, caller: ssl.SSLContext | None) -> None:
    line = Line()
    assert told(line, server, caller) == TOLD
    assert [word for word in (ASKED, TOLD) if word in line.heard] == []


@pytest.mark.control("164.312(e)(2)(ii)", "unread")
def test_nobody_can_listen(tmp_path: Path) -> None:
    nobody_can_listen(*contexts(tmp_path))


@pytest.mark.control("164.312(e)(2)(ii)", "unread", off="a server without a certificate")
def test_what_can_be_listened_to_is_noticed() -> None:
    with pytest.raises(AssertionError, match="what the caller asks"):
        nobody_can_listen(None, None)


def nothing_old_is_spoken(server: ssl.SSLContext, cert_file: Path) -> None:
    """Whoever speaks TLS 1.1, or a cipher without authenticated encryption, is not understood."""
    today = ssl.create_default_context(cafile=str(cert_file))
    assert told(Line(), server, today) == TOLD
    understood = [name for name, caller in _old_callers(cert_file) if _understood(server, caller)]
    assert understood == []


OLD = {
    "1.0": (ssl.TLSVersion.TLSv1, "ALL:@SECLEVEL=0"),
    "1.1": (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"),
    "CBC": (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0"),
}


def _old_callers(cert_file: Path) -> Iterator[tuple[str, ssl.SSLContext]]:
    for name, (version, ciphers) in OLD.items():
        caller = ssl.create_default_context(cafile=str(cert_file))
        caller.set_ciphers(ciphers)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that it is old is the point
            caller.minimum_version = caller.maximum_version = version
        yield name, caller


def _understood(server: ssl.SSLContext, caller: ssl.SSLContext) -> bool:
    try:
        return told(Line(), server, caller) == TOLD
    except ssl.SSLError:
        return False


@pytest.mark.control("164.312(e)(2)(ii)", "versions")
def test_nothing_old_is_spoken(tmp_path: Path) -> None:
    cert_file, key_file = certificate(tmp_path)
    server = server_context(settings_in(tmp_path, tls_cert_file=cert_file, tls_key_file=key_file))
    assert server
    nothing_old_is_spoken(server, cert_file)


@pytest.mark.control("164.312(e)(2)(ii)", "versions", off="a server that speaks TLS 1.0 and CBC")
def test_a_server_that_speaks_what_is_old_is_noticed(tmp_path: Path) -> None:
    cert_file, key_file = certificate(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert_file, key_file)
    server.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        server.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.raises(AssertionError, match=r"1\.0.*1\.1.*CBC"):
        nothing_old_is_spoken(server, cert_file)
