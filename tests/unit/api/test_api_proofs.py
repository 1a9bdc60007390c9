# SPDX-License-Identifier: Apache-2.0
"""Results that carry their proof: from the published log to the verifier, and what it refuses."""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import api_facts as say
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console

from memoryguard.audit import log
from memoryguard.audit.filing import Filing
from memoryguard.audit.publishing import Publisher
from memoryguard.audit.sealing import Seal
from memoryguard.audit.service import RECIPE as AUDIT
from memoryguard.cli import use
from memoryguard.common.contracts.event import Event
from memoryguard.common.contracts.flow import TOPIC_OF
from memoryguard.common.runtime import database
from memoryguard.common.runtime.bus import Received
from memoryguard.common.runtime.database import Pool
from memoryguard.tlog.entry import Entry
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.fhir import ENTRY, OPENING, PROOF
from memoryguard.tlog.note import Signer
from memoryguard.tlog.proof import EntryProof
from memoryguard.tlog.result import verify_result

if TYPE_CHECKING:
    from conftest import Api, Client

Document = dict[str, Any]

SIGNER = Signer("memoryguard/test", Ed25519PrivateKey.generate())
KEY = SIGNER.verifier_key
URL = f"/api/v1/imaging/{say.SCAN}/analysis"
# What no event says: account, clocks, the latest metrics, and words about what is not there.
NOT_PROVEN = {
    "user_id", "modality", "status", "stage", "created_at", "updated_at", "stages", "health",
    "seconds", "disclaimer", "reasons",
}  # fmt: skip


@dataclass
class Audited:
    """The api, and a log of the same events that is published beside it."""

    api: Api
    client: Client
    pool: Pool

    async def log(self, *events: Event) -> None:
        """Log and publish events, as audit would."""
        platform = self.api.platform
        records = [
            Received(TOPIC_OF[type(each.data)], each.data.subject_id, each.to_bytes(), 0)
            for each in events
        ]
        filing = Filing(platform.vault)
        keys = await Seal(platform.objects.keys).subject_keys({say.SUBJECT})
        async with self.pool.acquire() as connection, connection.transaction():
            await log.append(connection, [filing.file(each) for each in records], keys)
            signed = await log.sign(connection, SIGNER)
        assert signed
        await Publisher(self.pool, platform.store, KEY).publish([signed])

    async def result(self) -> Document:
        """Ask for the analysis with its proof."""
        response = await self.client.get(f"{URL}?proof=1", headers=self.api.bearer(say.ANNA))
        assert response.status == 200
        return await response.json()

    async def say(self, *events: Event) -> Document:
        """Have events heard and logged; the result then."""
        await self.api.hear(*events)
        await self.log(*events)
        return await self.result()


@pytest_asyncio.fixture
async def audited(api: Api, client: Client, database_url: str) -> AsyncGenerator[Audited]:
    async with await database.open_pool(database_url, "audit") as pool:
        packages = [database.RUNTIME_MIGRATIONS, str(AUDIT.migrations)]
        await database.migrate(pool, "audit", packages)
        yield Audited(api, client, pool)


def told() -> list[Event]:
    facts = (say.received(), say.extracted(), say.scored(say.change()), say.predicted())
    return [say.at(fact, seconds) for seconds, fact in enumerate(facts)]


def named(events: list[Event]) -> list[str]:
    return [event.type for event in events]


async def test_a_result_is_proved_as_the_log_is_signed(audited: Audited) -> None:
    events = told()
    await audited.api.hear(say.at(say.health({"moca": 28.0}), 9), *events)
    plain = await audited.client.get(URL, headers=audited.api.bearer(say.ANNA))
    assert "proof" not in await plain.json()
    for count in (0, 2, 4):
        await audited.log(*events[max(count - 2, 0) : count]) if count else None
        result = await audited.result()
        report = verify_result(result, KEY)
        assert [event.type for event in report.events] == named(events[:count])
        assert list(report.pending) == named(events[count:])
        assert {each["reason"] for each in result["proof"]["pending"]} <= {"not_signed_yet"}
        assert report.complete == (count == 4)
        assert ("volumes_mm3" in report.proven) == (count >= 2)
        assert ("risk.probabilities" in report.unproven) == (count < 4)
    assert set(report.unproven) == NOT_PROVEN
    assert result["proof"] | {"events": [], "checkpoint": ""} == {
        "status": "complete",
        "pending": [],
        "checkpoint": "",
        "events": [],
        "scan": {"sha256": "0" * 64, "instances": 160},
        "engine": result["engine"],
        "packs": result["atrophy"]["packs"],
        "model": result["risk"]["model"],
        "reasons": {},
    }


