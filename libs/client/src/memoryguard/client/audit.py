# SPDX-License-Identifier: Apache-2.0
"""The audit log: checkpoints, entries and their proofs, and what it answers to officers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from memoryguard.client.wire import Document, Flow, get, get_bytes, send

PATH = "/api/v1/audit"


def log_key() -> Flow[str]:
    """Read the log's verifier key (C2SP signed note)."""
    return _text(f"{PATH}/key")


def checkpoint() -> Flow[str]:
    """Read the newest signed checkpoint, with what witnesses have signed of it."""
    return _text(f"{PATH}/checkpoint")


def entries_of_scan(imaging_id: str) -> Flow[Document]:
    """List what the log holds about a scan."""
    return get(f"{PATH}/scans/{quote(imaging_id, safe='')}")


def entry(sequence: int) -> Flow[bytes]:
    """Read an entry's leaf: the bytes that the tree covers."""
    return get_bytes(f"{PATH}/entries/{sequence}")


def entry_proof(sequence: int) -> Flow[str]:
    """Read an entry's proof (C2SP tlog-proof), which ``memoryguard.tlog`` verifies offline.

    Raises
    ------
    ApiError
        ``not_signed_yet``: no checkpoint covers it before a few seconds are over.
    """
    return _text(f"{PATH}/entries/{sequence}/proof")


def review(**period: str) -> Flow[Document]:
    """Report what a period's log shows (role compliance)."""
    return get(_with(f"{PATH}/review", period))


def sign_review(report: Mapping[str, Any], sha256: str, conclusion: str) -> Flow[Document]:
    """Sign a report off, as it was shown."""
    said = {"from": report["from"], "to": report["to"], "conclusion": conclusion}
    return send("POST", f"{PATH}/review", said | {"report_sha256": sha256})


def ledger(**period: str) -> Flow[Document]:
    """Tell a person who looked at their data."""
    return get(_with(f"{PATH}/ledger", period))


def _text(path: str) -> Flow[str]:
    return (yield from get_bytes(path)).decode()


def _with(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path
