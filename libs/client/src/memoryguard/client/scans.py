# SPDX-License-Identifier: Apache-2.0
"""Scans: where they stand, what was measured, and the files that were made of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode

from memoryguard.client.documents import FINAL, Analysis, Artifact, Form, Status
from memoryguard.client.errors import ApiError
from memoryguard.client.wire import (
    PAUSE_S,
    Document,
    Flow,
    Give,
    Pause,
    Read,
    Request,
    Step,
    Stream,
    asked,
    fetched,
    last_of,
    opened,
    pause_s,
)
from memoryguard.common.files import whole

PATH = "/api/v1/imaging"
KNOWN_TRIES = 40  # of a quarter of a second: a scan that was just uploaded is heard of by then
STREAM_TRIES = 5  # in a row without any news; then it is asked for
POLL_S = 2.0
ASK_TRIES = 5_400  # three hours
FORMS: Mapping[Form, str] = {
    "pdf": "report.pdf",
    "clinician": "report.pdf?for=clinician",
    "plain": "report.pdf?for=plain",
    "fhir": "fhir",
    "csv": "measurements.csv",
}


def named(imaging_id: str, what: str = "") -> str:
    """Address of something about a scan."""
    return f"{PATH}/{quote(imaging_id, safe='')}/{what}"


def status(imaging_id: str) -> Flow[Status]:
    """Ask where a scan stands."""
    return cast("Flow[Status]", asked(Request("GET", named(imaging_id, "status"))))


def analysis(imaging_id: str, *, proof: bool = False) -> Flow[Analysis]:
    """Read what was measured; with the log's proof of it, where that is asked for.

    Raises
    ------
    ApiError
        ``not_ready`` (409), ``not_found``.
    """
    query = "?proof=1" if proof else ""
    return cast("Flow[Analysis]", asked(Request("GET", named(imaging_id, "analysis") + query)))


def scans(
    user_id: str | None = None,
    *,
    name: str | None = None,
    status: str | None = None,
    severity: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    page: int = 100,
) -> Stream[Document]:
    """Give every scan whose results one may see, newest first, page after page.

    Parameters
    ----------
    user_id
        Only those of this account.
    name
        Only those with this in their name.
    status, severity
        Only those of which the list says so, for instance ``failed``, ``moderate``.
    since, until
        Only those that came from `since` on and before `until`, in local time if they name no zone.
    page
        How many are asked for at once.

    Raises
    ------
    ApiError
        ``bad_filter``, ``bad_account``.
    """
    period = {"from": since, "to": until}
    given = {"user_id": user_id, "q": name, "status": status, "severity": severity} | {
        end: at.astimezone().isoformat() for end, at in period.items() if at
    }
    query = {"limit": str(page)} | {key: value for key, value in given.items() if value}
    while True:
        found = yield from asked(Request("GET", f"{PATH}?{urlencode(query)}"))
        for item in found["items"]:
            yield Give(item)
        if not found["next_cursor"]:
            return
        query["cursor"] = found["next_cursor"]


def watch(imaging_id: str) -> Stream[Status]:
    """Give each change of a scan's status until it is completed or failed.

    By server-sent events. When they break off they are asked for again; when none come, the status
    is asked for instead.
    """
    last = yield from _known(imaging_id)
    yield Give(last)
    fruitless = 0
    while last["status"] not in FINAL and fruitless < STREAM_TRIES:
        before = last
        try:
            last = yield from _streamed(imaging_id, last)
        except ApiError as error:
            if not error.is_away:
                break  # somebody between us does not let streams pass
        fruitless = 0 if last != before else fruitless + 1
        if last["status"] not in FINAL:
            yield Pause(pause_s(max(fruitless, 1)))
    yield from _polled(imaging_id, last)


def wait(imaging_id: str) -> Flow[Status]:
    """Wait until a scan is completed or failed; its last status."""
    return (yield from last_of(watch(imaging_id)))


def _known(imaging_id: str) -> Flow[Status]:
    """Ask until the read model has heard of a scan that was just uploaded."""
    for _ in range(KNOWN_TRIES - 1):
        try:
            return (yield from status(imaging_id))
        except ApiError as error:
            if error.code != "not_found":
                raise
        yield Pause(PAUSE_S)
    return (yield from status(imaging_id))


def _streamed(imaging_id: str, last: Status) -> Generator[Step | Give[Status], Any, Status]:
    """Give what one stream of events says; the last of it."""
    head = yield from opened(Request("GET", named(imaging_id, "events"), timeout_s=60.0))
    if not head.headers.get("content-type", "").startswith("text/event-stream"):
        raise ApiError("bad_answer", "no events were answered", status=head.status)
    pending = b""
    try:
        while piece := (yield Read()):
            *lines, pending = (pending + piece).split(b"\n")
            for line in lines:
                if line.startswith(b"data:") and (said := json.loads(line[5:])) != last:
                    last = said
                    yield Give(last)
    except ApiError:
        pass  # the stream broke off: whoever reads begins another
    return last


def _polled(imaging_id: str, last: Status) -> Stream[Status]:
    for _ in range(ASK_TRIES):
        if last["status"] in FINAL:
            return
        now = yield from status(imaging_id)
        if now != last:
            last = now
            yield Give(last)
        else:
            yield Pause(POLL_S)


def download(imaging_id: str, name: str, into: Path) -> Flow[Path]:
    """Fetch a file that was made of a scan, and check it against what the analysis says.

    Parameters
    ----------
    imaging_id, name
        Of the scan; and of the file, for instance ``structures.glb``: see `Analysis`.
    into
        Where to write it. It is there when it is whole, and not before.

    Raises
    ------
    ApiError
        ``no_such_artifact``; ``wrong_content``: it is not what was measured.
    """
    there = (yield from analysis(imaging_id))["artifacts"]
    found = there.get(name)
    if found is None:
        raise ApiError("no_such_artifact", "no such file was made of it", ", ".join(sorted(there)))
    with whole(into) as part:
        yield from _written(found, named(imaging_id, name), part)
    return into


def report(imaging_id: str, into: Path, form: Form = "pdf") -> Flow[Path]:
    """Fetch the result as a document.

    Parameters
    ----------
    imaging_id
        Of the scan.
    into
        Where to write it. It is there when it is whole, and not before.
    form
        ``pdf`` (for clinicians or in plain words, as one's role is), ``clinician``, ``plain``,
        ``fhir`` (a Bundle of R4) or ``csv``.

    Raises
    ------
    ApiError
        ``not_ready`` (409), ``not_found``.
    """
    content = yield from fetched(Request("GET", named(imaging_id, FORMS[form])))
    with whole(into) as part:
        part.write_bytes(content)
    return into


def _written(found: Artifact, path: str, part: Path) -> Flow[None]:
    yield from opened(Request("GET", path))
    digest = hashlib.sha256()
    with part.open("wb") as file:
        while piece := (yield Read()):
            digest.update(piece)
            file.write(piece)
    if digest.hexdigest() != found["sha256"]:
        raise ApiError("wrong_content", "the file is not what the analysis says", "try again")
