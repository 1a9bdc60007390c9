# SPDX-License-Identifier: Apache-2.0
"""Storing a result at a DICOMweb server (STOW-RS, PS3.18 10.5)."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass

import aiohttp

from memoryguard.ingest.results.answers import PATIENCE_S, away, refused

FAILED = "00081198"
"""Failed SOP Sequence (PS3.18 10.5.3)."""
_LATER = frozenset({408, 425, 429})
_DICOM = "application/dicom"


@dataclass(frozen=True, slots=True)
class DicomWeb:
    """A DICOMweb server, and what is said to it to be let in."""

    address: str
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
                    f"{self.address}/studies", data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                _check(response.status, await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise away() from error


def _check(status: int, answer: bytes) -> None:
    if status >= 500 or status in _LATER:
        raise away()
    if status not in (200, 202) or _failed(answer):
        raise refused()


def _failed(answer: bytes) -> bool:
    try:
        said = json.loads(answer or b"{}")
    except ValueError:
        return False  # not DICOM JSON: the status is all there is
    failed = said.get(FAILED) if isinstance(said, dict) else None
    return isinstance(failed, dict) and bool(failed.get("Value"))  # Orthanc sends an empty one
