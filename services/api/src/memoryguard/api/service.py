# SPDX-License-Identifier: Apache-2.0
"""The service: what it hears, its routes, and one listening connection."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta

from memoryguard.api import (
    artifacts,
    bundles,
    dicomweb,
    imaging,
    live,
    measurements,
    pages,
    projection,
    reference,
    webapp,
)
from memoryguard.api.access import Access
from memoryguard.api.changes import Changes
from memoryguard.api.grants import Consent
from memoryguard.api.provider import open_provider
from memoryguard.api.reports import Reports
from memoryguard.api.sessions import Sessions
from memoryguard.api.settings import ApiSettings
from memoryguard.api.sign_in import SignIn
from memoryguard.api.single_sign_on import SingleSignOn
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.run import Recipe
from memoryguard.common.runtime.service import Service
from memoryguard.common.runtime.settings import read

PROJECTION = ("scan", "scan_fact", "document", "health")
"""Derived from events alone. Not so: sessions, and ``access_*`` (see 0002_consent.sql)."""

HANDLERS = projection.handlers()
"""They only record, and the same rows whatever the order: it is rebuilt beside what serves."""


async def build(platform: Platform, stack: AsyncExitStack) -> Service:
    """Join the parts; what asks the identity provider is closed with the stack."""
    changes, settings = Changes(platform.pool), read(ApiSettings)
    access = Access(platform, settings)
    sessions = Sessions(platform.pool, timedelta(minutes=settings.session_idle_minutes))
    provider = await open_provider(platform.settings.oidc, settings, stack)
    return Service(
        name="api",
        handlers=HANDLERS,
        routes=[
            *imaging.routes(platform, access),
            *artifacts.routes(platform, access),
            *bundles.routes(platform, access),
            *Reports(platform, access, stack).routes(),
            *dicomweb.routes(platform, access),
            *measurements.routes(platform, access),
            *live.routes(platform, access, changes),
            *Consent(platform, access, settings).routes(),
            *SignIn(platform, sessions).routes(),
            *SingleSignOn(platform, sessions, provider).routes(),
            *pages.routes(),
            *webapp.routes(),
            *reference.routes(),
        ],
        background=[changes.listen],
        projection=PROJECTION,
        session=sessions.token_of,
    )


RECIPE = Recipe(
    name="api", build=build, migrations="memoryguard.api.migrations", settings=(ApiSettings,)
)
