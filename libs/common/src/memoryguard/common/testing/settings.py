# SPDX-License-Identifier: Apache-2.0
"""Settings of a platform that lives in one folder, with keys of its own."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

from cryptography.fernet import Fernet
from pydantic import SecretStr

from memoryguard.common.runtime.settings import PlatformSettings
from memoryguard.common.security.tokens import TokenIssuer, generate_key_pair

ISSUER = "memoryguard-test"


def folder_settings(folder: Path, database_url: str) -> tuple[PlatformSettings, TokenIssuer]:
    """Make settings with fresh keys, and the issuer whose tokens they accept."""
    private, public = generate_key_pair()
    objects = folder / "objects"
    objects.mkdir(parents=True, exist_ok=True)
    (folder / "import").mkdir(exist_ok=True)
    settings = PlatformSettings(
        database_url=SecretStr(database_url),
        storage=str(objects),
        encryption_keys=SecretStr(Fernet.generate_key().decode()),
        vault_key=SecretStr(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()),
        token_public_key=public.decode(),
        token_issuer=ISSUER,
        import_root=folder / "import",
        port=0,
    )
    return settings, TokenIssuer(private, ISSUER)
