# SPDX-License-Identifier: Apache-2.0
"""The one exception of this client."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from memoryguard.common.errors import MemoryGuardError

AWAY = frozenset({502, 503, 504})
"""Statuses that say: later."""
TOO_MANY = 429


class ApiError(MemoryGuardError):
    """The platform refused, was not there, or answered with something else.

    Parameters
    ----------
    code, message, hint
        As the platform says it (docs/ERRORS.md), or ``no_answer``, ``bad_answer``,
        ``wrong_content`` of this client.
    status
        HTTP status; None when nobody answered.
    retry_after_s
        How long the platform asks to wait.
    request_id
        Under which the platform's log has the request, where it says so.
    document
        The whole problem document.
    """

    def __init__(
        self,
        code: str,
        message: str,
        hint: str = "",
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
        request_id: str | None = None,
        document: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        super().__init__(code, message, hint)
        self.status = status
        self.retry_after_s = retry_after_s
        self.request_id = request_id
        self.details = document

    def __reduce__(self) -> Any:
        """Travel between processes without the document."""
        return type(self), (self.code, self.message, self.hint)

    @property
    def is_away(self) -> bool:
        """Whether nobody was there to answer: it may work later."""
        return self.status is None or self.status in AWAY

    @property
    def is_refusal(self) -> bool:
        """Whether the request itself was at fault."""
        return self.status is not None and 400 <= self.status < 500


def no_answer() -> ApiError:
    """Make the error of a platform that is not there, or went away in the middle."""
    return ApiError("no_answer", "the platform does not answer", "is it running? memoryguard up")


class NothingToSend(ApiError):
    """What was named to be sent is not there, or empty: nobody was asked."""

    http_status = 422
