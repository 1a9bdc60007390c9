# SPDX-License-Identifier: Apache-2.0
"""The proof that a result carries: the events behind its numbers, and that the log holds them.

It is read from the log that audit publishes in the object store; audit itself is not asked.
Nothing is verified here: that is for whoever is given the result (`memoryguard.tlog.result`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

from memoryguard.api.scans import Scan
from memoryguard.api.status import KIND_OF_EVENT, latest
from memoryguard.common.errors import Rejected
from memoryguard.common.runtime import blobs
from memoryguard.common.runtime.subject_keys import SubjectKeys
from memoryguard.tlog import published
from memoryguard.tlog.checkpoint import parse_checkpoint_text
from memoryguard.tlog.entry import Entry, entry_key
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.exported import texts
from memoryguard.tlog.merkle import (
    HASH_BYTES,
    Coordinate,
    NodeSource,
    inclusion_nodes,
    inclusion_proof,
)
from memoryguard.tlog.note import encode_base64, parse_note
from memoryguard.tlog.tiles import nodes_of, tile_width, tiles_of

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Store

logger = logging.getLogger(__name__)

Document: TypeAlias = dict[str, Any]

AT_ONCE = 16
TYPE_OF_KIND: Mapping[str, str] = {kind: name for name, kind in KIND_OF_EVENT.items()}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


Sought: TypeAlias = tuple[str, int]
"""An event by its type and time (microseconds since 1970): what the read model knows of it."""


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry as it is published."""

    sequence: int
    leaf: bytes
    entry: Entry

    @property
    def event(self) -> Sought:
        """Which event it holds."""
        return self.entry.type, self.entry.occurred_us or 0


async def proof_of(store: Store, keys: SubjectKeys, scan: Scan) -> Document:
    """Prove what is known of a scan, as far as the published log goes.

    Parameters
    ----------
    store
        The platform's object store.
    keys
        The subjects' keys: each event's entry is opened to whoever gets the result, and no other.
    scan
        Its facts are what is proved.

    Returns
    -------
    dict
        ``status`` is ``complete`` when every event that the result rests on is proved; else
        ``pending``, and ``pending`` says which are not, and why.

    Raises
    ------
    Corrupt
        ``subject_key_corrupt``.
    Unavailable
        ``object_store_unavailable``.
    """
    wanted = {kind: _sought(scan, kind) for kind in behind(scan)}
    note, size = await _checkpoint(store)
    logged = await _logged(store, scan.scan_id, size, set(wanted.values()))
    key = await _key(keys, scan.subject_id)
    unproved = {
        kind: why for kind, each in wanted.items() if (why := _unproved(logged.get(each), key))
    }
    found = {kind: logged[each] for kind, each in wanted.items() if kind not in unproved}
    proofs, missing = await _proofs(store, found, size)
    unproved |= missing
    return {
        "status": "complete" if proofs and not unproved else "pending",
        "pending": [{"type": TYPE_OF_KIND[kind], "reason": why} for kind, why in unproved.items()],
        "checkpoint": note,
        "events": [_event(found[kind], proof, key) for kind, proof in proofs.items()],
        **_origins(scan, list(wanted)),
    }


def behind(scan: Scan) -> list[str]:
    """Give the kinds of facts that a result rests on: latest answers, none that is taken back."""
    measured = latest(scan.facts, "extracted", "refused")
    answered = latest(scan.facts, "predicted", "withheld")
    kinds = ["received", measured] + ([] if measured == "refused" else ["scored", answered])
    return [kind for kind in kinds if kind in scan.facts]


def _origins(scan: Scan, kinds: Sequence[str]) -> Document:
    """What the numbers come from; null where that was not said, with the reason."""
    said = {kind: scan.facts[kind].data for kind in kinds}
    received, scored = said.get("received"), said.get("scored")
    measured = said.get("extracted") or said.get("refused") or scored
    answered = said.get("predicted") or said.get("withheld")
    origins: Document = {
        "scan": None if received is None else _scan(received),
        "engine": measured and measured["engine"],
        "packs": scored and scored.get("packs", {}),
        "model": answered and answered["model"],
    }
    absent = {name: "not_said" for name, origin in origins.items() if origin is None}
    return origins | {"reasons": absent}


