# SPDX-License-Identifier: Apache-2.0
"""The witness over HTTP: C2SP tlog-witness, and what it has signed last, for whoever verifies.

Nobody is asked who they are: a request counts for the log's signature in it, and every answer is
signed or no secret.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable

from aiohttp import web

from memoryguard.tlog.cosignature import Cosigner
from memoryguard.tlog.witness import MAX_REQUEST_BYTES, Answer, Logs, add_checkpoint
from memoryguard.witness.memory import Memory, name_of

logger = logging.getLogger(__name__)


class Witness:
    """Answers requests, one at a time.

    Parameters
    ----------
    memory
        What has been signed.
    logs
        The logs that are witnessed.
    cosigner
        The witness's key.
    clock
        Seconds since 1970.
    """

    def __init__(
        self,
        memory: Memory,
        logs: Logs,
        cosigner: Cosigner,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._memory = memory
        self._logs = logs
        self._cosigner = cosigner
        self._clock = clock
        self._alone = threading.Lock()

    def app(self) -> web.Application:
        """Build the application."""
        app = web.Application(client_max_size=MAX_REQUEST_BYTES)
        app.router.add_post("/add-checkpoint", self.add)
        app.router.add_get("/checkpoint/{log}", self.checkpoint)
        app.router.add_get("/health/live", self.live)
        return app

    async def add(self, request: web.Request) -> web.Response:
        """Cosign a checkpoint, or say why not."""
        body = await request.read()
        # In a thread to its end, whatever becomes of the caller: deciding and remembering are one.
        answer = await asyncio.to_thread(self._decide, body)
        return web.Response(
            status=answer.status, body=answer.body.encode(), content_type=answer.content_type
        )

    def _decide(self, body: bytes) -> Answer:
        with self._alone:
            now_s = int(self._clock())
            answer = add_checkpoint(body, self._memory.kept, self._logs, self._cosigner, now_s)
            if answer.forked:
                evidence = body.decode().partition("\n\n")[2]
                logger.critical("a log has signed two histories", extra={"checkpoint": evidence})
            if answer.kept is not None:
                try:
                    self._memory.keep(answer.kept)
                except OSError:
                    logger.critical("what was to be signed cannot be remembered")
                    return Answer(503, "this witness cannot write\n")
            return answer

    async def checkpoint(self, request: web.Request) -> web.Response:
        """Answer with the last checkpoint signed of a log, named by SHA-256 of its origin.

        This is no part of C2SP tlog-witness, which leaves open how verifiers ask.
        """
        for origin, kept in self._memory.kept.items():
            if name_of(origin) == request.match_info["log"]:
                return web.Response(text=kept.note)
        raise web.HTTPNotFound(text="nothing was signed of this log\n")

    async def live(self, request: web.Request) -> web.Response:
        """Say that the process answers."""
        return web.json_response({"status": "live"})
