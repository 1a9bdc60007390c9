# SPDX-License-Identifier: Apache-2.0
"""Options that commands share: which platform, on whose word, and how it is printed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from memoryguard.cli.home import Home
from memoryguard.common.errors import Misconfigured
from memoryguard.common.security.policy import Role

DEFAULT_HOME = Path("memoryguard-data")

HomeFolder: TypeAlias = Annotated[
    Path,
    Parameter("--home", env_var="MEMORYGUARD_HOME", help="Folder of the embedded platform."),
]
AsJson: TypeAlias = Annotated[bool, Parameter("--json", negative="", help="Print plain JSON.")]
Url: TypeAlias = Annotated[
    str | None,
    Parameter("--url", env_var="MEMORYGUARD_URL", help="Platform; that of --home by default."),
]
Token: TypeAlias = Annotated[
    str | None,
    Parameter("--token", env_var="MEMORYGUARD_TOKEN", help="Bearer token; else one of --home."),
]
Access: TypeAlias = tuple[str, str]
"""URL and bearer token."""


def access_to(
    home: Path,
    url: str | None,
    token: str | None,
    roles: Sequence[Role] = ("clinician", "compliance"),
    user: str = "local",
) -> Access:
    """Find where the platform listens, and a token for it.

    Parameters
    ----------
    home, url, token
        Options of the command.
    roles, user
        Whose token it is, when none is given.

    Raises
    ------
    Misconfigured
        ``not_running``, ``no_home``.
    """
    here = Home(home.resolve())
    if url is None:
        running = here.running()
        if running is None:
            raise Misconfigured(
                "not_running", "no platform runs in this home", "memoryguard up, or give --url"
            )
        url = str(running["url"])
    return url, token or here.issuer().issue(user, roles)
