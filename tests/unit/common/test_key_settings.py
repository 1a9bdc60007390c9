# SPDX-License-Identifier: Apache-2.0
"""Where scans lie and what opens them: under the documented names, and never without a key."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from memoryguard.common.errors import Misconfigured
from memoryguard.common.runtime.blobs import open_store
from memoryguard.common.runtime.objects import ObjectStore
from memoryguard.common.runtime.platform import open_platform
from memoryguard.common.runtime.processes import Processes
from memoryguard.common.runtime.settings import read_settings
from memoryguard.common.security.keyring import KeyRing
from memoryguard.common.testing.settings import folder_settings

SUBJECT = "a" * 32


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a service is given: as first described, a relative path and a Fernet key."""
    others, _ = folder_settings(tmp_path, "")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMAGING_STORAGE_PATH", "./data/imaging")
    monkeypatch.setenv("IMAGING_ENCRYPTION_KEY", Fernet.generate_key().decode())
    monkeypatch.setenv("MEMORYGUARD_DATABASE_URL", "postgresql://127.0.0.1:1/nowhere")
    monkeypatch.setenv("MEMORYGUARD_VAULT_KEY", others.vault_key.get_secret_value())
    monkeypatch.setenv("MEMORYGUARD_TOKEN_PUBLIC_KEY", others.token_public_key)


async def test_path_and_key_work_as_documented(tmp_path: Path) -> None:
    settings = read_settings()
    ring = KeyRing.from_setting(settings.encryption_keys.get_secret_value())
    objects = ObjectStore(open_store(settings.storage), ring)
    ref = await objects.put("scans/x", SUBJECT, b"brain")
    assert await objects.get(ref, SUBJECT) == b"brain"
    assert _is_file(tmp_path / "data" / "imaging" / "scans" / "x")


def _is_file(path: Path) -> bool:
    return path.is_file()


@pytest.mark.parametrize("name", ["IMAGING_STORAGE_PATH", "IMAGING_ENCRYPTION_KEY"])
def test_what_is_missing_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(Misconfigured) as error:
        read_settings()
    assert name in error.value.message


@pytest.mark.parametrize("keys", ["", " ", ",", "no key", Fernet.generate_key().decode() + ","])
async def test_without_a_usable_key_nothing_is_opened(
    keys: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGING_ENCRYPTION_KEY", keys)
    opening = open_platform("ingest", read_settings(), None, Processes(1))
    with pytest.raises(Misconfigured) as error:
        await opening.__aenter__()
    assert error.value.code == "bad_encryption_key", "and not that there is no database"
    assert not _is_folder(tmp_path / "data")


def _is_folder(path: Path) -> bool:
    return path.is_dir()
