# SPDX-License-Identifier: Apache-2.0
"""Where results are stored back to: DICOMweb servers that the deployment has listed (STOW-RS)."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

from memoryguard.common.errors import Misconfigured, Rejected, Unavailable
from memoryguard.common.runtime.settings import PlatformSettings
from memoryguard.common.security.tls import on_this_machine
from memoryguard.ingest.listing import listed
from memoryguard.ingest.settings import IngestSettings

PATIENCE_S = 60.0
FAILED = "00081198"
"""Failed SOP Sequence (PS3.18 10.5.3)."""
_LATER = frozenset({408, 425, 429})
_DICOM = "application/dicom"


@dataclass(frozen=True, slots=True)
class Destination:
    """A DICOMweb server, and what is said to it to be let in."""

    base: str
    authorization: str | None

    async def store(self, content: bytes) -> None:
        """Store an object; one that is there already is no error.

        Raises
        ------
        Rejected
            ``destination_refused``.
        Unavailable
            ``destination_away``.
        """
        boundary = secrets.token_hex(16)
        headers = {
            "Accept": "application/dicom+json",
            "Content-Type": f'multipart/related; type="{_DICOM}"; boundary={boundary}',
        }
        if self.authorization is not None:
            headers["Authorization"] = self.authorization
        head = f"--{boundary}\r\nContent-Type: {_DICOM}\r\n\r\n".encode()
        body = b"".join((head, content, f"\r\n--{boundary}--\r\n".encode()))
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=PATIENCE_S, sock_read=PATIENCE_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(
                    f"{self.base}/studies", data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                _check(response.status, await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _away() from error


def destinations(settings: IngestSettings, platform: PlatformSettings) -> list[Destination]:
    """Read the list.

    Raises
    ------
    Misconfigured
        ``bad_destinations``; ``plaintext_results`` in the production profile.
    """
    try:
        bases = listed(settings.results_to, settings.results_authorizations)
        parts = [urlsplit(base) for base in bases]
        good = all(p.scheme in ("http", "https") and p.hostname and not p.query for p in parts)
        good = good and not any(p.username or p.password or p.fragment for p in parts)
    except ValueError as error:
        raise _bad_destinations() from error
    if not good:
        raise _bad_destinations()
    for part in parts:
        plain = part.scheme == "http" and not on_this_machine(part.hostname or "")
        if plain and platform.profile == "production":
            raise Misconfigured(
                "plaintext_results",
                "the production profile does not store results back over plain HTTP",
                "use https in MEMORYGUARD_INGEST_RESULTS_TO",
            )
    return [Destination(*each) for each in bases.items()]


def _check(status: int, answer: bytes) -> None:
    if status >= 500 or status in _LATER:
        raise _away()
    if status not in (200, 202) or _failed(answer):
        raise Rejected(
            "destination_refused",
            "the server that results are stored back to does not take one",
            "may this deployment store there? see MEMORYGUARD_INGEST_RESULTS_AUTHORIZATIONS",
        )


def _failed(answer: bytes) -> bool:
    try:
        said = json.loads(answer or b"{}")
    except ValueError:
        return False  # not DICOM JSON: the status is all there is
    failed = said.get(FAILED) if isinstance(said, dict) else None
    return isinstance(failed, dict) and bool(failed.get("Value"))  # Orthanc sends an empty one


def _away() -> Unavailable:
    return Unavailable(
        "destination_away", "the server that results are stored back to does not answer"
    )


def _bad_destinations() -> Misconfigured:
    return Misconfigured(
        "bad_destinations",
        "MEMORYGUARD_INGEST_RESULTS_TO or their authorizations cannot be read",
        "https://pacs.example/dicom-web",
    )
