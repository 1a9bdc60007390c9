# SPDX-License-Identifier: Apache-2.0
"""What a caller says data is for: one code of HL7's PurposeOfUse, in a header of the request.

Nobody can check it. It is written down, so that somebody can be asked about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import get_args

from aiohttp import web

from memoryguard.common.contracts.parts import Basis, Purpose
from memoryguard.common.errors import Rejected

HEADER = "X-Purpose-Of-Use"
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
IMPLIED: Mapping[Basis, Purpose] = MappingProxyType({"own": "PATRQT", "override": "BTG"})
"""What a look is for when nobody says: a person asks, or glass is broken."""


def stated(request: web.Request) -> Purpose | None:
    """What the caller says; None when that is nothing, or no code of ours."""
    said = ",".join(request.headers.getall(HEADER, []))
    return next((purpose for purpose in PURPOSES if purpose == said), None)


def check(request: web.Request) -> None:
    """See that the caller says nothing, or a code that can be written down.

    Raises
    ------
    Rejected
        ``bad_purpose``.
    """
    if HEADER in request.headers and stated(request) is None:
        raise Rejected(
            "bad_purpose",
            "the purpose of use is no code that is known here",
            f"{HEADER} is one of {', '.join(PURPOSES)}, or left out",
        )


def of_read(request: web.Request, basis: Basis | None) -> Purpose | None:
    """What a look that is permitted is for, as far as somebody says or it says by itself."""
    return stated(request) or (IMPLIED.get(basis) if basis else None)
