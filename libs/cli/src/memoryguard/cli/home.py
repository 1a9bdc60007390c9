# SPDX-License-Identifier: Apache-2.0
"""The embedded platform's home: one folder with its keys, database, objects and import folder.

::

    home/keys/       mode 0600: encryption, identity vault, pseudonyms, token issuer, audit signing
    home/postgres/   the embedded PostgreSQL
    home/objects/    the object store
    home/import/     what scan.available events may name
    home/run.json    where the running platform listens; gone when it stops
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from memoryguard.common.errors import Misconfigured
from memoryguard.common.security.keyring import fingerprint
from memoryguard.common.security.tokens import TokenIssuer, generate_key_pair

LOCAL_ISSUER = "memoryguard-local"
KEY_MODE = 0o600
RINGS = ("encryption.key", "identity.key")
LOCK_TRIES = 10
LOCK_TRY_S = 0.05
WARNING = (
    "new keys were made in {folder}: whoever has them can read every scan of this platform,"
    " and without them nobody can. Keep a copy elsewhere."
)


@dataclass(frozen=True, slots=True)
class Home:
    """A folder that holds a whole platform."""

    folder: Path

    @property
    def keys(self) -> Path:
        """Folder of the keys."""
        return self.folder / "keys"

    def issuer(self) -> TokenIssuer:
        """Build the local token issuer; Misconfigured when this is no home of a platform."""
        return TokenIssuer(self._key("token.pem"), LOCAL_ISSUER)

    def environment(self, database_url: str) -> dict[str, str]:
        """Settings of every service that lives here, as environment variables."""
        return {
            "MEMORYGUARD_DATABASE_URL": database_url,
            "IMAGING_STORAGE_PATH": str(self.folder / "objects"),
            "IMAGING_ENCRYPTION_KEY": self._key("encryption.key").decode(),
            "MEMORYGUARD_IDENTITY_KEY": self._key("identity.key").decode(),
            "MEMORYGUARD_VAULT_KEY": self._key("vault.key").decode(),
            "MEMORYGUARD_TOKEN_PUBLIC_KEY": self._public("token.pem"),
            "MEMORYGUARD_TOKEN_ISSUER": LOCAL_ISSUER,
            "MEMORYGUARD_AUDIT_SIGNING_KEY": self._key("audit.pem").decode(),
            "MEMORYGUARD_IMPORT_ROOT": str(self.folder / "import"),
        }

    def audit_public_key(self) -> bytes:
        """Raw Ed25519 public key that checkpoints are verified with."""
        key = load_pem_private_key(self._key("audit.pem"), None).public_key()
        return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)

    def ring(self, name: str) -> list[str]:
        """Keys of a ring (``encryption.key``, ``identity.key``), the current one first."""
        return self._key(name).decode().split(",")

    def write_ring(self, name: str, keys: Sequence[str]) -> None:
        """Put a ring in the place of the one that is there."""
        _write_private(self.keys / name, ",".join(keys))

    def running(self) -> dict[str, Any] | None:
        """Where the platform of this home listens, if it runs."""
        if not self.held():
            return None
        try:
            return json.loads((self.folder / "run.json").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def held(self) -> bool:
        """Whether a process holds this home: a killed one does not, whatever it left behind."""
        try:
            with (self.folder / "lock").open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    @contextmanager
    def announced(self, url: str, database_url: str) -> Generator[None]:
        """Tell other commands where the platform listens, and which keys it knows."""
        place = self.folder / "run.json"
        known = {name: [fingerprint(key) for key in self.ring(name)] for name in RINGS}
        run = {"url": url, "database_url": database_url, "pid": os.getpid(), "rings": known}
        _write_private(place, json.dumps(run))
        try:
            yield
        finally:
            place.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Generator[None]:
        """Hold the home: two platforms in one folder would fight for its database."""
        with (self.folder / "lock").open("w") as file:
            if not _lock(file):
                raise Misconfigured(
                    "already_running",
                    "a platform already runs in this folder",
                    "stop it, or choose another folder with --home",
                )
            (self.folder / "run.json").unlink(missing_ok=True)  # of a killed process
            yield

    def _key(self, name: str) -> bytes:
        try:
            return (self.keys / name).read_bytes()
        except FileNotFoundError:
            raise Misconfigured(
                "no_home", "this folder holds no platform", "start one: memoryguard up"
            ) from None

    def _public(self, name: str) -> str:
        public = load_pem_private_key(self._key(name), None).public_key()
        return public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode()


def make_home(folder: Path) -> Home:
    """Open a home, making its folders and keys when they are not there."""
    folder = folder.expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    home = Home(folder)
    for name in ("keys", "objects", "import"):
        (folder / name).mkdir(exist_ok=True, mode=0o700)
    makers: dict[str, Callable[[], bytes]] = {
        "encryption.key": Fernet.generate_key,
        "identity.key": Fernet.generate_key,
        "vault.key": lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)),
        "token.pem": lambda: generate_key_pair()[0],
        "audit.pem": lambda: generate_key_pair()[0],
    }
    missing = [name for name in makers if not (home.keys / name).exists()]
    for name in missing:
        _write_private(home.keys / name, makers[name]().decode())
    if missing:
        print(WARNING.format(folder=home.keys), file=sys.stderr)
    return home


def _lock(file: TextIO) -> bool:
    """Take the lock; wait a moment, since another command may just be looking at it."""
    for _ in range(LOCK_TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(LOCK_TRY_S)
    return False


def _write_private(path: Path, text: str) -> None:
    """Write a file that only we may read; never half of it."""
    fresh = path.with_suffix(".new")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, KEY_MODE)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
