# SPDX-License-Identifier: Apache-2.0
"""The one exception of the audit log's mathematics."""

from __future__ import annotations


class Unverified(ValueError):
    """Something that should prove a fact about the log does not prove it.

    Parameters
    ----------
    code
        Stable snake_case code, e.g. ``root_mismatch`` or ``bad_signature``.
    message
        One sentence for a person; it never carries an entry's content.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
