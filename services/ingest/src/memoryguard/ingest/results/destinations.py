# SPDX-License-Identifier: Apache-2.0
"""Where results are stored back to: archives that the deployment has listed, and no other."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from memoryguard.common.errors import Misconfigured
from memoryguard.common.runtime.settings import PlatformSettings
from memoryguard.common.security.tls import on_this_machine
from memoryguard.ingest.listing import listed
from memoryguard.ingest.results.dicomweb import DicomWeb
from memoryguard.ingest.results.dimse import Node
from memoryguard.ingest.settings import IngestSettings
from memoryguard.ingest.ways.peers import DimseSettings

SECURE = {"https": True, "http": False, "dicoms": True, "dicom": False}
"""What an address may begin with, and whether what is sent there is encrypted."""
_TITLE_LENGTH = 16


class Destination(Protocol):
    """An archive: `dicomweb.DicomWeb` or `dimse.Node`."""

    @property
    def address(self) -> str:
        """As the setting names it, without a secret."""
        ...

    async def store(self, content: bytes) -> None:
        """Store an object; one that is there already is no error.

        Raises
        ------
        Rejected
            ``destination_refused``.
        Unavailable
            ``destination_away``.
        """
        ...


def destinations(
    settings: IngestSettings, platform: PlatformSettings, dimse: DimseSettings
) -> Mapping[str, Destination]:
    """Read the list, by address.

    Raises
    ------
    Misconfigured
        ``bad_destinations``; ``bad_dimse_ca``; ``plaintext_results`` in the production profile.
    """
    try:
        bases = listed(settings.results_to, settings.results_authorizations)
        parts = {base: urlsplit(base) for base in bases}
        if not all(_good(parts[base], secret) for base, secret in bases.items()):
            raise _bad_destinations()
    except ValueError as error:
        raise _bad_destinations() from error
    for part in parts.values():
        if platform.profile == "production" and not _kept_secret(part):
            raise Misconfigured(
                "plaintext_results",
                "the production profile does not store results back without TLS",
                "use https or dicoms in MEMORYGUARD_INGEST_RESULTS_TO",
            )
    return {
        base: _node(base, parts[base], dimse)
        if parts[base].scheme.startswith("dicom")
        else DicomWeb(base, secret)
        for base, secret in bases.items()
    }


def _good(part: SplitResult, authorization: str | None) -> bool:
    if part.scheme not in SECURE or not part.hostname or part.query or part.fragment:
        return False
    if part.password is not None:
        return False
    if part.scheme.startswith("http"):
        return part.username is None
    title = unquote(part.username or "").strip()
    named = 0 < len(title) <= _TITLE_LENGTH and title.isascii() and title.isprintable()
    bare = not part.path and authorization is None
    return named and bare and "\\" not in title and part.port is not None


def _kept_secret(part: SplitResult) -> bool:
    return SECURE[part.scheme] or on_this_machine(part.hostname or "")


def _node(address: str, part: SplitResult, dimse: DimseSettings) -> Node:
    return Node(
        address,
        part.hostname or "",
        part.port or 0,
        called=unquote(part.username or "").strip(),
        calling=dimse.ae_title,
        tls=_tls(dimse) if SECURE[part.scheme] else None,
    )


def _tls(dimse: DimseSettings) -> ssl.SSLContext:
    """Check the node's certificate, and show our own where we have one."""
    try:
        context = ssl.create_default_context(cafile=_text(dimse.tls_ca_file))
        if dimse.tls_cert_file is not None:
            context.load_cert_chain(dimse.tls_cert_file, dimse.tls_key_file)
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(
            "bad_results_tls",
            "the certificates for storing results back over DICOM cannot be read",
            "see MEMORYGUARD_DIMSE_TLS_CERT_FILE, …_TLS_KEY_FILE and …_TLS_CA_FILE",
        ) from error
    return context


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _bad_destinations() -> Misconfigured:
    return Misconfigured(
        "bad_destinations",
        "MEMORYGUARD_INGEST_RESULTS_TO or their authorizations cannot be read",
        "https://pacs.example/dicom-web,dicom://PACS@10.0.0.5:104",
    )
