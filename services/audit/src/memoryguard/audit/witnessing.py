# SPDX-License-Identifier: Apache-2.0
"""Audit's third endless task: have witnesses sign the log (C2SP tlog-witness).

In rounds: each witness that is due is asked about the newest checkpoint, all at the same time. A
log that does not grow is signed again after a while, so that one that was stopped shows. The notary
waits for none of this.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import aiohttp
from prometheus_client import Gauge

from memoryguard.audit.cosigned import Confirmed, Witness, keep, last_confirmed
from memoryguard.audit.proving import prove_growth
from memoryguard.common.runtime.database import AWAY, Pool
from memoryguard.common.runtime.waiting import pause
from memoryguard.tlog.checkpoint import parse_decimal
from memoryguard.tlog.cosignature import open_cosignature_lines
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.note import parse_note, parse_signatures
from memoryguard.tlog.witness import Request

logger = logging.getLogger(__name__)

TIMEOUT_S = 5.0
MAX_WAIT_S = 60.0
MAX_ANSWER_BYTES = 1 << 14

SINCE_COSIGNED = Gauge(
    "memoryguard_witness_seconds_since_cosigned",
    "Seconds since a witness has signed the log; since the start, where it never has.",
    ["witness"],
)
REFUSES = Gauge(
    "memoryguard_witness_refuses",
    "1: a witness says that this log is not what it was.",
    ["witness"],
)


@dataclass(slots=True)
class _Asked:
    """How far we are with one witness. `due` is when to ask again, `wait_s` the next back-off."""

    witness: Witness
    signed_s: float
    size: int = 0
    due: float = 0.0
    wait_s: float = 1.0
    known: bool = False


class Witnessing:
    """Has the log signed by witnesses.

    Parameters
    ----------
    pool
        Of audit's database.
    witnesses
        Whom to ask.
    every_s
        Seconds between rounds; one is over at once when there is nothing to ask.
    cosign_s
        Seconds after which a log that has not grown is signed again.
    clock
        Seconds since 1970.
    """

    def __init__(
        self,
        pool: Pool,
        witnesses: Sequence[Witness],
        every_s: float,
        cosign_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._pool = pool
        self._every_s = every_s
        self._cosign_s = cosign_s
        self._clock = clock
        self._asked = [_Asked(witness, clock()) for witness in witnesses]
        for each in self._asked:
            SINCE_COSIGNED.labels(each.witness.key.name).set_function(
                lambda each=each: clock() - each.signed_s
            )
            REFUSES.labels(each.witness.key.name).set(0)

    async def run(self) -> None:
        """Ask, for ever."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                try:
                    await self.round(session)
                except AWAY:
                    logger.warning("witnessing waits")
                await pause(self._every_s)

    async def round(self, session: aiohttp.ClientSession) -> None:
        """Ask each witness that is due about the newest checkpoint; store what they signed."""
        newest = await self._pool.fetchrow(
            "select size, note from log.checkpoint order by size desc limit 1"
        )
        if newest is None:
            return
        due = [each for each in self._asked if await self._is_due(each, newest["size"])]
        asked = (self._ask(session, each, newest["size"], newest["note"]) for each in due)
        confirmed = [each for each in await asyncio.gather(*asked) if each is not None]
        if confirmed:
            await keep(self._pool, confirmed)

    async def _is_due(self, asked: _Asked, size: int) -> bool:
        if not asked.known:  # another process, or this one before, may have asked already
            last = await last_confirmed(self._pool, asked.witness.key)
            asked.size, asked.signed_s = last or (0, asked.signed_s)
            asked.known = True
        now = self._clock()
        grown = size != asked.size
        return now >= asked.due and (grown or now - asked.signed_s >= self._cosign_s)

    async def _ask(
        self, session: aiohttp.ClientSession, asked: _Asked, size: int, note: str
    ) -> Confirmed | None:
        """Ask one witness; None when it has not signed, for whatever reason."""
        confirmed = None
        try:
            confirmed = await self._add_checkpoint(session, asked, size, note)
        except (aiohttp.ClientError, TimeoutError):
            logger.warning("a witness is away", extra={"witness": asked.witness.key.name})
        except Unverified as error:
            extra = {"witness": asked.witness.key.name, "code": error.code}
            logger.error("a witness answers what does not verify", extra=extra)
        now = self._clock()
        if confirmed is None:
            asked.due = now + asked.wait_s
            asked.wait_s = min(asked.wait_s * 2, MAX_WAIT_S)
            return None
        asked.size, asked.signed_s, asked.due, asked.wait_s = size, confirmed.at_s, now, 1.0
        REFUSES.labels(asked.witness.key.name).set(0)
        return confirmed

    async def _add_checkpoint(
        self, session: aiohttp.ClientSession, asked: _Asked, size: int, note: str
    ) -> Confirmed | None:
        """Ask from what the witness confirmed last; if it knows another size, from there."""
        old, witness = asked.size if asked.size <= size else 0, asked.witness
        for _ in range(2):
            request = await self._request(witness, old, size, note)
            if request is None:
                return None
            status, body = await _post(session, witness, request)
            if status == 200:
                return _confirmed(witness, size, note, body)
            at = parse_decimal(body.strip("\n"), "malformed_size") if status == 409 else old
            if at == old or (at > size and not await self._has_checkpoint(at)):
                _tell(witness, status)
                return None
            asked.size = at
            if at > size:  # another replica was faster
                return None
            old = at
        return None

    async def _request(self, witness: Witness, old: int, size: int, note: str) -> Request | None:
        try:
            proof = await prove_growth(self._pool, old, size) if 0 < old < size else []
        except Unverified:
            extra = {"witness": witness.key.name, "size": old}
            logger.critical("this log cannot prove that it only grew", extra=extra)
            REFUSES.labels(witness.key.name).set(1)
            return None
        return Request(old, tuple(proof), note)

    async def _has_checkpoint(self, size: int) -> bool:
        return await self._pool.fetchval(
            "select exists (select from log.checkpoint where size >= $1)", size
        )


async def _post(
    session: aiohttp.ClientSession, witness: Witness, request: Request
) -> tuple[int, str]:
    """Send a request; status and body of the answer, which may be anybody's."""
    url, body = f"{witness.url}/add-checkpoint", str(request).encode()
    async with session.post(url, data=body, allow_redirects=False) as answer:
        received = bytearray()
        async for chunk in answer.content.iter_any():
            received += chunk
            if len(received) > MAX_ANSWER_BYTES:
                raise Unverified("malformed_note", "the answer is too long")
        return answer.status, received.decode(errors="replace")


def _confirmed(witness: Witness, size: int, note: str, lines: str) -> Confirmed:
    """Verify what a witness has signed; its own line alone is taken."""
    text, _ = parse_note(note)
    own = (witness.key.name, witness.key.key_id)
    line = next(
        (str(each) for each in parse_signatures(lines) if (each.name, each.key_id) == own), None
    )
    if line is None:
        raise Unverified("unknown_key", "the witness signs with another key")
    (signed,) = open_cosignature_lines(text, line, [witness.key])
    return Confirmed(witness.key, size, line, signed.at_s)


def _tell(witness: Witness, status: int) -> None:
    """Tell that a witness does not sign: loudly where it says that the log is not what it was."""
    extra = {"witness": witness.key.name, "status": status}
    if status in (409, 422):
        logger.critical("a witness says that this log is not what it was", extra=extra)
        REFUSES.labels(witness.key.name).set(1)
    else:
        logger.error("a witness does not take this log", extra=extra)
