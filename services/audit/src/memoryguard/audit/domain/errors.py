# SPDX-License-Identifier: Apache-2.0
"""The one exception of the audit log's mathematics."""

from __future__ import annotations

from memoryguard.common.errors import Rejected


class Unverified(Rejected):
    """Something that should prove a fact about the log does not prove it.

    The message is one sentence without any content of an entry.
    """
