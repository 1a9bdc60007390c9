# SPDX-License-Identifier: Apache-2.0
"""What a sender is told: of each file, of each series, and which scans they became."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from memoryguard.common.errors import Rejected
from memoryguard.ingest.arrived import Outcome
from memoryguard.ingest.staging import Receipt

Document: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a delivery."""

    user_id: str | None
    names: Sequence[str]
    receipts: Sequence[Receipt]
    outcomes: Sequence[Outcome] = ()

    @property
    def scans(self) -> list[Outcome]:
        """The series that are scans."""
        return [outcome for outcome in self.outcomes if outcome.state == "announced"]

    @property
    def new(self) -> bool:
        """Whether a scan is among them that was not here before."""
        return any(outcome.new for outcome in self.outcomes)

    def document(self) -> Document:
        """Write it: the fields of the first scan, then all scans, series and files."""
        scans = [self._scan(outcome) for outcome in self.scans]
        files = zip(self.names, self.receipts, strict=True)
        return {
            "status": "arriving",
            "user_id": self.user_id,
            **(scans[0] if scans else {}),
            "scans": scans,
            "series": [_series(outcome) for outcome in self.outcomes],
            "counts": Counter(receipt.state for receipt in self.receipts),
            "files": [{"name": name, **_state(receipt)} for name, receipt in files],
        }

    def _scan(self, outcome: Outcome) -> Document:
        return {
            "imaging_id": outcome.scan_id,
            "user_id": self.user_id,
            "modality": "MR",
            "status": "uploaded",
            "instances": outcome.images,
            "created_at": outcome.received_at and outcome.received_at.isoformat(),
            "status_url": f"/api/v1/imaging/{outcome.scan_id}/status",
        }


class Refused(Rejected):
    """Nothing of a delivery became a scan.

    Parameters
    ----------
    reason
        The one that tells most.
    answer
        What is told of each file and series.
    said
        Whether an event has said so already.
    """

    def __init__(self, reason: Rejected, answer: Answer, *, said: bool) -> None:
        super().__init__(reason.code, reason.message, reason.hint)
        self.said = said
        document = answer.document()
        self.details = {name: document[name] for name in ("series", "counts", "files")}


def worst(answer: Answer) -> Rejected:
    """Say why nothing is left: damage first, then series, then what is no image at all."""
    receipts, outcomes = answer.receipts, answer.outcomes
    reasons = [
        *(receipt for receipt in receipts if receipt.state == "refused"),
        *(outcome for outcome in outcomes if outcome.state == "refused"),
        *(outcome for outcome in outcomes if outcome.state == "left_out"),
        *(r for r in receipts if r.state == "left_out" and r.code != "not_dicom"),
        *(receipt for receipt in receipts if receipt.state == "left_out"),
    ]
    if not reasons:
        return Rejected("empty_upload", "there is nothing in it")
    return Rejected(reasons[0].code, reasons[0].message, reasons[0].hint)


def _series(outcome: Outcome) -> Document:
    notes = [note.model_dump() for note in outcome.notes]
    document = {"images": outcome.images, "imaging_id": outcome.scan_id, "notes": notes}
    return _state(outcome) | {name: value for name, value in document.items() if value}


def _state(of: Receipt | Outcome) -> Document:
    """Give state, and the reason where there is one."""
    document = {"state": of.state, "code": of.code, "message": of.message, "hint": of.hint}
    return {name: value for name, value in document.items() if value}
