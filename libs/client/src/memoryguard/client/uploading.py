# SPDX-License-Identifier: Apache-2.0
"""Upload what is not there yet, over a connection that may break.

The platform keeps each batch of files that has arrived. It is asked what is missing; that is sent,
with the names of everything else, so each try is an upload of all the files and judged as one. When
the connection breaks it is asked again, and so it is when the same files are given another time.
Zips, and files that are no scan, are always sent. Files are read as they leave: memory is constant.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, cast

from memoryguard.client.documents import Receipt
from memoryguard.client.errors import ApiError, NothingToSend
from memoryguard.client.wire import Body, Flow, Pause, Request, asked, request_with

UPLOAD = "/api/v1/imaging/upload"
TRIES = 7
"""In a row without any progress: half a minute, in which a service can start again."""
ASKED_TOGETHER = 10_000
READ_BYTES = 1 << 18

Reached: TypeAlias = Callable[[int], None]
"""Told how many bytes are there, as they leave."""


def upload(
    *places: Path,
    user_id: str | None = None,
    reached: Reached = lambda count: None,
    pause_s: float = 0.5,
) -> Flow[Receipt]:
    """Upload folders, zips and files in one request.

    Parameters
    ----------
    places
        What to upload.
    user_id
        Whose scan it is; a patient's own account when left out.
    reached
        See `Reached`.
    pause_s
        Before the second try; then twice as long each time.

    Raises
    ------
    ApiError
        Nothing of it became a scan; or the platform was not reached, or again and again no more
        of the files arrived. ``no_such_file``, ``empty_upload``.
    """
    uploading = _Uploading(upload_paths(places), user_id, reached)
    yield from uploading.ask()
    tries = 1
    while True:
        try:
            return (yield from uploading.send())
        except ApiError as error:
            lost = error.code == "file_not_here"
            if not (lost or error.is_away) or tries == TRIES:
                raise
        yield Pause(pause_s * 2 ** (tries - 1))
        before = len(uploading.here)
        with suppress(ApiError):
            yield from uploading.ask()
        tries = 1 if len(uploading.here) > before else tries + 1


def upload_paths(places: Sequence[Path]) -> list[Path]:
    """Find the files below folders; a file stands for itself.

    Raises
    ------
    ApiError
        ``no_such_file``, ``empty_upload``.
    """
    if not all(place.exists() for place in places):
        raise NothingToSend("no_such_file", "there is no such file or folder", status=422)
    found = [
        path
        for place in places
        for path in (sorted(place.rglob("*")) if place.is_dir() else [place])
        if path.is_file()
    ]
    if not found:
        hint = "name a folder, a zip or a file"
        raise NothingToSend("empty_upload", "there is no file in it", hint, status=422)
    return list(dict.fromkeys(found))


@dataclass(slots=True)
class _Uploading:
    """One upload; its key is the same for every try, so a repeat gets the first answer."""

    paths: Sequence[Path]
    user_id: str | None
    reached: Reached
    here: Mapping[Path, str] = field(default_factory=dict[Path, str])
    _key: str = field(default_factory=lambda: uuid.uuid4().hex)
    _digests: dict[Path, str] = field(default_factory=dict[Path, str])
    _bytes: int = 0

    def ask(self) -> Flow[None]:
        """Ask what is here."""
        self._digests = self._digests or {path: _digest(path) for path in self.paths}
        missing: set[str] = set()
        digests = list(self._digests.values())
        for start in range(0, len(digests), ASKED_TOGETHER):
            some = digests[start : start + ASKED_TOGETHER]
            question = {"user_id": self.user_id, "sha256": some}
            answer = yield from asked(request_with("POST", f"{UPLOAD}/missing", question, tries=1))
            missing.update(answer["missing"])
        self.here = {path: each for path, each in self._digests.items() if each not in missing}
        self._bytes = sum(path.stat().st_size for path in self.here)
        self.reached(self._bytes)

    def send(self) -> Flow[Receipt]:
        """Send all of it once: what is missing, and the names of the rest."""
        form = Form(self._left)
        if self.user_id:
            form.field("user_id", self.user_id)
        for path in self.paths:
            if path in self.here:
                form.field("sha256", self.here[path], path.name)
            else:
                form.file(path)
        headers = {"Content-Type": form.content_type, "Idempotency-Key": self._key}
        request = Request("POST", UPLOAD, form.body(), headers, tries=1)
        return cast("Receipt", (yield from asked(request)))

    def _left(self, count: int) -> None:
        self._bytes += count
        self.reached(self._bytes)


class Form:
    """A multipart/form-data body (RFC 7578) whose files are read as they leave.

    Parameters
    ----------
    left
        Told the number of bytes of each piece of a file as it leaves.
    """

    def __init__(self, left: Reached) -> None:
        self._left = left
        self._boundary = uuid.uuid4().hex
        self._parts: list[bytes | Path] = []

    @property
    def content_type(self) -> str:
        """What it is sent as."""
        return f"multipart/form-data; boundary={self._boundary}"

    def field(self, name: str, value: str, filename: str | None = None) -> None:
        """Append a field."""
        self._parts.append(self._head(name, filename) + value.encode() + b"\r\n")

    def file(self, path: Path) -> None:
        """Append a file."""
        kind = b"Content-Type: application/octet-stream\r\n"
        self._parts += [self._head("file", path.name, kind), path, b"\r\n"]

    def body(self) -> Body:
        """Give what was appended, and the end."""
        parts = [*self._parts, f"--{self._boundary}--\r\n".encode()]
        sizes = (len(p) if isinstance(p, bytes) else p.stat().st_size for p in parts)
        return Body(sum(sizes), lambda: self._pieces(parts))

    def _head(self, name: str, filename: str | None, more: bytes = b"") -> bytes:
        called = f'; filename="{_quoted(filename)}"' if filename is not None else ""
        disposition = f'Content-Disposition: form-data; name="{name}"{called}\r\n'
        return f"--{self._boundary}\r\n{disposition}".encode() + more + b"\r\n"

    def _pieces(self, parts: Sequence[bytes | Path]) -> Iterator[bytes]:
        for part in parts:
            if isinstance(part, bytes):
                yield part
                continue
            with part.open("rb") as file:
                while piece := file.read(READ_BYTES):
                    yield piece
                    self._left(len(piece))


def _quoted(filename: str) -> str:
    """Escape what would end the name, as browsers do (HTML, multipart form data)."""
    return filename.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
