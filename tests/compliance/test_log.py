# SPDX-License-Identifier: Apache-2.0
"""The audit log: it only grows, a rewritten one is found, it is kept, reviewed, told to people."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import pytest
import pytest_asyncio
from audit_house import START, House, audit_house

from memoryguard.cli.audit import Known, verify_known
from memoryguard.common.contracts import events as e
from memoryguard.common.contracts.event import Fact
from memoryguard.common.runtime.database import connect

END = START + timedelta(hours=1)
PERIOD = {"from": START.isoformat(), "to": END.isoformat()}
Log: TypeAlias = Callable[..., Awaitable[None]]


@pytest_asyncio.fixture
async def house(tmp_path: Path, database_url: str) -> AsyncGenerator[House]:
    async with audit_house(tmp_path, database_url) as house:
        yield house


def look(house: House, actor: str, user: str = "ann") -> e.AccessRead:
    return e.AccessRead(
        subject_id=house.subject(user), actor_id=actor, user_id=user, service="api",
        action="imaging.analysis", scan_id="s", basis="role", purpose="TREAT",
    )  # fmt: skip


async def ask(house: House, path: str, user: str, role: Any, **query: str) -> dict[str, Any]:
    headers = house.bearer(user, role)
    async with house.client.get(path, headers=headers, params=query) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def as_administrator(database_url: str, *statements: str) -> None:
    connection = await connect(database_url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


# --- it only grows ------------------------------------------------------------------------------

CHANGES = (
    "update log.entry set actor = 'somebody else'", "delete from log.entry",
    "truncate log.entry", "update log.head set size = 0", "delete from log.checkpoint",
)  # fmt: skip
RIGHTS = "grant update, delete, truncate on all tables in schema log to memoryguard_audit"
NO_TRIGGERS = (
    "do $$ declare t record; begin for t in select tgname, tgrelid::regclass as place from"
    " pg_trigger join pg_class c on c.oid = tgrelid where not tgisinternal and not tgparentid > 0"
    " and c.relnamespace = 'log'::regnamespace loop"
    " execute format('alter table %s disable trigger %I', t.place, t.tgname); end loop; end $$"
)


async def the_service_cannot_change_what_is_logged(house: House) -> None:
    for change in CHANGES:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await house.platform.pool.execute(change)
    left = await house.platform.pool.fetchval("select count(*) from log.entry where actor = 'doc'")
    assert left == 1


@pytest.mark.control("164.312(b)", "append-only")
async def test_the_service_cannot_change_what_is_logged(house: House, database_url: str) -> None:
    await house.log(look(house, "doc"))
    await house.sign()
    await the_service_cannot_change_what_is_logged(house)
    await as_administrator(database_url, RIGHTS)  # with every right there are still the triggers
    await the_service_cannot_change_what_is_logged(house)


@pytest.mark.control("164.312(b)", "append-only", off="rights for the service, and no triggers")
async def test_a_log_that_can_be_changed_is_noticed(house: House, database_url: str) -> None:
    await house.log(look(house, "doc"))
    await house.sign()
    await as_administrator(database_url, RIGHTS, NO_TRIGGERS)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        await the_service_cannot_change_what_is_logged(house)


# --- a rewritten log is found --------------------------------------------------------------------

EMPTY = (
    "drop table log.entry_0", "delete from log.seen", "delete from log.tile",
    "delete from log.checkpoint",
    "update log.head set size = 0, levels = '{}', logged_at = 'epoch'",
)  # fmt: skip


async def a_rewritten_log_is_found(house: House, database_url: str, kept: Sequence[str]) -> None:
    """Rewritten from its first entry on, and signed with the log's own key."""
    await as_administrator(database_url, NO_TRIGGERS, *EMPTY)
    await house.log(look(house, "nobody you know"))
    await house.sign()
    report = await verify_known(database_url, Known(house.signer.verifier_key, list(kept)))
    assert not report.intact


async def checkpoints(house: House) -> list[str]:
    rows = await house.platform.pool.fetch("select note from log.checkpoint")
    return [row["note"] for row in rows]


@pytest.mark.control("164.312(c)(2)", "log")
async def test_a_rewritten_log_is_found(house: House, database_url: str) -> None:
    await house.log(look(house, "doc"), look(house, "doc"))
    await house.sign()
    await a_rewritten_log_is_found(house, database_url, await checkpoints(house))


@pytest.mark.control("164.312(c)(2)", "log", off="no checkpoint that has left the box")
async def test_without_a_checkpoint_elsewhere_it_is_not(house: House, database_url: str) -> None:
    await house.log(look(house, "doc"), look(house, "doc"))
    await house.sign()
    with pytest.raises(AssertionError, match="not True"):
        await a_rewritten_log_is_found(house, database_url, [])


# --- it is kept -----------------------------------------------------------------------------------


async def five_years_are_too_short(database_url: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="six years"):
        await as_administrator(database_url, "select log.prune_one(now() - interval '5 years')")


@pytest.mark.control("164.316(b)(2)(i)", "six-years")
async def test_five_years_are_too_short(database_url: str) -> None:
    await five_years_are_too_short(database_url)


@pytest.mark.control("164.316(b)(2)(i)", "six-years", off="a database without the shortest time")
async def test_a_shorter_time_is_noticed(database_url: str) -> None:
    await as_administrator(
        database_url,
        "do $$ begin execute replace(pg_get_functiondef('log.prune_one'::regproc),"
        " '6 years', '0 years'); end $$",
    )
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        await five_years_are_too_short(database_url)


# --- it is reviewed, and told to people ----------------------------------------------------------


def forgetful(house: House, kind: type[Fact]) -> Log:
    """A log that leaves one kind of event out."""

    async def log(*facts: Fact) -> None:
        await house.log(*[fact for fact in facts if not isinstance(fact, kind)])

    return log


async def broken_glass_is_in_the_review(house: House, log: Log) -> None:
    broken = e.AccessOverridden(
        subject_id=house.subject("ann"), user_id="ann", actor_id="doc", reason="safety",
        expires_at=END,
    )  # fmt: skip
    await log(look(house, "doc"), broken)
    review = await ask(house, "/api/v1/audit/review", "officer", "compliance", **PERIOD)
    assert review["report"]["findings"]["break_glass"] == 1


@pytest.mark.control("164.308(a)(1)(ii)(D)", "review")
async def test_broken_glass_is_in_the_review(house: House) -> None:
    await broken_glass_is_in_the_review(house, house.log)


@pytest.mark.control("164.308(a)(1)(ii)(D)", "review", off="a log that leaves emergencies out")
async def test_a_review_without_emergencies_is_noticed(house: House) -> None:
    with pytest.raises(AssertionError, match="0 == 1"):
        await broken_glass_is_in_the_review(house, forgetful(house, e.AccessOverridden))


async def people_are_told_who_looked_when_and_why(house: House, log: Log) -> None:
    await log(look(house, "doc"))
    ledger = await ask(house, "/api/v1/audit/ledger", "ann", "patient")
    told = [(each["by"], each["what"], each["purpose"]) for each in ledger["entries"]]
    assert told == [("doc", "seen", "TREAT")]


@pytest.mark.control("164.528", "ledger")
async def test_people_are_told_who_looked_when_and_why(house: House) -> None:
    await people_are_told_who_looked_when_and_why(house, house.log)


@pytest.mark.control("164.528", "ledger", off="a log that leaves looks out")
async def test_a_ledger_without_looks_is_noticed(house: House) -> None:
    with pytest.raises(AssertionError, match=r"\[\] == "):
        await people_are_told_who_looked_when_and_why(house, forgetful(house, e.AccessRead))
