# SPDX-License-Identifier: Apache-2.0
"""The service: what it hears, its routes, and one listening connection."""

from __future__ import annotations

from contextlib import AsyncExitStack

from memoryguard.api import access, imaging, live, pages, projection, sessions
from memoryguard.api.changes import Changes
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.run import Recipe
from memoryguard.common.runtime.service import Service

PROJECTION = ("scan", "scan_fact", "health", "access_grant")
"""Derived from events, the service's own grants among them. Not so: ``session_link``."""


async def build(platform: Platform, stack: AsyncExitStack) -> Service:
    """Join the parts; nothing has to be closed."""
    changes = Changes(platform.pool)
    return Service(
        name="api",
        handlers=projection.handlers(),
        routes=[
            *imaging.routes(platform),
            *live.routes(platform, changes),
            *access.routes(platform),
            *sessions.routes(platform),
            *pages.routes(platform),
        ],
        background=[changes.listen],
        projection=PROJECTION,
    )


RECIPE = Recipe(name="api", build=build, migrations="memoryguard.api.migrations")
