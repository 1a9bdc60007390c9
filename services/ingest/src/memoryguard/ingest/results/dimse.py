# SPDX-License-Identifier: Apache-2.0
"""Storing a result at a DICOM node (C-STORE, PS3.4 annex B)."""

from __future__ import annotations

import asyncio
import io
import logging
import ssl
from dataclasses import dataclass
from typing import Any

from memoryguard.common.errors import MemoryGuardError
from memoryguard.ingest.results.answers import PATIENCE_S, away, refused
from memoryguard.ingest.ways.statuses import DUPLICATE_INSTANCE, SUCCESS

STORED = frozenset({SUCCESS, DUPLICATE_INSTANCE, 0xB000, 0xB006, 0xB007})
"""It is there; the last three say that elements were coerced or left out, or did not fit."""
_OUT_OF_RESOURCES = range(0xA700, 0xA800)
_TRANSIENT = 0x02
"""Result of an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""


@dataclass(frozen=True, slots=True)
class Node:
    """A DICOM node: its address, what the two call each other, and TLS where it asks for it."""

    address: str
    host: str
    port: int
    called: str
    calling: str
    tls: ssl.SSLContext | None = None

    async def store(self, content: bytes) -> None:
        """Store an object; one that is there already is no error.

        Raises
        ------
        Rejected
            ``destination_refused``.
        Unavailable
            ``destination_away``.
        """
        await asyncio.to_thread(self._store, content)

    def _store(self, content: bytes) -> None:
        from pydicom import dcmread
        from pynetdicom import AE

        logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # it quotes what it sends
        dataset = dcmread(io.BytesIO(content))
        entity = AE(ae_title=self.calling)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = PATIENCE_S
        entity.connection_timeout = PATIENCE_S
        entity.add_requested_context(dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
        secure = (self.tls, self.host) if self.tls else None
        association = entity.associate(self.host, self.port, ae_title=self.called, tls_args=secure)
        if not association.is_established:
            raise _why_not(association)
        try:
            _check(association.send_c_store(dataset).get("Status"))
        except (RuntimeError, ValueError) as error:  # it was cut off, or the kind is not taken
            raise (refused() if association.is_established else away()) from error
        finally:
            association.release()


def _why_not(association: Any) -> MemoryGuardError:
    """Tell a node that will not talk to us from one that cannot now."""
    if not association.is_rejected:
        return refused() if association.rejected_contexts else away()
    answer = association.acceptor.primitive
    return away() if answer is None or answer.result == _TRANSIENT else refused()


def _check(status: int | None) -> None:
    if status is None or status in _OUT_OF_RESOURCES:
        raise away()
    if status not in STORED:
        raise refused()
