# SPDX-License-Identifier: Apache-2.0
"""Who may do what: deny unless a policy allows.

Two questions, asked one after the other: does the caller's role allow the action at all (here, on
the route), and does it allow it for this person's data (``Principal.sees_by``, asked by the handler
that knows whose data it is).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from memoryguard.common.contracts.parts import Basis

Role: TypeAlias = Literal["patient", "caregiver", "clinician", "compliance", "integration", "admin"]
ROLES: frozenset[Role] = frozenset(get_args(Role))
PEOPLE: frozenset[Role] = frozenset({"patient", "caregiver", "clinician"})


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller."""

    user_id: str
    roles: frozenset[str]

    def sees_by(self, user_id: str | None, *, everybody: bool = True) -> Basis | None:
        """By what this caller sees the data of an account without anybody's leave, if at all.

        Parameters
        ----------
        user_id
            The account; None for data of nobody known, which clinicians find an owner for.
        everybody
            Whether clinicians see everybody's data without being let.
        """
        if user_id is not None and "patient" in self.roles and user_id == self.user_id:
            return "own"
        if "clinician" in self.roles and (everybody or user_id is None):
            return "role"
        return None


@dataclass(frozen=True, slots=True)
class Policy:
    """What a route does, and the roles that may. ``public`` needs no token and says why."""

    action: str
    roles: frozenset[Role] = frozenset()
    public: str | None = None
    audited: bool = True

    def __post_init__(self) -> None:
        if not self.roles and not self.public:
            raise ValueError("a policy names roles, or says why it is public")

    def allows(self, principal: Principal) -> bool:
        """Whether one of the caller's roles may do this."""
        return bool(self.roles & principal.roles)
