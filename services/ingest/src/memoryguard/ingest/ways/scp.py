# SPDX-License-Identifier: Apache-2.0
"""DIMSE's way in: C-ECHO and C-STORE (PS3.4 annex B), in a process of its own.

``Success`` is answered when the instance's ciphertext and its row are durable. Run by ingest where
a port is set; alone: ``python -m memoryguard.ingest.ways.scp``.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import ssl
import sys
from collections.abc import AsyncGenerator
from concurrent.futures import CancelledError
from contextlib import AsyncExitStack, asynccontextmanager

from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import Verification  # pyright: ignore[reportAttributeAccessIssue]

from memoryguard.common.errors import EX_CONFIG, MemoryGuardError, Misconfigured
from memoryguard.common.runtime.database import AWAY
from memoryguard.common.runtime.platform import open_platform
from memoryguard.common.runtime.processes import Processes, die_with_parent, share_one_heap
from memoryguard.common.runtime.sandbox import Sandbox
from memoryguard.common.runtime.settings import read_settings
from memoryguard.common.runtime.telemetry import set_up_logging
from memoryguard.ingest.domain.elements import MAX_FILE_BYTES, TRANSFER_SYNTAXES
from memoryguard.ingest.settings import IngestSettings
from memoryguard.ingest.staging import BATCH_BYTES, BATCH_FILES, Receipt, Sender, Staging
from memoryguard.ingest.ways.peers import DimseSettings, Peers, tls_context
from memoryguard.ingest.ways.statuses import OUT_OF_RESOURCES, PROCESSING_FAILURE, status_of

logger = logging.getLogger(__name__)

MEMORY_BYTES = 2 << 30
"""Of this process: the library holds an instance in memory, and believes any length."""
PDU_BYTES = 1 << 17
"""The most that dcmtk sends; the library's own 16 KiB cost it eight times the turns."""
ANSWER_S = 60.0
_CALLING_AE_NOT_RECOGNIZED = (0x01, 0x01, 0x03)
"""Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""


class Inlet:
    """Takes single instances from many threads, and hands those that wait to staging together."""

    def __init__(self, staging: Staging) -> None:
        self._staging = staging
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Queue[tuple[bytes, Sender, asyncio.Future[Receipt]]] = (
            asyncio.Queue()
        )

    def take(self, content: bytes, sender: Sender) -> Receipt:
        """Take an instance; called from a thread, answers when it is durable or refused.

        Raises
        ------
        TimeoutError
            It took too long.
        MemoryGuardError
            Something that is needed is away.
        """
        taken = asyncio.run_coroutine_threadsafe(self._take(content, sender), self._loop)
        return taken.result(ANSWER_S)

    async def _take(self, content: bytes, sender: Sender) -> Receipt:
        receipt: asyncio.Future[Receipt] = self._loop.create_future()
        self._waiting.put_nowait((content, sender, receipt))
        return await receipt

    async def run(self) -> None:
        """Hand batches on, for ever."""
        while True:
            batch = [await self._waiting.get()]
            size = len(batch[0][0])
            while len(batch) < BATCH_FILES and size < BATCH_BYTES and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
                size += len(batch[-1][0])
            for sender in {sender for _, sender, _ in batch}:
                await self._hand_on([(c, r) for c, s, r in batch if s == sender], sender)

    async def _hand_on(
        self, batch: list[tuple[bytes, asyncio.Future[Receipt]]], sender: Sender
    ) -> None:
        try:
            receipts = await self._staging.take([content for content, _ in batch], sender)
        except (MemoryGuardError, *AWAY) as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), receipt in zip(batch, receipts, strict=True):
            if not future.done():
                future.set_result(receipt)


class Scp:
    """Answers associations; every method is called in an association's own thread."""

    def __init__(self, inlet: Inlet, peers: Peers) -> None:
        self._inlet = inlet
        self._peers = peers

    def requested(self, event: Event) -> None:
        """Refuse an association of a peer that is not listed."""
        peer = event.assoc.requestor
        title = peer.primitive.calling_ae_title if peer.primitive else ""
        if not self._peers.may_send(title or "", peer.address or ""):
            logger.warning("association refused")
            event.assoc.acse.send_reject(*_CALLING_AE_NOT_RECOGNIZED)
            event.assoc.kill()

    def store(self, event: Event) -> int:
        """Take one instance; its DIMSE status."""
        try:
            content = event.encoded_dataset()
            if len(content) > MAX_FILE_BYTES:
                return OUT_OF_RESOURCES
            title = event.assoc.requestor.ae_title.strip()
            sender = Sender(f"dimse:{title}", ends="quiet")
            return status_of(self._inlet.take(content, sender))
        except MemoryError:
            return OUT_OF_RESOURCES
        except (TimeoutError, CancelledError, MemoryGuardError, *AWAY) as error:
            logger.warning("instance not taken", extra={"error": type(error).__name__})
            return OUT_OF_RESOURCES  # of all failures the one that says "try again"
        except Exception:  # the library would answer nothing at all
            logger.exception("instance not taken")
            return PROCESSING_FAILURE


@asynccontextmanager
async def listening(
    scp: Scp, settings: DimseSettings, tls: ssl.SSLContext | None
) -> AsyncGenerator[int]:
    """Serve associations.

    Yields
    ------
    int
        The port.
    """
    entity = AE(ae_title=settings.ae_title)
    entity.require_called_aet = True
    entity.maximum_pdu_size = PDU_BYTES
    entity.maximum_associations = settings.max_associations
    entity.network_timeout = settings.network_timeout_s
    entity.dimse_timeout = settings.network_timeout_s
    entity.add_supported_context(Verification)
    for context in AllStoragePresentationContexts:
        entity.add_supported_context(str(context.abstract_syntax), sorted(TRANSFER_SYNTAXES))
    try:
        server = entity.start_server(
            (settings.host, settings.port),
            block=False,
            ssl_context=tls,
            evt_handlers=[(evt.EVT_REQUESTED, scp.requested), (evt.EVT_C_STORE, scp.store)],
        )
    except OSError as error:
        raise Misconfigured(
            "port_taken", f"port {settings.port} is taken", "set MEMORYGUARD_DIMSE_PORT"
        ) from error
    assert server is not None  # noqa: S101  # it does not block
    try:
        yield server.server_address[1]
    finally:
        await asyncio.to_thread(entity.shutdown)


async def serve(settings: DimseSettings) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    peers, shared = Peers(settings.peers), read_settings()
    tls = tls_context(settings, shared)
    processes = Processes(1)  # none is started before there is work, and here is none
    async with AsyncExitStack() as stack:
        platform = await stack.enter_async_context(
            open_platform("ingest", shared, "memoryguard.ingest.migrations", processes)
        )
        sandbox = Sandbox("memoryguard.ingest.parsing", IngestSettings().parsers)
        stack.push_async_callback(sandbox.close)
        inlet = Inlet(Staging(platform, sandbox))
        running = asyncio.create_task(inlet.run())
        stack.callback(running.cancel)
        port = await stack.enter_async_context(listening(Scp(inlet, peers), settings, tls))
        logger.info("serving DIMSE", extra={"port": port})
        await stopping.wait()


def main() -> None:
    """Run the receiver alone."""
    die_with_parent()
    share_one_heap()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    try:
        set_up_logging(read_settings().log_level)
        logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # it quotes what it is sent
        asyncio.run(serve(DimseSettings()))
    except Misconfigured as error:
        print(f"{error} ({error.hint})", file=sys.stderr)
        raise SystemExit(EX_CONFIG) from None


if __name__ == "__main__":
    main()
