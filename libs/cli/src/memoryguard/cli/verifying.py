# SPDX-License-Identifier: Apache-2.0
"""``memoryguard audit verify`` and ``dump``: the log, a part of it, or files, offline."""

from __future__ import annotations

import asyncio
import json as plain
import re
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias, TypeVar

from cyclopts import Parameter
from rich.console import Console

from memoryguard.audit.elsewhere import Elsewhere
from memoryguard.cli.access import DEFAULT_HOME, AsJson, HomeFolder
from memoryguard.cli.audit import Known, Watch, database_of, dump_known, key_of, verify_known
from memoryguard.cli.home import Home
from memoryguard.common.errors import Misconfigured, Rejected
from memoryguard.common.files import whole
from memoryguard.tlog.cosignature import WitnessKey
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.files import (
    EXIT_STATUS,
    Refused,
    Verdict,
    finding_document,
    read_key,
    told,
    verify_file,
    worst,
)
from memoryguard.tlog.note import VerifierKey
from memoryguard.tlog.report import Report
from memoryguard.tlog.telling import tell_finding
from memoryguard.tlog.witnessed import check_witnesses

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_AGE = re.compile(r"([0-9]{1,9})([smhd])")

Files: TypeAlias = Annotated[
    Path, Parameter(help="Exports, results, dumped logs or proofs; none: the log itself.")
]
DatabaseUrl: TypeAlias = Annotated[
    str | None,
    Parameter(
        env_var="MEMORYGUARD_DATABASE_URL",
        help="The log's database, by a login that may read the schema log; else that of --home.",
    ),
]
Key: TypeAlias = Annotated[
    str | None,
    Parameter(help="The log's public key, or a file with it; else that of --home."),
]
Checkpoints: TypeAlias = Annotated[
    str | None,
    Parameter(help="Folder or bucket with what left the box: the object store, or checkpoints."),
]
Kept: TypeAlias = Annotated[
    list[Path] | None, Parameter(consume_multiple=True, help="Checkpoints that you kept yourself.")
]
Remember: TypeAlias = Annotated[
    Path | None, Parameter(help="Keep the newest verified checkpoint here; the log must go on.")
]
Witnesses: TypeAlias = Annotated[
    list[str] | None, Parameter(consume_multiple=True, help="Public keys of witnesses, or files.")
]
MaxAge: TypeAlias = Annotated[
    str | None, Parameter(help="Longest that an entry may wait to be signed, or a witness: 10m.")
]

_Key = TypeVar("_Key", bound=VerifierKey)

out = Console()


def verify(
    *files: Files,
    home: HomeFolder = DEFAULT_HOME,
    database_url: DatabaseUrl = None,
    key: Key = None,
    checkpoints: Checkpoints = None,
    kept: Kept = None,
    remember: Remember = None,
    first: Annotated[int | None, Parameter("--from", help="Only entries from this one …")] = None,
    last: Annotated[int | None, Parameter("--to", help="… to this one.")] = None,
    entry: Annotated[Path | None, Parameter(help="The entry that a proof is about.")] = None,
    witness_key: Witnesses = None,
    quorum: Annotated[int | None, Parameter(help="Witnesses asked for; all by default.")] = None,
    max_age: MaxAge = None,
    json: AsJson = False,
) -> None:
    """Verify the log offline, or files from it, and name the first bad entry.

    Exit status 0: intact; 3: not a file that can be verified; 4: not intact; 5: a result of which
    some is not signed yet.
    """
    place = _Place(Home(home.resolve()), database_url)
    known = place.known(key, checkpoints, [*(kept or []), *_remembered(remember)])
    watch = _watch(witness_key or [], quorum, max_age)
    if files:
        verdicts = [_of_file(path, known, entry, watch) for path in files]
    else:
        bounds = None if first is None and last is None else (first or 0, last)
        report = asyncio.run(place.verify(known, bounds, watch))
        _keep(remember, report)
        verdicts = [told(report)]
    for verdict in verdicts:
        _show(verdict, as_json=json)
    raise SystemExit(worst(EXIT_STATUS[each.state] for each in verdicts))


