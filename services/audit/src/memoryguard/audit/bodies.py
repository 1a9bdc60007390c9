# SPDX-License-Identifier: Apache-2.0
"""What is sent to audit as JSON."""

from __future__ import annotations

from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from memoryguard.common.contracts.oversight import HoldReason, ReviewNote


class Holding(BaseModel):
    """Body of ``POST /api/v1/audit/holds``: of one person, by pseudonym or account, or of all."""

    model_config = ConfigDict(extra="forbid")

    reason: HoldReason
    subject: str | None = Field(default=None, pattern=r"^[0-9a-f]{32}$")
    user: str | None = Field(default=None, min_length=1, max_length=100)
    everything: bool = False

    @model_validator(mode="after")
    def _one(self) -> Self:
        if [self.subject is not None, self.user is not None, self.everything].count(True) != 1:
            raise ValueError("one of subject, user and everything")
        return self


class SignOff(BaseModel):
    """Body of ``POST /api/v1/audit/review``."""

    model_config = ConfigDict(extra="forbid")

    since: AwareDatetime = Field(alias="from")
    until: AwareDatetime = Field(alias="to")
    report_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    conclusion: ReviewNote
