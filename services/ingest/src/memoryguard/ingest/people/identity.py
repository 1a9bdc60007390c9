# SPDX-License-Identifier: Apache-2.0
"""The identity vault: who somebody is, under keys of its own.

Names, patient numbers, original UIDs and dates are kept for one purpose, to write results back to
where a scan came from. They lie in the object store like scans do, but under subject keys of their
own, wrapped with a key ring of their own (``MEMORYGUARD_IDENTITY_KEY``) that only ingest has: who
can read every scan can read no name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from memoryguard.common.errors import Corrupt
from memoryguard.common.runtime.objects import ObjectStore
from memoryguard.common.runtime.subject_keys import SubjectKeys
from memoryguard.common.security.keyring import KeyRing

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Store

KEYS_FOLDER = "keys/identity"
FOLDER = "identity"


class IdentityVault:
    """Documents about people, several for each: one for each study or series.

    Parameters
    ----------
    store
        The deployment's store.
    keyring
        The vault's own keys.
    """

    def __init__(self, store: Store, keyring: KeyRing) -> None:
        self._objects = ObjectStore(store, keyring, KEYS_FOLDER)

    @property
    def keys(self) -> SubjectKeys:
        """The subjects' keys of the vault; without them it tells nothing."""
        return self._objects.keys

    async def put(self, subject_id: str, name: str, document: Mapping[str, Any]) -> None:
        """Keep a document. The first under a name stays: what comes again changes nothing.

        Parameters
        ----------
        subject_id
            Whose it is.
        name
            What it is about, for instance a scan's id or the pseudonymous UID of a series. The
            store shows it to everybody, so it must tell nothing.
        document
            Anything that is JSON.

        Raises
        ------
        Rejected
            ``subject_erased``, ``bad_object_path``.
        Corrupt
            ``object_corrupt``: what is there cannot be read.
        Unavailable
            ``object_store_unavailable``.
        """
        body = json.dumps(document, sort_keys=True, ensure_ascii=False).encode()
        try:
            await self._objects.put(_path(subject_id, name), subject_id, body)
        except Corrupt as error:
            if error.code != "object_conflict" or await self.get(subject_id, name) is None:
                raise

    async def get(self, subject_id: str, name: str) -> dict[str, Any] | None:
        """Give a document back; None when there is none.

        Raises
        ------
        Rejected
            ``subject_erased``, ``bad_object_path``.
        Corrupt
            ``object_corrupt``.
        Unavailable
            ``object_store_unavailable``.
        """
        if not await self._objects.keys.exists(subject_id):
            return None
        body = await self._objects.find(_path(subject_id, name), subject_id)
        return None if body is None else json.loads(body)

    async def forget(self, subject_id: str, name: str) -> None:
        """Delete a document; that there is none is no error.

        Raises
        ------
        Unavailable
            ``object_store_unavailable``.
        """
        await self._objects.delete([_path(subject_id, name)])


def _path(subject_id: str, name: str) -> str:
    return f"{FOLDER}/{subject_id}/{name}"
