# SPDX-License-Identifier: Apache-2.0
"""The identity vault: its own keys, several documents a person, gone for ever when destroyed."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from memoryguard.common.errors import Corrupt, Misconfigured, Rejected
from memoryguard.common.runtime import blobs
from memoryguard.common.runtime.blobs import open_store
from memoryguard.common.runtime.objects import ObjectStore
from memoryguard.common.security.keyring import KeyRing
from memoryguard.common.testing.settings import folder_settings
from memoryguard.ingest.people.identity import KEYS_FOLDER, IdentityVault
from memoryguard.ingest.settings import IngestSettings

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Store

SUBJECT = "5b" * 16
SCANS, IDENTITIES = (base64.urlsafe_b64encode(bytes([n]) * 32).decode() for n in (1, 7))
WHO = {"name": "Doe^Jane", "mrn": "4711"}

# Made once, with Fernet and the envelope alone; never to change.
WRAPPED_KEY = (
    b"gAAAAABpJIEAl5XomE3AhL8l9prOOWDB1oJoUQdxdyR3fm1C5_Qr5M3qG5zgY8OcaDkJzEbF_gF2EnGhaof8GCrq"
    b"nysfGacA4QDvb5rd555T9Z5eYje9TZnZShBzyOC7THPJO3n-aoVJHH8_FjLs9FBJMFzpJaEWd5ufQ9aKqMDnDdfg"
    b"aJJjXbQ="
)
SEALED = bytes.fromhex(
    "4d4745018485868788898a8b8c8d8e8ff549504fab926bf4f6e9a4adfcf020baa73117fb28daf721bd174ef5159b"
    "46952c3b07ed6c5559394d7bdad303f2cefb92a614880750e2ac882ee9a466d4c3ce771926850585b9c2b4b0ccf0"
    "3e1f3f50462c9d340dcc6c10e24983388dad8cbdfbdc9e"
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "objects"))


@pytest.fixture
def vault(store: Store) -> IdentityVault:
    return IdentityVault(store, KeyRing([IDENTITIES]))


async def test_documents_come_back_by_their_names(vault: IdentityVault) -> None:
    assert await vault.get(SUBJECT, "series-1") is None
    await vault.put(SUBJECT, "series-1", WHO)
    await vault.put(SUBJECT, "series-2", {"dates": ["2022-03-01"], "name": "Müller"})
    assert await vault.get(SUBJECT, "series-1") == WHO
    assert await vault.get(SUBJECT, "series-2") == {"dates": ["2022-03-01"], "name": "Müller"}
    assert await vault.get(SUBJECT, "series-3") is None


async def test_the_first_document_under_a_name_stays(vault: IdentityVault) -> None:
    await vault.put(SUBJECT, "series-1", WHO)
    await vault.put(SUBJECT, "series-1", WHO)
    await vault.put(SUBJECT, "series-1", {"name": "Roe^Jane"})
    assert await vault.get(SUBJECT, "series-1") == WHO


async def test_a_broken_document_is_not_taken_for_one_that_came_before(
    vault: IdentityVault, store: Store
) -> None:
    await vault.put(SUBJECT, "series-1", WHO)
    await blobs.write(store, f"identity/{SUBJECT}/series-1", [b"x" * 200], "overwrite")
    with pytest.raises(Corrupt):
        await vault.put(SUBJECT, "series-1", WHO)


async def test_a_destroyed_identity_never_comes_back(vault: IdentityVault) -> None:
    await vault.put(SUBJECT, "series-1", WHO)
    await vault.keys.destroy(SUBJECT)
    for attempt in (vault.get(SUBJECT, "series-1"), vault.put(SUBJECT, "series-2", WHO)):
        with pytest.raises(Rejected) as error:
            await attempt
        assert error.value.code == "subject_erased"


async def test_nothing_in_the_store_tells_who_it_is(vault: IdentityVault, tmp_path: Path) -> None:
    await vault.put(SUBJECT, "series-1", WHO)
    told = _everything_in(tmp_path)
    assert b"series-1" in told
    assert not any(word.encode() in told for word in WHO.values())


def _everything_in(folder: Path) -> bytes:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return b"".join(str(path).encode() + path.read_bytes() for path in files)


async def test_the_vaults_ring_opens_the_vector_and_the_scans_ring_does_not(
    vault: IdentityVault, store: Store
) -> None:
    await blobs.write(store, f"{KEYS_FOLDER}/{SUBJECT}", [WRAPPED_KEY], "create")
    await blobs.write(store, f"identity/{SUBJECT}/series-1", [SEALED], "create")
    assert await vault.get(SUBJECT, "series-1") == WHO
    # Who has the scans' ring, and looks where the vault's keys lie:
    with pytest.raises(Corrupt) as error:
        await IdentityVault(store, KeyRing([SCANS])).get(SUBJECT, "series-1")
    assert error.value.code == "subject_key_corrupt"
    # … or where the scans' keys lie, without and with a key of this person there:
    scans = ObjectStore(store, KeyRing([SCANS]))
    with pytest.raises(Rejected):
        await scans.find(f"identity/{SUBJECT}/series-1", SUBJECT)
    await scans.put("scans/x", SUBJECT, b"x")
    with pytest.raises(Corrupt) as error:
        await scans.find(f"identity/{SUBJECT}/series-1", SUBJECT)
    assert error.value.code == "object_corrupt"


def test_the_vault_needs_keys_and_they_are_its_own(tmp_path: Path) -> None:
    platform, _ = folder_settings(tmp_path, "postgresql://nowhere")
    good = IngestSettings(identity_key=SecretStr(IDENTITIES))
    assert len(good.identity_ring(platform).fingerprints) == 1
    shared = platform.encryption_keys.get_secret_value()
    for keys, code in (
        (None, "no_identity_key"),
        ("", "no_identity_key"),
        ("short", "no_identity_key"),
        (f"{IDENTITIES},{shared}", "shared_identity_key"),
    ):
        settings = IngestSettings(identity_key=None if keys is None else SecretStr(keys))
        with pytest.raises(Misconfigured) as error:
            settings.identity_ring(platform)
        assert error.value.code == code
