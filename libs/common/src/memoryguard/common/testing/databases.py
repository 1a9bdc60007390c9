# SPDX-License-Identifier: Apache-2.0
"""A fresh database for each test, on one embedded server."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

from memoryguard.common.contracts.flow import SERVICES
from memoryguard.common.runtime.database import connect, prepare


@asynccontextmanager
async def fresh_database(admin_url: str) -> AsyncGenerator[str]:
    """Make a database with every service's role and schema; drop it afterwards."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = await connect(admin_url)
    try:
        await admin.execute(f"create database {name}")
        url = urlunsplit(urlsplit(admin_url)._replace(path=f"/{name}"))
        if not url.startswith("postgresql://"):  # an empty network location is lost by urlunsplit
            url = url.replace("postgresql:", "postgresql://", 1)
        await prepare(url, SERVICES)
        yield url
        await admin.execute(f"drop database {name} with (force)")
    finally:
        await admin.close()
