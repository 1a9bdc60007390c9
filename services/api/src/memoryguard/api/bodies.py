# SPDX-License-Identifier: Apache-2.0
"""What is sent to the routes of consent."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from memoryguard.api.access import MAX_ID, is_id
from memoryguard.common.contracts.events import OverrideReason, Scope


def _id(text: str) -> str:
    if not is_id(text):
        raise ValueError
    return text


Id: TypeAlias = Annotated[str, Field(min_length=1, max_length=MAX_ID), AfterValidator(_id)]


class Offer(BaseModel):
    """Body of ``POST /api/v1/access/invitations``."""

    model_config = ConfigDict(extra="forbid")

    grantee_id: Id | None = None
    scopes: frozenset[Scope] = Field(default=frozenset({"status", "results"}), min_length=1)
    expires_at: AwareDatetime | None = None


class Acceptance(BaseModel):
    """Body of ``POST /api/v1/access/grants``."""

    model_config = ConfigDict(extra="forbid")

    code: Id | None = None
    user_id: Id | None = None


class Emergency(BaseModel):
    """Body of ``POST /api/v1/access/break-glass``."""

    model_config = ConfigDict(extra="forbid")

    user_id: Id
    reason: OverrideReason
    minutes: int | None = Field(default=None, ge=1)