def dump(
    to: Path,
    *,
    home: HomeFolder = DEFAULT_HOME,
    database_url: DatabaseUrl = None,
) -> None:
    """Write the whole log to a file, which python -m memoryguard.tlog verifies without us."""
    entries = asyncio.run(_Place(Home(home.resolve()), database_url).dump(to))
    out.print(f"{entries} entries are in {to}; their people's are sealed, as in the log")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the log is: in a home, or in a database."""

    home: Home
    database_url: str | None

    def known(self, key: str | None, checkpoints: str | None, kept: Sequence[Path]) -> Known:
        if key is None and self.database_url is not None and not self.home.keys.exists():
            raise Misconfigured("no_audit_key", "nothing says by which key to verify", "give --key")
        if checkpoints is None and self.database_url is None and key is None:
            checkpoints = str(self.home.folder / "objects")
        return Known(
            _key(VerifierKey, key) if key else key_of(self.home),
            [_read(path) for path in kept],
            Elsewhere(checkpoints) if checkpoints else None,
        )

    async def verify(
        self, known: Known, bounds: tuple[int, int | None] | None, watch: Watch | None
    ) -> Report:
        async with self._database() as url:
            return await verify_known(url, known, bounds, watch)

    async def dump(self, to: Path) -> int:
        async with self._database() as url:
            with to.open("w", encoding="utf-8") as file:
                return await dump_known(url, file.write)

    @asynccontextmanager
    async def _database(self) -> AsyncGenerator[str]:
        if self.database_url is not None:
            yield self.database_url
            return
        async with database_of(self.home) as url:
            yield url


def _of_file(path: Path, known: Known, entry: Path | None, watch: Watch | None) -> Verdict:
    try:
        verdict = verify_file(path, known.key, kept=known.notes, entry=entry)
    except Refused as error:
        raise Rejected(error.code, error.message) from error
    if watch is None or not watch.keys or verdict.note is None:
        return verdict
    found = check_witnesses(verdict.note, watch.keys, watch.quorum, time.time())
    if not found:
        return verdict
    findings = [*verdict.document["findings"], *map(finding_document, found)]
    document = {**verdict.document, "intact": False, "findings": findings}
    return Verdict("not_intact", ["NOT INTACT", *map(tell_finding, found)], document)


def _watch(keys: Sequence[str], quorum: int | None, max_age: str | None) -> Watch | None:
    if not keys and max_age is None:
        return None
    asked = len(keys) if quorum is None else quorum
    if keys and not 1 <= asked <= len(keys):
        raise Misconfigured("bad_quorum", "no such number of witnesses is known", "see --quorum")
    return Watch([_key(WitnessKey, key) for key in keys], asked, _seconds(max_age))


def _seconds(age: str | None) -> float | None:
    if age is None:
        return None
    said = _AGE.fullmatch(age)
    if said is None:
        raise Misconfigured("bad_age", "this is no length of time", "like 90s, 10m, 2h or 1d")
    return float(said[1]) * SECONDS[said[2]]


def _key(kind: type[_Key], said: str) -> _Key:
    """Read a key, given as text or as the file that it is in."""
    try:
        return read_key(kind, said)
    except Unverified as error:
        raise Rejected(error.code, error.message, "name+id+base64") from error
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable() from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable() from error


def _unreadable() -> Rejected:
    return Rejected("unreadable_file", "a key or checkpoint cannot be read")


def _remembered(place: Path | None) -> list[Path]:
    return [place] if place is not None and place.exists() else []


def _keep(place: Path | None, report: Report) -> None:
    """Keep the newest checkpoint, so that what was verified once cannot be taken back unnoticed."""
    if place is None or report.newest is None or not report.intact:
        return
    with whole(place) as part:
        part.write_text(report.newest, encoding="utf-8")


def _show(verdict: Verdict, *, as_json: bool) -> None:
    if as_json:
        print(plain.dumps(verdict.document))
        return
    style = {"intact": "green", "pending": "yellow", "not_intact": "red"}[verdict.state]
    for number, line in enumerate(verdict.lines):
        bad = verdict.state == "not_intact"
        out.print(line, style=style if bad or not number else None, markup=False, highlight=False)
