# SPDX-License-Identifier: Apache-2.0
"""What is known of a scan, as documents and tables for others are made from it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from memoryguard.api.analysis import Document, analysis_document
from memoryguard.api.scans import Scan


@dataclass(frozen=True, slots=True)
class Known:
    """A scan, and the analysis that is served of it (`analysis_document`)."""

    scan: Scan
    document: Document

    @classmethod
    def of(cls, scan: Scan) -> Self:
        """Put together what is known; health metrics beside it are not needed."""
        return cls(scan, analysis_document(scan, {}))

    @property
    def atrophy(self) -> Document:
        """What was said when it was set beside healthy people."""
        return self.document["atrophy"]

    @property
    def measured(self) -> bool:
        """Whether it was measured at all."""
        quality = self.document["quality"]
        return quality is not None and quality["verdict"] != "refused"

    @property
    def scored(self) -> bool:
        """Whether it was set beside healthy people."""
        return self.document["ml_features"] is not None

    @property
    def answer(self) -> Mapping[str, Any] | None:
        """The model's answer, given or withheld."""
        return self.document["risk"] or self.document["risk_withheld"]

    @property
    def features(self) -> Mapping[str, Any]:
        """All that was gathered for the model, used or not."""
        if self.answer is None:
            return {}
        kind = "predicted" if self.document["risk"] else "withheld"
        return self.scan.facts[kind].data.get("features") or {}

    def error_sd(self, group: str, name: str) -> float | None:
        """One standard deviation of a ratio or an asymmetry; the document does not have it."""
        if name not in self.atrophy[group]:
            return None
        return self.scan.facts["scored"].data[group][name]["error_sd"]

    def why_not(self, *path: str) -> str | None:
        """Why something in the document is null."""
        found: Any = self.document["reasons"]
        for name in path:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found if isinstance(found, str) else None
