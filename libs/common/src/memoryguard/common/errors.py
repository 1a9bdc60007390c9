# SPDX-License-Identifier: Apache-2.0
"""Every error the platform raises on purpose.

::

    MemoryGuardError        has a stable code, a sentence, and what to do
    ├── Rejected            the input can never work: refuse it, go on
    │   └── Denied          the caller may not do this
    ├── Unavailable         something we need is away: wait and try again
    ├── Misconfigured       this process cannot run as configured: exit 78 (EX_CONFIG)
    └── Corrupt             our own record contradicts itself: stop and call somebody

Messages hold codes, tag keywords and sizes; never a value out of somebody's file.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

EX_CONFIG = 78
"""Exit status of a process that is configured wrongly (sysexits.h)."""


class MemoryGuardError(Exception):
    """An error with a stable code.

    Parameters
    ----------
    code
        Stable ``snake_case`` identifier; part of the public interface.
    message
        One sentence for people, without any value from the input.
    hint
        What to do about it.
    """

    http_status = 500
    details: Mapping[str, Any] = MappingProxyType({})
    """More for the caller, as plain data; it does not survive the way between processes."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type[MemoryGuardError], tuple[str, str, str]]:
        """Survive the way back from a worker process."""
        return type(self), (self.code, self.message, self.hint)


class Rejected(MemoryGuardError):
    """The input can never work."""

    http_status = 422


class Denied(Rejected):
    """The caller is unknown, or may not do this."""

    http_status = 403


class Unavailable(MemoryGuardError):
    """Something that is needed is away; trying again may work."""

    http_status = 503


class Misconfigured(MemoryGuardError):
    """The process cannot run as it is configured."""


class Corrupt(MemoryGuardError):
    """Our own record contradicts itself."""
