# SPDX-License-Identifier: Apache-2.0
"""Who may do what: deny unless a policy allows.

Two questions, asked one after the other: does the caller's role allow the action at all (here, on
the route), and does it allow it for this person's data (``Principal.may_see``, asked by the handler
that knows whose data it is).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

Role: TypeAlias = Literal["patient", "caregiver", "clinician", "compliance", "integration", "admin"]
ROLES: frozenset[Role] = frozenset(get_args(Role))
PEOPLE: frozenset[Role] = frozenset({"patient", "caregiver", "clinician"})


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller."""

    user_id: str
    roles: frozenset[str]

    def may_see(
        self, user_id: str | None, granted: bool = False, *, everybody: bool = True
    ) -> bool:
        """Whether this caller may see the data of an account.

        Parameters
        ----------
        user_id
            The account; None for data of nobody known, which clinicians find an owner for.
        granted
            Whether the account lets this caller, or glass is broken for it.
        everybody
            Whether clinicians see everybody's data without being let.
        """
        if "clinician" in self.roles and (everybody or granted or user_id is None):
            return True
        if user_id is None:
            return False
        own = "patient" in self.roles and user_id == self.user_id
        return own or ("caregiver" in self.roles and granted)


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