def _scan(received: Mapping[str, Any]) -> Document:
    return {"sha256": received["archive"]["sha256"], "instances": received["instances"]}


def _sought(scan: Scan, kind: str) -> Sought:
    return TYPE_OF_KIND[kind], (scan.facts[kind].at - _EPOCH) // timedelta(microseconds=1)


def _unproved(logged: Logged | None, key: bytes | None) -> str | None:
    """Say why an event cannot be shown, None when it can."""
    if logged is None:
        return "not_signed_yet"
    gone = logged.entry.form == "absent" or (logged.entry.form == "sealed" and key is None)
    return "subject_erased" if gone else None


async def _checkpoint(store: Store) -> tuple[str | None, int]:
    """Read the newest published checkpoint: its note, and the size that it speaks of."""
    note = await blobs.read(store, published.CHECKPOINT)
    if note is None:
        return None, 0
    try:
        text = bytes(note).decode()
        return text, parse_checkpoint_text(parse_note(text)[0]).size
    except (Unverified, ValueError):
        logger.critical("the published checkpoint is damaged")
        return None, 0


async def _logged(
    store: Store, scan_id: str, size: int, sought: Set[Sought]
) -> dict[Sought, Logged]:
    """Read entries of a scan that the checkpoint covers; of two alike the first."""
    folder = published.entries(scan_id)
    listed = [blob.path async for blob in blobs.listed(store, folder)] if folder else []
    paths = iter(sorted(path for path in listed if published.sequence(path) < size))
    found = dict[Sought, Logged]()
    while len(found) < len(sought) and (batch := list(islice(paths, AT_ONCE))):
        for logged in await asyncio.gather(*(_entry(store, path) for path in batch)):
            if logged and logged.event in sought:
                found.setdefault(logged.event, logged)
    return found


async def _entry(store: Store, path: str) -> Logged | None:
    leaf = bytes(await blobs.read(store, path) or b"")
    try:
        return Logged(published.sequence(path), leaf, Entry.parse(leaf))
    except Unverified:
        logger.critical("a published entry is damaged", extra={"path": path})
        return None


async def _proofs(
    store: Store, found: Mapping[str, Logged], size: int
) -> tuple[dict[str, list[bytes]], dict[str, str]]:
    """Prove entries in the log of that size; and say why some cannot be."""
    parts = [part for each in found.values() for part in inclusion_nodes(each.sequence, size)]
    nodes = await _nodes(store, (node for part in parts for node in part), size)
    proofs, missing = dict[str, list[bytes]](), dict[str, str]()
    for kind, logged in found.items():
        try:
            proofs[kind] = inclusion_proof(logged.sequence, size, nodes)
        except Unverified as error:
            logger.critical("a published tile is missing")
            missing[kind] = error.code
    return proofs, missing


async def _nodes(store: Store, wanted: Iterable[Coordinate], size: int) -> NodeSource:
    """Fetch all tiles that nodes are read from, at once."""
    tiles = tiles_of(wanted)
    read = await asyncio.gather(*(_tile(store, *tile, size) for tile in tiles))
    return nodes_of({tile: hashes for tile, hashes in zip(tiles, read, strict=True) if hashes})


async def _tile(store: Store, level: int, index: int, size: int) -> bytes | None:
    """Read a tile; a partial one may have given way to the full one meanwhile."""
    width = tile_width(level, index, size)
    for path in (published.tile(level, index, width), published.tile(level, index)):
        hashes = await blobs.read(store, path)
        if hashes is not None:
            return bytes(hashes[: width * HASH_BYTES])
    return None


async def _key(keys: SubjectKeys, subject_id: str) -> bytes | None:
    try:
        return await keys.get(subject_id)
    except Rejected:  # erased at this moment
        return None


def _event(logged: Logged, proof: Sequence[bytes], key: bytes | None) -> Document:
    entry = logged.entry
    opening = None
    if key is not None and entry.form == "sealed":
        opening = entry_key(key, entry.source, entry.event_id, entry.digest)
    return {
        "type": entry.type,
        "sequence": logged.sequence,
        "entry": encode_base64(logged.leaf),
        "opening": None if opening is None else encode_base64(opening),
        "proof": texts(proof),
    }
