# SPDX-License-Identifier: Apache-2.0
"""Whether enough witnesses have signed a checkpoint, and lately enough."""

from __future__ import annotations

from collections.abc import Iterable

from memoryguard.tlog.checkpoint import Checkpoint, parse_checkpoint_text
from memoryguard.tlog.cosignature import WitnessKey, open_cosignatures
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.note import parse_note
from memoryguard.tlog.report import Finding

MAX_AHEAD_S = 300
"""How far a witness's clock may go ahead of ours; what is dated later says nothing about now."""


def check_witnesses(
    note: str,
    keys: Iterable[WitnessKey],
    quorum: int,
    now_s: float,
    max_age_s: float | None = None,
    *,
    unsigned_since_s: float | None = None,
) -> list[Finding]:
    """Check that a quorum of witnesses has signed the newest checkpoint, and lately.

    A log that nobody adds to is signed again and again by its witnesses, so an old cosignature
    means a log that was stopped, or that is shown as it was.

    Parameters
    ----------
    note
        The newest checkpoint with its signatures; that of the log itself is checked elsewhere.
    keys
        Of the witnesses that are trusted, obtained elsewhere than from the log. A key counts once,
        whatever names it goes by.
    quorum
        How many of them must have signed: at least 1.
    now_s
        The time now, seconds since 1970.
    max_age_s
        How old the newest cosignatures of a quorum may be; None asks for none.
    unsigned_since_s
        When the oldest entry was logged that no checkpoint covers; None where there is none.

    Returns
    -------
    list of Finding
        ``not_witnessed`` or ``stalled``; ``bad_signature``, ``malformed_note`` or
        ``malformed_checkpoint`` where the note itself is at fault. Empty if all is well.
    """
    if quorum < 1:
        raise ValueError("a quorum is at least one witness")
    try:
        checkpoint = parse_checkpoint_text(parse_note(note)[0])
        newest = _newest(note, keys, now_s)
    except Unverified as error:
        return [Finding(error.code, f"the newest checkpoint: {error.message}")]
    findings = _counted(checkpoint, newest, quorum, now_s, max_age_s)
    return findings + check_waiting(unsigned_since_s, now_s, max_age_s, checkpoint.size)


def check_waiting(
    unsigned_since_s: float | None, now_s: float, max_age_s: float | None, size: int | None = None
) -> list[Finding]:
    """Check that no entry has waited too long for a checkpoint, the newest being of that size."""
    if unsigned_since_s is None or max_age_s is None or now_s - unsigned_since_s <= max_age_s:
        return []
    message = "entries have waited for a checkpoint longer than the greatest age"
    return [Finding("stalled", message, checkpoint_size=size)]


def _newest(note: str, keys: Iterable[WitnessKey], now_s: float) -> list[int]:
    """When each key signed last, the newest first; what is dated in the future does not count."""
    last = dict[bytes, int]()
    for each in open_cosignatures(note, keys):
        if each.at_s <= now_s + MAX_AHEAD_S:
            last[each.key.public_key] = max(each.at_s, last.get(each.key.public_key, 0))
    return sorted(last.values(), reverse=True)


def _counted(
    checkpoint: Checkpoint,
    newest: list[int],
    quorum: int,
    now_s: float,
    max_age_s: float | None,
) -> list[Finding]:
    if len(newest) < quorum:
        message = f"{len(newest)} of the known witnesses signed it, {quorum} are asked for"
        return [_finding("not_witnessed", message, checkpoint)]
    age_s = now_s - newest[quorum - 1]
    if max_age_s is None or age_s <= max_age_s:
        return []
    message = f"a quorum of witnesses signed it last {age_s:.0f} s ago"
    return [_finding("stalled", message, checkpoint)]


def _finding(code: str, message: str, checkpoint: Checkpoint) -> Finding:
    return Finding(code, message, checkpoint_size=checkpoint.size)
