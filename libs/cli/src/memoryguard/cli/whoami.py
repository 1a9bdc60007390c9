# SPDX-License-Identifier: Apache-2.0
"""Who runs a command, as the operating system knows it."""

from __future__ import annotations

import os
import pwd


def operator() -> str:
    """Name the user that this process runs as; its number, where the system has no name for it.

    Not what ``USER`` and the like say: anybody sets these. It is still no proof of who sat there,
    and under sudo it is the user that sudo made of them.
    """
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
