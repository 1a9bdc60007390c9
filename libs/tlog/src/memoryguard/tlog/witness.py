# SPDX-License-Identifier: Apache-2.0
"""What a witness answers (C2SP tlog-witness, ``add-checkpoint``), as one function without effects.

A witness remembers the largest checkpoint that it has signed of each log. It signs another one
only with a proof that the one it remembers is a prefix of it; so it never signs two roots of one
size, nor less than it has signed before, whatever it is asked and in which order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from memoryguard.tlog.checkpoint import Checkpoint, parse_checkpoint_text, parse_decimal
from memoryguard.tlog.cosignature import Cosigner, WitnessKey, open_cosignatures
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.merkle import EMPTY_ROOT, verify_consistency
from memoryguard.tlog.note import (
    VerifierKey,
    check_signatures,
    decode_base64,
    encode_base64,
    parse_note,
)

MAX_HASHES = 63
"""C2SP tlog-witness: a client sends no more consistency proof lines."""

MAX_REQUEST_BYTES = 1 << 16

TEXT = "text/plain"
SIZE = "text/x.tlog.size"

Logs = Mapping[str, Sequence[VerifierKey]]
"""The keys of each log that is witnessed, by its origin."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The largest checkpoint that a witness has signed of a log.

    Parameters
    ----------
    checkpoint
        Size and root.
    note
        The note: signed by the log, and by the witness.
    """

    checkpoint: Checkpoint
    note: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer.

    Parameters
    ----------
    status, body, content_type
        As they are sent.
    kept
        What has to be remembered *before* the answer leaves; None: nothing new.
    forked
        The log has signed another root for the size that is remembered: this proves it a liar.
    """

    status: int
    body: str
    content_type: str = TEXT
    kept: Kept | None = None
    forked: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """The body of ``add-checkpoint``, with nothing verified yet.

    Parameters
    ----------
    old
        Size that the witness is thought to have signed last.
    proof
        Consistency proof from there.
    note
        The checkpoint, verbatim.
    """

    old: int
    proof: tuple[bytes, ...]
    note: str

    def __str__(self) -> str:
        lines = [f"old {self.old}", *(encode_base64(h) for h in self.proof)]
        return "\n".join(lines) + "\n\n" + self.note

    @classmethod
    def parse(cls, text: str) -> Request:
        """Read a request.

        Raises
        ------
        Unverified
            ``malformed_request``.
        """
        head, blank, note = text.partition("\n\n")
        first, *lines = head.split("\n")
        if not (blank and first.startswith("old ") and len(lines) <= MAX_HASHES):
            raise Unverified("malformed_request", "this is no request to add a checkpoint")
        old = parse_decimal(first.removeprefix("old "), "malformed_request")
        return cls(old, tuple(decode_base64(line, "malformed_request") for line in lines), note)


def add_checkpoint(
    body: bytes, memory: Mapping[str, Kept], logs: Logs, cosigner: Cosigner, now_s: int
) -> Answer:
    """Decide about a request.

    Parameters
    ----------
    body
        Of the request, untrusted.
    memory
        What the witness remembers of each log, by origin.
    logs
        The logs that it witnesses.
    cosigner
        Its key.
    now_s
        The time now, seconds since 1970.
    """
    try:
        request = Request.parse(body.decode())
        text, signatures = parse_note(request.note)
        checkpoint = parse_checkpoint_text(text)
    except (Unverified, UnicodeDecodeError):
        return Answer(400, "this is no request to add a checkpoint\n")
    keys = logs.get(checkpoint.origin)
    if keys is None:
        return Answer(404, "this log is not witnessed here\n")
    try:
        check_signatures(text, signatures, keys)
    except Unverified as error:
        return Answer(403, f"{error.message}\n")
    if request.old > checkpoint.size:
        return Answer(400, "the old size is larger than the checkpoint's\n")
    known = memory.get(checkpoint.origin)
    before = known.checkpoint if known else Checkpoint(checkpoint.origin, 0, EMPTY_ROOT)
    return _grow(request, before, checkpoint) or _cosigned(request, keys, cosigner, now_s)


def _grow(request: Request, before: Checkpoint, checkpoint: Checkpoint) -> Answer | None:
    """Refuse whatever is not proved to be the same log, grown; None if it is."""
    forked = before.size == checkpoint.size and before.root != checkpoint.root
    if request.old != before.size or forked:
        return Answer(409, f"{before.size}\n", SIZE, forked=forked)
    try:
        if before.size:
            verify_consistency(
                before.size, checkpoint.size, request.proof, before.root, checkpoint.root
            )
        elif request.proof:
            raise Unverified("proof_length", "nothing is proved from the empty log")
    except Unverified as error:
        return Answer(422, f"{error.message}\n")
    return None


def _cosigned(
    request: Request, keys: Sequence[VerifierKey], cosigner: Cosigner, now_s: int
) -> Answer:
    text, signatures = parse_note(request.note)
    own = {(key.name, key.key_id) for key in keys}
    # Lines of others are not kept: anybody can add some.
    lines = dict.fromkeys(str(each) for each in signatures if (each.name, each.key_id) in own)
    line = cosigner.cosign(text, now_s)
    note = f"{text}\n{''.join(lines)}{line}"
    return Answer(200, line, kept=Kept(parse_checkpoint_text(text), note))


def remember(note: str, key: WitnessKey) -> Kept:
    """Read what a witness has kept, which must bear its own cosignature.

    Raises
    ------
    Unverified
        ``malformed_note``, ``malformed_checkpoint``, ``bad_signature`` or ``unknown_key``.
    """
    if not open_cosignatures(note, [key]):
        raise Unverified("unknown_key", "another witness has kept this checkpoint")
    return Kept(parse_checkpoint_text(parse_note(note)[0]), note)


def logs_of(keys: Iterable[VerifierKey]) -> dict[str, list[VerifierKey]]:
    """Group keys of logs by origin, which is a key's name; a log may have several keys."""
    logs = dict[str, list[VerifierKey]]()
    for key in keys:
        logs.setdefault(key.name, []).append(key)
    return logs
