# SPDX-License-Identifier: Apache-2.0
"""45 CFR 164.312(e): what crosses a network is not read and not changed on its way."""

from __future__ import annotations

import ssl
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
        lambda: destinations(back, plain),
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
