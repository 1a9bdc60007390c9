# SPDX-License-Identifier: Apache-2.0
"""Which scans of a list are wanted: a filter as a request says it, and in SQL.

It narrows what a caller may see, and never asks about more than the list itself shows: part of the
scan's name, where it stands, how it compares for age, and when it came. Days of a scan are shifted
and not shown, so nobody finds a scan by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final, get_args

from memoryguard.api.answers import Severity
from memoryguard.api.status import (
    FAILED,
    KIND_OF_EVENT,
    KINDS_OF_STAGE,
    OWED,
    OWN_SERVICE,
    STAGES,
    Status,
)
from memoryguard.common.errors import Rejected
from memoryguard.common.http.moment import read_moment

MAX_TEXT = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filter; what is None does not matter.

    Parameters
    ----------
    text
        Part of the scan's name, in letters of any size.
    status, severity
        As the list says them.
    since, until
        When the scan came: from `since` on, before `until`.
    """

    text: str | None = None
    status: str | None = None
    severity: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self, first: int) -> tuple[str, list[object]]:
        """Give the same as SQL about scan ``s``, and its parameters, from ``$first`` on."""
        asked = {name: value for name, value in asdict(self).items() if value is not None}
        sql = (f" and {_SQL[name].format(f'${n}')}" for n, name in enumerate(asked, first))
        return "".join(sql), [*asked.values()]


EVERYTHING: Final = Wanted()


def read_wanted(given: Mapping[str, str]) -> Wanted:
    """Read a filter; other parameters are passed over, empty ones do not matter.

    Raises
    ------
    Rejected
        ``bad_filter``.
    """
    text = given.get("q", "").strip()
    if len(text) > MAX_TEXT or not text.isprintable():
        raise _bad("q is too long, or holds what cannot be printed")
    found = Wanted(
        text=text.lower() or None,
        status=_word(given, "status", get_args(Status)),
        severity=_word(given, "severity", get_args(Severity)),
        since=_moment(given, "from"),
        until=_moment(given, "to"),
    )
    if found.since and found.until and found.since >= found.until:
        raise _bad("from is not before to")
    return found


def _word(given: Mapping[str, str], name: str, known: tuple[str, ...]) -> str | None:
    word = given.get(name) or None
    if word is not None and word not in known:
        raise _bad(f"{name} is not one of ours", f"one of {', '.join(known)}")
    return word


def _moment(given: Mapping[str, str], name: str) -> datetime | None:
    return read_moment(given[name], name) if given.get(name) else None


def _bad(message: str, hint: str = "") -> Rejected:
    return Rejected("bad_filter", message, hint)


# --- in SQL, where a scan stands is what `status.standing` makes of it ----------------------------


def _any_of(*kinds: str) -> str:
    return f"kinds && array[{', '.join(map(repr, kinds))}]"


_FACTS: Final = f"""
from (
    select coalesce(array_agg(kind), array[]::text[]) as kinds,
        max(at) filter (where kind = 'refused')
            > coalesce(max(at) filter (where kind = 'extracted'), '-infinity') as refused,
        max(data ->> 'event_type') filter (where kind = '{FAILED}{OWN_SERVICE}') as event_type
    from scan_fact f where f.scan_id = s.scan_id
) as said
"""  # noqa: S608  # of our own words
_HIDDEN: Final = " ".join(f"when '{event}' then '{kind}'" for event, kind in KIND_OF_EVENT.items())
_GIVEN_UP: Final = " or ".join(
    [
        f"not (case event_type {_HIDDEN} end) = any(kinds)",
        *(
            f"{_any_of(FAILED + service)} and not {_any_of(*owed)}"
            for service, owed in OWED.items()
        ),
    ]
)
_EVERY_STAGE: Final = " and ".join(_any_of(*kinds) for kinds in KINDS_OF_STAGE.values())
_A_LATER_STAGE: Final = " or ".join(_any_of(*KINDS_OF_STAGE[stage]) for stage in STAGES[1:])
_STATUS: Final = f"""(
select case
    when {_any_of("rejected")} and not {_any_of("received")} or refused or {_GIVEN_UP} then 'failed'
    when {_EVERY_STAGE} then 'completed'
    when {_A_LATER_STAGE} then 'processing'
    else 'uploaded'
end {_FACTS})"""
# From the index `fact_overall`; a refusal that came later takes the score back.
_SEVERITY: Final = f"""s.scan_id in (
    select scan_id from scan_fact where kind = 'scored' and data ->> 'overall' = {{}}
) and (select refused is not true {_FACTS})"""  # noqa: S608  # of our own words
_SQL: Final[Mapping[str, str]] = {
    "text": "position({} in lower(s.scan_id)) > 0",
    "status": f"{_STATUS} = {{}}",
    "severity": _SEVERITY,
    "since": "s.created_at >= {}",
    "until": "s.created_at < {}",
}