async def test_the_command_line_gives_a_result_with_its_proof(
    audited: Audited, capsys: pytest.CaptureFixture[str]
) -> None:
    await audited.say(*told())
    access = (str(audited.client.make_url("/")), audited.api.issuer.issue(say.ANNA, ["patient"]))
    await use.result(access, say.SCAN, True, Console(), proof=True)
    assert verify_result(json.loads(capsys.readouterr().out), KEY).complete


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items = (
        value.items() if isinstance(value, dict)
        else enumerate(value) if isinstance(value, list) else None
    )  # fmt: skip
    if items is None:
        yield from [path] if value is not None else []
        return
    for name, each in items:
        yield from leaves(each, (*path, name))


def changed(document: Document, path: tuple[str | int, ...], to: Callable[[Any], Any]) -> Document:
    altered = copy.deepcopy(document)
    place: Any = altered
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = to(place[path[-1]])
    return altered


def other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + "x" if isinstance(value, str) else value * 1.0000001 + 1e-9


def nothing(value: Any) -> None:
    return None


async def test_every_value_is_either_held_to_the_log_or_reported_as_not_proven(
    audited: Audited,
) -> None:
    result = await audited.say(*told())
    unproven = set(verify_result(result, KEY).unproven)
    machinery = re.compile(r"proof\.(status|pending|checkpoint|events)\b|id$|imaging_id$")
    covered = [
        path
        for path in leaves(result)
        if path[0] not in unproven and not machinery.match(".".join(map(str, path)))
    ]
    assert len(covered) > 130
    for path in covered:
        dotted = ".".join(map(str, path))
        for change in (other, nothing):
            with pytest.raises(Unverified) as refused:
                verify_result(changed(result, path, change), KEY)
            assert refused.value.code == "changed_value", dotted
            assert refused.value.message.startswith(f"{dotted} is not"), dotted
    for name in ("id", "imaging_id"):
        with pytest.raises(Unverified, match="other_scan"):
            verify_result(changed(result, (name,), other), KEY)


def _events(change: Callable[[list[Document]], object]) -> Callable[[Document], Document]:
    def changing(result: Document) -> Document:
        altered = copy.deepcopy(result)
        change(altered["proof"]["events"])
        return altered

    return changing


def _swap(field: str) -> Callable[[Document], Document]:
    def swap(events: list[Document]) -> None:
        events[1][field], events[2][field] = events[2][field], events[1][field]

    return _events(swap)


def _block(**parts: Any) -> Callable[[Document], Document]:
    return lambda result: result | {"proof": result["proof"] | parts}


FRAUDS: dict[str, tuple[Callable[[Document], Any], str]] = {
    "no proof": (lambda r: {n: v for n, v in r.items() if n != "proof"}, "no_proof"),
    "no result": (lambda r: [r], "malformed_result"),
    "nothing": (lambda r: None, "malformed_result"),
    "proofs swapped": (_swap("proof"), "root_mismatch"),
    "entries swapped": (_swap("entry"), "root_mismatch"),
    "places swapped": (_swap("sequence"), "root_mismatch"),
    "types swapped": (_swap("type"), "other_type"),
    "openings swapped": (_swap("opening"), "wrong_entry_key"),
    "no opening": (_events(lambda e: e[0].update(opening=None)), "entry_sealed"),
    "a short proof": (_events(lambda e: e[1]["proof"].pop()), "proof_length"),
    "a place as text": (_events(lambda e: e[1].update(sequence="1")), "malformed_result"),
    "an entry cut": (_events(lambda e: e[1].update(entry=e[1]["entry"][:-8])), "root_mismatch"),
    "no entry": (_events(lambda e: e[1].pop("entry")), "malformed_result"),
    "an event twice": (_events(lambda e: e.append(e[1])), "malformed_result"),
    "measurement left out: the score repeats it": (_events(lambda e: e.pop(1)), "complete"),
    "scan left out": (_events(lambda e: e.pop(0)), "unproven_value"),
    "score left out": (_events(lambda e: e.pop(2)), "unproven_value"),
    "answer left out": (_events(lambda e: e.pop(3)), "unproven_value"),
    "no events": (_block(events=[]), "unproven_value"),
    "no checkpoint": (_block(checkpoint=None), "malformed_result"),
    "an unsigned checkpoint": (_block(checkpoint="memoryguard/test\n4\n\n"), "malformed_note"),
    "no status": (_block(status=None), ""),
    "too many events": (_events(lambda e: e.extend(e * 30)), "malformed_result"),
    "a value added": (lambda r: r | {"volumes_mm3": r["volumes_mm3"] | {"x": 1}}, "changed_value"),
    "a refused scan": (lambda r: r | {"quality": {"verdict": "refused"}}, "changed_value"),
}  # fmt: skip


