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


def review(since: str | None = None, until: str | None = None) -> Flow[Document]:
    """Report what a period's log shows, up to last midnight by default (role compliance)."""
    asked = {name: at for name, at in (("from", since), ("to", until)) if at}
    return get(f"{PATH}/review?{urlencode(asked)}")


def sign_review(report: Mapping[str, Any], sha256: str, conclusion: str) -> Flow[Document]:
    """Sign a report off, as it was shown."""
    said = {"from": report["from"], "to": report["to"], "conclusion": conclusion}
    return send("POST", f"{PATH}/review", said | {"report_sha256": sha256})


def ledger(limit: int = 50) -> Flow[Document]:
    """Tell a person who looked at their data, the newest looks first."""
    return get(f"{PATH}/ledger?{urlencode({'limit': limit})}")


def _text(path: str) -> Flow[str]:
    return (yield from get_bytes(path)).decode()
