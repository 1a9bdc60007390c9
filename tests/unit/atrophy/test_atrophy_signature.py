# SPDX-License-Identifier: Apache-2.0
"""A norm pack is read only as it was signed, and only when its key is trusted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from atrophy_people import WOMAN_72

from memoryguard.atrophy.domain.measure import Engine, Quantity
from memoryguard.atrophy.domain.score import score
from memoryguard.atrophy.packs import FOLDER, NAMES, load_norms, load_pack, read_pack
from memoryguard.atrophy.packs.signature import (
    keys_of,
    new_key,
    release_keys,
    sign_with,
    signature_of,
)
from memoryguard.atrophy.settings import AtrophySettings
from memoryguard.common.errors import Misconfigured, Rejected


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A shipped pack and its signature, to be spoiled."""
    for name in ("nomis_fs6.json", "nomis_fs6.json.sig"):
        shutil.copy(FOLDER / name, tmp_path / name)
    return tmp_path / "nomis_fs6.json"


@pytest.mark.parametrize("name", NAMES)
def test_shipped_packs_are_signed_by_the_release(name: str) -> None:
    pack = load_pack(name)
    assert pack.signed_by in release_keys()
    assert len(pack.sha256) == 64


def test_one_changed_byte_is_found(copied: Path) -> None:
    content = bytearray(copied.read_bytes())
    content[content.index(b"50559")] ^= 1  # a digit of a residual SD: still a valid pack
    copied.write_bytes(content)
    json.loads(content)
    with pytest.raises(Misconfigured, match="norm_pack_not_trusted"):
        read_pack(copied, release_keys())


def test_a_pack_without_a_signature_is_refused(copied: Path) -> None:
    signature_of(copied).unlink()
    with pytest.raises(Misconfigured, match="norm_pack_not_trusted"):
        read_pack(copied, release_keys())


@pytest.mark.parametrize("said", [b"", b"{}", b"[]", b'{"key_id": "x", "signature": "AA=="}'])
def test_a_signature_that_says_nothing_is_refused(copied: Path, said: bytes) -> None:
    signature_of(copied).write_bytes(said)
    with pytest.raises(Misconfigured, match="norm_pack_not_trusted"):
        read_pack(copied, release_keys())


def test_an_unknown_key_is_refused_and_a_named_one_is_not(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    public = _signed(copied, tmp_path / "key.pem")
    with pytest.raises(Misconfigured, match="norm_pack_not_trusted"):
        read_pack(copied, release_keys())
    assert read_pack(copied, keys_of([public])).name == "nomis_fs6"


def test_a_malformed_key_is_a_fault_of_the_configuration() -> None:
    for text in ("???", "QUJD"):
        with pytest.raises(Misconfigured, match="norm_pack_key_malformed"):
            AtrophySettings(pack_keys=text).norms()


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no_norm_pack_folder"):
        AtrophySettings(packs=tmp_path / "nowhere").norms()


def test_a_deployments_own_pack_comes_first_for_its_engine(tmp_path: Path) -> None:
    public = _own_pack(tmp_path)
    packs = AtrophySettings(packs=tmp_path / "packs", pack_keys=public).norms().packs
    assert set(packs) == {*NAMES, "ours"}
    volumes = {"hippocampus_total": Quantity(7000.0), "intracranial": Quantity(1_450_000.0)}
    own = score(volumes, WOMAN_72, packs, Engine("scanline", "3")).regions["hippocampus_total"]
    assert own.pack == "ours"
    assert own.z is not None
    other = score(volumes, WOMAN_72, packs, Engine("synthseg", "2")).regions["hippocampus_total"]
    assert other.pack == "ixi_synthseg_fit"


def test_two_packs_for_one_region_are_refused(tmp_path: Path) -> None:
    public = _own_pack(tmp_path)
    twin = tmp_path / "packs/twin.json"
    document = json.loads((tmp_path / "packs/ours.json").read_bytes()) | {"name": "twin"}
    twin.write_text(json.dumps(document))
    sign_with(tmp_path / "key.pem", twin)
    with pytest.raises(Misconfigured, match="norm_packs_overlap"):
        load_norms(tmp_path / "packs", keys_of([public]))


def test_a_signed_file_that_is_no_pack_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "no.json"
    path.write_text("{}")
    public = _signed(path, tmp_path / "key.pem")
    with pytest.raises(Misconfigured, match="norm_pack_unreadable"):
        read_pack(path, keys_of([public]))


def _signed(pack: Path, key: Path) -> str:
    """Sign with a new key, as a deployment does; its public half comes back."""
    public = new_key(key)
    assert key.stat().st_mode & 0o077 == 0
    sign_with(key, pack)
    return public


def _own_pack(folder: Path) -> str:
    document = json.loads((FOLDER / "ixi_synthseg_fit.json").read_bytes())
    document |= {"name": "ours", "engines": ["scanline"]}
    (folder / "packs").mkdir()
    (folder / "packs/ours.json").write_text(json.dumps(document))
    return _signed(folder / "packs/ours.json", folder / "key.pem")


def test_keys_are_neither_written_over_nor_taken_from_another_file(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    new_key(key)
    with pytest.raises(Rejected, match="file_exists"):
        new_key(key)
    (tmp_path / "pack.json").write_text("{}")
    with pytest.raises(Rejected, match="not_a_signing_key"):
        sign_with(tmp_path / "pack.json", tmp_path / "pack.json")