async def test_a_proof_of_something_else_is_refused(audited: Audited) -> None:
    result = await audited.say(*told())
    assert verify_result(result, KEY).complete
    for fraud, (change, code) in FRAUDS.items():
        try:
            found = "" if not verify_result(change(result), KEY).complete else "complete"
        except Unverified as error:
            found = error.code
        assert found == code, fraud
    stranger = Signer("memoryguard/test", Ed25519PrivateKey.generate()).verifier_key
    with pytest.raises(Unverified, match="unknown_key"):
        verify_result(result, stranger)
    beside = verify_result(result | {"opinion": 1.0}, KEY)
    assert set(beside.unproven) == NOT_PROVEN - {"health"} | {"opinion"}


async def test_a_checkpoint_of_another_size_does_not_fit(audited: Audited) -> None:
    first = await audited.say(*told())
    second = await audited.say(say.at(say.health({"moca": 27.0}), 20))
    assert verify_result(second, KEY).complete
    with pytest.raises(Unverified, match=r"proof_length|root_mismatch"):
        verify_result(_block(checkpoint=second["proof"]["checkpoint"])(first), KEY)


async def test_a_read_model_that_somebody_has_changed_is_found(audited: Audited) -> None:
    await audited.say(*told())
    await audited.api.platform.pool.execute(
        "update scan_fact set data = jsonb_set(data, '{volumes_mm3,hippocampus_left,value}',"
        " '3900') where kind = 'extracted'"
    )
    with pytest.raises(Unverified, match=r"volumes_mm3\.hippocampus_left"):
        verify_result(await audited.result(), KEY)


async def test_the_latest_answer_is_the_one_that_is_proved(audited: Audited) -> None:
    await audited.say(*told())
    newer = say.predicted().model_copy(update={"output": 0.4})
    await audited.api.hear(say.at(newer, 30))
    result = await audited.result()
    assert list(verify_result(result, KEY).pending) == [newer.type]
    await audited.log(say.at(say.predicted(), 29), say.at(newer, 30))
    report = verify_result(await audited.result(), KEY)
    assert report.complete and [event.sequence for event in report.events] == [0, 1, 2, 5]


async def test_a_refusal_and_a_silence_are_proved_as_well(audited: Audited) -> None:
    received, extracted, scored, _ = told()
    silent = await audited.say(received, extracted, scored, say.at(say.withheld(), 4))
    assert "risk_withheld.reasons" in verify_result(silent, KEY).proven
    report = verify_result(await audited.say(say.at(say.refused(), 5)), KEY)
    assert report.complete and {"quality", "engine"} <= set(report.proven)
    assert named([received, say.at(say.refused(), 5)]) == [each.type for each in report.events]


async def test_nothing_is_proved_of_a_scan_that_was_never_taken(audited: Audited) -> None:
    report = verify_result(await audited.say(say.at(say.rejected(), 0)), KEY)
    assert not report.complete and not report.proven and not report.events


async def test_without_the_persons_key_nothing_is_opened(audited: Audited) -> None:
    await audited.say(*told())
    await audited.api.platform.objects.keys.destroy(say.SUBJECT)
    proof = (await audited.result())["proof"]
    assert (proof["status"], proof["events"]) == ("pending", [])
    assert {each["reason"] for each in proof["pending"]} == {"subject_erased"}


@pytest.mark.parametrize("name", ["log/checkpoint", "log/tile/0/000.p/4", "entries"])
async def test_damage_to_the_published_log_is_told_and_proves_nothing(
    audited: Audited, name: str
) -> None:
    await audited.say(*told())
    store = audited.api.platform.store
    paths = [meta["path"] async for batch in store.list("log") for meta in batch]
    for path in paths:
        if name in path:
            await store.delete_async(path)
            if "tile" not in path:
                await store.put_async(path, b"damaged")
    result = await audited.result()
    assert result["proof"]["status"] == "pending" and not verify_result(result, KEY).complete


async def test_a_bundle_carries_the_same_proof(audited: Audited) -> None:
    events = told()
    await audited.say(*events)
    path, headers = f"/api/v1/imaging/{say.SCAN}/fhir", audited.api.bearer(say.ANNA)
    proved = await (await audited.client.get(f"{path}?proof=1", headers=headers)).json()
    sources = [each["what"] for each in _provenance(proved)["entity"]]
    found = [each for each in sources if "extension" in each]
    assert [each["identifier"]["value"] for each in found] == [each.id for each in events]
    for each in found:
        said = {extension["url"]: extension for extension in each["extension"]}
        leaf = base64.b64decode(said[ENTRY]["valueBase64Binary"])
        EntryProof.parse(said[PROOF]["valueString"]).verify(leaf, KEY)
        key = base64.b64decode(said[OPENING]["valueBase64Binary"])
        assert Entry.parse(leaf).event(key)
    plain = await (await audited.client.get(path, headers=headers)).json()
    assert not any("extension" in each["what"] for each in _provenance(plain)["entity"])


def _provenance(bundle: Document) -> Document:
    resources = (entry["resource"] for entry in bundle["entry"])
    return next(each for each in resources if each["resourceType"] == "Provenance")
