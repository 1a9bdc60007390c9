# SPDX-License-Identifier: Apache-2.0
"""A service that starts with other settings than the last time says which, and never a value.

Values are compared by digests under the vault key: under another vault key everything counts as
changed. A setting that names a file counts as changed when it names another file, not when the
file has other content. Replicas that start at once wait for each other here, and one of them says
it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from memoryguard.common.contracts.event import NOBODY
from memoryguard.common.contracts.oversight import SettingsChanged
from memoryguard.common.runtime.database import Connection, lock
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.settings import variable

VERSION = ""
"""Name of the row that holds the software's version: no environment variable is called so."""


async def say_changed_settings(platform: Platform, own: Sequence[BaseSettings] = ()) -> None:
    """Say which settings differ from those of the last start, if any do.

    Parameters
    ----------
    platform
        Of the service that starts.
    own
        Its own settings, besides the platform's.
    """
    software = version("memoryguard")
    now = {VERSION: platform.vault.setting_digest(VERSION, software)}
    for settings in (platform.settings, *own):
        for name, value in values(settings):
            now[name] = platform.vault.setting_digest(name, value)
    async with platform.pool.acquire() as connection, connection.transaction():
        await lock(connection, "settings", platform.name)
        rows = await connection.fetch("select name, digest from setting")
        last = {row["name"]: bytes(row["digest"]) for row in rows}
        if last == now:
            return
        changed = {name for name in last.keys() | now.keys() if last.get(name) != now.get(name)}
        fact = SettingsChanged(
            subject_id=NOBODY,
            service=platform.name,
            version=software,
            changed=tuple(sorted(changed - {VERSION})) if last else (),
            first=not last,
        )
        await _remember(connection, now)
        await platform.outbox.append(connection, [fact])
    platform.outbox.wake()


async def _remember(transaction: Connection, now: Mapping[str, bytes]) -> None:
    await transaction.execute("delete from setting")
    await transaction.execute(
        "insert into setting (name, digest) select * from unnest($1::text[], $2::bytea[])",
        list(now.keys()),
        list(now.values()),
    )


def values(settings: BaseSettings) -> Iterator[tuple[str, str]]:
    """Every setting's environment variable and value as text, settings within settings too."""
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, BaseSettings):
            yield from values(value)
        else:
            plain = value.get_secret_value() if isinstance(value, SecretStr) else value
            yield variable(type(settings), name, field), str(plain)
