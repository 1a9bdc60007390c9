# SPDX-License-Identifier: Apache-2.0
"""A start with other settings is an event with their names; the same start again is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from memoryguard.cli.up import every_recipe
from memoryguard.common.contracts.event import NOBODY, decode
from memoryguard.common.contracts.flow import FACTS
from memoryguard.common.contracts.oversight import SettingsChanged
from memoryguard.common.runtime import started
from memoryguard.common.runtime.platform import Platform, open_platform
from memoryguard.common.runtime.processes import Processes
from memoryguard.common.security.keyring import VaultKey
from memoryguard.common.testing.settings import folder_settings

SECRET = "canary-5d1c"


class OwnSettings(BaseSettings):
    """A service's own settings."""

    model_config = SettingsConfigDict(env_prefix="MEMORYGUARD_ML_")

    limit: int = 3
    password: SecretStr = Field(default=SecretStr(SECRET))


@pytest_asyncio.fixture
async def platform(database_url: str, tmp_path: Path) -> AsyncGenerator[Platform]:
    settings, _ = folder_settings(tmp_path, database_url)
    async with AsyncExitStack() as stack:
        processes = Processes(1)
        stack.callback(processes.close)
        yield await stack.enter_async_context(open_platform("ml", settings, None, processes))


async def said(platform: Platform) -> list[SettingsChanged]:
    rows = await platform.pool.fetch("select body from outbox order by position")
    facts = [decode(row["body"], FACTS).data for row in rows]
    assert all(isinstance(fact, SettingsChanged) for fact in facts)
    return facts  # pyright: ignore[reportReturnType]


def other(platform: Platform, **changes: Any) -> Platform:
    """The same service, started with other settings."""
    return replace(platform, settings=platform.settings.model_copy(update=changes))


async def test_the_first_start_is_told_and_the_next_ones_only_when_they_differ(
    platform: Platform,
) -> None:
    for _ in range(3):
        await started.say_changed_settings(platform, [OwnSettings()])
    (first,) = await said(platform)
    assert (first.subject_id, first.service, first.first, first.changed) == (
        *(NOBODY, "ml", True, ()),
    )
    await started.say_changed_settings(other(platform, port=1), [OwnSettings(limit=4)])
    await started.say_changed_settings(other(platform, port=1), [OwnSettings(limit=4)])
    await started.say_changed_settings(platform, [OwnSettings()])
    names = ("MEMORYGUARD_ML_LIMIT", "MEMORYGUARD_PORT")
    assert [(fact.first, fact.changed) for fact in (await said(platform))[1:]] == [
        (False, names),
        (False, names),
    ]


async def test_a_secret_is_compared_and_not_told(platform: Platform) -> None:
    await started.say_changed_settings(platform, [OwnSettings()])
    kafka = platform.settings.kafka.model_copy(update={"password": SecretStr(SECRET * 2)})
    rotated = other(platform, kafka=kafka, encryption_keys=SecretStr(SECRET * 3))
    await started.say_changed_settings(rotated, [OwnSettings(password=SecretStr(SECRET * 4))])
    assert (await said(platform))[1].changed == (
        *("IMAGING_ENCRYPTION_KEY", "MEMORYGUARD_KAFKA_PASSWORD", "MEMORYGUARD_ML_PASSWORD"),
    )
    stored = await platform.pool.fetch(
        "select body from outbox union all select digest from setting"
    )
    assert len(stored) > 20
    assert not any(SECRET.encode() in row["body"] for row in stored)


async def test_without_the_vault_key_a_digest_tells_nothing(platform: Platform) -> None:
    """Two deployments with the same setting have other digests: none can be looked up."""
    assert platform.vault.setting_digest("a", "b") != VaultKey(b"x" * 32).setting_digest("a", "b")
    assert platform.vault.setting_digest("a", "bc") != platform.vault.setting_digest("ab", "c")


async def test_another_version_is_told_even_when_no_setting_is_another(platform: Platform) -> None:
    await started.say_changed_settings(platform)
    await platform.pool.execute("update setting set digest = 'before' where name = ''")
    await started.say_changed_settings(platform)
    assert [(fact.first, fact.changed) for fact in await said(platform)] == [
        (True, ()),
        (False, ()),
    ]


async def test_a_setting_that_comes_or_goes_is_told(platform: Platform) -> None:
    await started.say_changed_settings(platform)
    await started.say_changed_settings(platform, [OwnSettings()])
    await started.say_changed_settings(platform)
    came_and_went = ("MEMORYGUARD_ML_LIMIT", "MEMORYGUARD_ML_PASSWORD")
    assert [fact.changed for fact in await said(platform)] == [(), came_and_went, came_and_went]


async def test_replicas_that_start_at_once_say_it_once(platform: Platform) -> None:
    for port in (1, 2):
        replica = other(platform, port=port)
        await asyncio.gather(*(started.say_changed_settings(replica) for _ in range(6)))
        assert len(await said(platform)) == port


@pytest.mark.parametrize("recipe", every_recipe(), ids=lambda recipe: recipe.name)
def test_a_services_own_settings_are_compared(recipe: Any) -> None:
    """Every settings class of a service is named in its recipe."""
    own = {cls for cls in BaseSettings.__subclasses__()
           if cls.__module__.startswith(f"memoryguard.{recipe.name}.")}  # fmt: skip
    assert own
    assert set(recipe.settings) == own
