# SPDX-License-Identifier: Apache-2.0
r"""One entry of the log: what it is found by, its payload, and the bytes that the tree covers.

A leaf is a line of canonical JSON (the *header*: all that an entry is found by) and the payload::

    memoryguard-log-entry/1 {"action":…,"actor":…, … ,"type":…}\\n<payload>

so nothing that is stored beside the payload can be altered without altering the leaf. A payload is
*plain* (the event, byte for byte), *sealed* (the event under a key of its own), or *absent* (the
person was erased before the event came). A sealed payload is a SHA-256 commitment to its key and
the AES-256-GCM ciphertext: the log verifies without any key, and after the key is destroyed; and
nobody can find a second key that opens the same payload to another event (AES-GCM alone would not
prevent that).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import json.encoder
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast, get_args

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.merkle import leaf_hash

MAGIC = b"memoryguard-log-entry/1 "
KEY_BYTES = 32
COMMITMENT_BYTES = 32

Form: TypeAlias = Literal["plain", "sealed", "absent"]
Outcome: TypeAlias = Literal["success", "denied", "failure"]
Number: TypeAlias = tuple[str, str, int]
"""A producer's number of an event: ``(source, epoch, counter)``."""

_NONCE = bytes(12)  # every key seals one payload
_quoted = json.encoder.encode_basestring
_COMMITMENT = b"memoryguard log entry key\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry. Fields stand in the order of the header, which is alphabetical.

    Parameters
    ----------
    action, actor, outcome, purpose
        What was done, by which account (``self``: the person it concerns), how it ended, and why.
    counter, epoch, source
        The producer's number of the event: 1, 2, 3 … per source and epoch, without gaps.
    digest
        Keyed digest of the event (hexadecimal): the same event again has the same one.
    event_id
        Unique together with `source`.
    form
        What the payload is.
    logged_us, occurred_us
        Microseconds since 1970 (UTC) at which it was logged, and at which its producer says that
        it happened.
    scan_id, subject_id
        What and whom it concerns; a subject is a pseudonym.
    topic, type
        Where the event came from, and of which CloudEvents type it is.
    payload
        The bytes behind the header.
    """

    action: str
    actor: str | None = None
    counter: int | None = None
    digest: str
    epoch: str | None = None
    event_id: str
    form: Form
    logged_us: int
    occurred_us: int | None = None
    outcome: Outcome
    purpose: str | None = None
    scan_id: str | None = None
    source: str
    subject_id: str
    topic: str
    type: str
    payload: bytes

    @property
    def number(self) -> Number | None:
        """The producer's number of the event; None where it has none."""
        if self.epoch is None or self.counter is None:
            return None
        return self.source, self.epoch, self.counter

    def leaf(self) -> bytes:
        """Return the bytes that the tree covers."""
        # Field by field: every event passes here, and a general encoder takes twice as long.
        parts = ['{"action":', _quoted(self.action)]
        if self.actor is not None:
            parts += (',"actor":', _quoted(self.actor))
        if self.counter is not None:
            parts += (',"counter":', str(self.counter))
        parts += (',"digest":', _quoted(self.digest))
        if self.epoch is not None:
            parts += (',"epoch":', _quoted(self.epoch))
        parts += (',"event_id":', _quoted(self.event_id), ',"form":', _quoted(self.form))
        parts += (',"logged_us":', str(self.logged_us))
        if self.occurred_us is not None:
            parts += (',"occurred_us":', str(self.occurred_us))
        parts += (',"outcome":', _quoted(self.outcome))
        if self.purpose is not None:
            parts += (',"purpose":', _quoted(self.purpose))
        if self.scan_id is not None:
            parts += (',"scan_id":', _quoted(self.scan_id))
        parts += (',"source":', _quoted(self.source), ',"subject_id":', _quoted(self.subject_id))
        parts += (',"topic":', _quoted(self.topic), ',"type":', _quoted(self.type), "}\n")
        return b"".join((MAGIC, "".join(parts).encode(), self.payload))

    def leaf_hash(self) -> bytes:
        """Return the leaf's hash (RFC 9162, section 2.1.1)."""
        return leaf_hash(self.leaf())

    @classmethod
    def parse(cls, leaf: bytes) -> Entry:
        """Read a leaf.

        Raises
        ------
        Unverified
            ``malformed_entry``, also where the header is not the canonical one.
        """
        head, newline, payload = leaf.partition(b"\n")
        try:
            header = json.loads(head.removeprefix(MAGIC)) if head.startswith(MAGIC) else None
            entry = cls(**_checked(header), payload=payload)
            canonical = newline and entry.leaf() == leaf
        except (ValueError, TypeError, RecursionError) as error:
            raise _malformed() from error
        if not canonical:
            raise _malformed()
        return entry

    def event(self, key: bytes | None = None) -> bytes | None:
        """Return the event, byte for byte; None where it is absent, or sealed and no key is given.

        Raises
        ------
        Unverified
            ``wrong_entry_key``: it is not the key that the entry commits to.
        """
        if self.form != "sealed" or key is None:
            return self.payload if self.form == "plain" else None
        commitment, ciphertext = self.payload[:COMMITMENT_BYTES], self.payload[COMMITMENT_BYTES:]
        if len(key) != KEY_BYTES or not hmac.compare_digest(commitment, _commitment(key)):
            raise Unverified("wrong_entry_key", "the entry is sealed under another key")
        try:
            return AESGCM(key).decrypt(_NONCE, ciphertext, None)
        except InvalidTag as error:
            raise Unverified("wrong_entry_key", "the entry is sealed under another key") from error


_TEXTS = {"action", "digest", "event_id", "source", "subject_id", "topic", "type"}
_TEXTS_OR_NONE = {"actor", "epoch", "purpose", "scan_id"}
_NUMBERS = {"logged_us", "counter", "occurred_us"}


def entry_key(subject_key: bytes, source: str, event_id: str, digest: str) -> bytes:
    """Derive the key of one entry from a person's key (HMAC-SHA256).

    The event's digest is part of it, so no key ever seals two events.
    """
    message = f"log entry\0{source}\0{event_id}\0{digest}"  # no NUL is in any of them
    return hmac.digest(subject_key, message.encode(), "sha256")


def sealed(key: bytes, event: bytes) -> bytes:
    """Return an event under a key, which must be used for no other."""
    return _commitment(key) + AESGCM(key).encrypt(_NONCE, event, None)


def _commitment(key: bytes) -> bytes:
    return hashlib.sha256(_COMMITMENT + key).digest()


def _checked(header: object) -> Mapping[str, Any]:
    """Check that a header has known fields of their types."""
    if not isinstance(header, dict):
        raise _malformed()
    document = cast("dict[str, object]", header)
    for name, value in document.items():
        known = (
            (name in _TEXTS | _TEXTS_OR_NONE and isinstance(value, str))
            or (name in _NUMBERS and type(value) is int)
            or (name == "form" and value in get_args(Form))
            or (name == "outcome" and value in get_args(Outcome))
        )
        if not known:
            raise _malformed()
    return document


def _malformed() -> Unverified:
    return Unverified("malformed_entry", "this is not an entry of a log")
