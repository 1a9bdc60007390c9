# SPDX-License-Identifier: Apache-2.0
"""A small client of the platform's REST API, blocking or awaited; see docs/CLIENT.md."""

from memoryguard.client.awaiting import AsyncClient
from memoryguard.client.blocking import Client
from memoryguard.client.documents import Analysis, Invitation, Link, Receipt, Status
from memoryguard.client.errors import ApiError

__all__ = [
    "Analysis", "ApiError", "AsyncClient", "Client", "Invitation", "Link", "Receipt", "Status",
]  # fmt: skip
