# SPDX-License-Identifier: Apache-2.0
"""Settings of atrophy, from the environment."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from memoryguard.atrophy.packs import Norms, load_norms
from memoryguard.atrophy.packs.signature import keys_of
from memoryguard.common.errors import Misconfigured
from memoryguard.common.runtime.settings import read


class AtrophySettings(BaseSettings):
    """Norms of the deployment's own, beside the shipped ones."""

    model_config = SettingsConfigDict(
        env_prefix="MEMORYGUARD_ATROPHY_", frozen=True, extra="ignore"
    )

    packs: Path | None = Field(
        default=None, description="Folder of signed norm packs and sites beside the shipped ones."
    )
    pack_keys: str = Field(
        default="",
        description="Public keys (base64, separated by commas) that may sign what is in it.",
    )

    def norms(self) -> Norms:
        """Read everything; Misconfigured where a file is not signed by a trusted key."""
        if self.packs is not None and not self.packs.is_dir():
            raise Misconfigured(
                "no_norm_pack_folder",
                "the folder of norm packs does not exist",
                "set MEMORYGUARD_ATROPHY_PACKS",
            )
        keys = keys_of(key.strip() for key in self.pack_keys.split(",") if key.strip())
        return load_norms(self.packs, keys)


@cache
def norms() -> Norms:
    """Norms of this process, read once; its start asks first, so that it fails there."""
    return read(AtrophySettings).norms()
