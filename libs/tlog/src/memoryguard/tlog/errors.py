# SPDX-License-Identifier: Apache-2.0
"""The one exception of the log's mathematics."""

from __future__ import annotations


class Unverified(Exception):
    """Something that should prove a fact about the log does not prove it.

    Parameters
    ----------
    code
        Stable ``snake_case`` identifier; part of the public interface.
    message
        One sentence without any content of an entry.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
