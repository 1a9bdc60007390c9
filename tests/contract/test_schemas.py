# SPDX-License-Identifier: Apache-2.0
"""Golden examples, committed schemas, and what may change within v1."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from golden_events import golden_events

from memoryguard.common.contracts import artifacts
from memoryguard.common.contracts.event import decode
from memoryguard.common.contracts.events import AtrophyScored, ScanReceived
from memoryguard.common.contracts.flow import FACTS
from memoryguard.common.contracts.meanings import MEANINGS
from memoryguard.common.errors import Rejected

ROOT = Path(__file__).resolve().parents[2]
FROZEN = Path(__file__).parent / "frozen"
"""Events as they were first written: ``<type>.json``, later forms ``<type>@<form>.json``.

A file is added for a new type or field; none is ever changed.
"""

Json = dict[str, Any]
EVERY_TYPE = sorted(FACTS)


def _example(name: str) -> bytes:
    return (ROOT / artifacts.EXAMPLES / f"{name}.json").read_bytes()


def _schema(name: str) -> Json:
    return json.loads((ROOT / artifacts.SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))


def _valid(document: Json, schema: Json) -> bool:
    return jsonschema.Draft202012Validator(schema).is_valid(document)


@pytest.mark.parametrize("folder", [artifacts.EXAMPLES, artifacts.SCHEMAS])
def test_every_event_has_its_file_and_no_file_is_left_over(folder: Path) -> None:
    assert sorted(path.stem for path in (ROOT / folder).iterdir()) == EVERY_TYPE


@pytest.mark.parametrize("name", EVERY_TYPE)
def test_a_golden_example_decodes_to_the_event_it_was_written_from(name: str) -> None:
    event = decode(_example(name), FACTS)
    assert event == golden_events()[name]
    assert json.loads(event.to_bytes()) == json.loads(_example(name))


def test_the_bytes_of_a_changed_copy_are_its_own() -> None:
    event = golden_events()[ScanReceived.type]
    before = event.to_bytes()
    later = event.model_copy(update={"time": event.time + timedelta(days=1)})
    assert decode(later.to_bytes(), FACTS).time == later.time
    assert event.to_bytes() == before


@pytest.mark.parametrize("name", EVERY_TYPE)
def test_a_golden_example_is_valid_by_the_committed_schema(name: str) -> None:
    schema, document = _schema(name), json.loads(_example(name))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)
    assert schema["$id"].endswith(f":{name}")


@pytest.mark.parametrize("name", EVERY_TYPE)
def test_schema_and_code_refuse_the_same(name: str) -> None:
    schema, good = _schema(name), json.loads(_example(name))
    for wrong in (
        {**good, "type": "memoryguard.other.said.v1"},
        {**good, "specversion": "0.3"},
        {key: value for key, value in good.items() if key != "id"},
        {**good, "data": {key: v for key, v in good["data"].items() if key != "subject_id"}},
        {**good, "data": {**good["data"], "subject_id": 5}},
    ):
        assert not _valid(wrong, schema)
        with pytest.raises(Rejected, match="malformed_event"):
            decode(json.dumps(wrong).encode(), FACTS)


@pytest.mark.parametrize("name", EVERY_TYPE)
def test_an_example_uses_every_field_of_its_fact(name: str) -> None:
    """Else a page or a reader could not see what the field looks like."""
    event = golden_events()[name]
    left_out = {f for f in type(event.data).model_fields if f not in event.data.model_fields_set}
    assert left_out <= {"modality", "overall_reason", "change_reason"}  # set when others are null


@pytest.mark.parametrize("name", EVERY_TYPE)
def test_every_field_says_what_it_means(name: str) -> None:
    schema = _schema(name)
    unsaid = [
        f"{part.get('title')}.{field}"
        for part in (schema, *schema["$defs"].values())
        for field, described in part["properties"].items()
        if not described["description"]
    ]
    assert not unsaid, "say it in events.py, or for every event in contracts/meanings.py"


def test_no_meaning_is_left_over() -> None:
    fields = {
        field
        for name in EVERY_TYPE
        for part in (_schema(name), *_schema(name)["$defs"].values())
        for field in part["properties"]
    }
    assert set(MEANINGS) <= fields


def test_what_was_once_written_is_read_for_ever() -> None:
    frozen = sorted(FROZEN.iterdir())
    assert {path.name.split("@")[0].removesuffix(".json") for path in frozen} == set(EVERY_TYPE)
    for path in frozen:
        event = decode(path.read_bytes(), FACTS)
        assert _kept(json.loads(path.read_bytes()), json.loads(event.to_bytes())), path.name


def _kept(old: Any, new: Any) -> bool:
    """Whether everything that the old document says is still in the new one."""
    if isinstance(old, dict) and isinstance(new, dict):
        return all(name in new and _kept(value, new[name]) for name, value in old.items())
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_kept, old, new))
    return old == new


def test_committed_schemas_are_those_of_the_code() -> None:
    assert artifacts.broken(ROOT) == []
    assert artifacts.stale(ROOT, artifacts.render(ROOT)) == [], "run tools/documents.py"


# --- what may change -----------------------------------------------------------------------


def _changed(change: Callable[[Json], object]) -> list[str]:
    old = artifacts.json_schema(AtrophyScored)
    new = copy.deepcopy(old)
    change(new)
    return list(artifacts.breaks(old, new))


def _score(schema: Json) -> Json:
    return schema["$defs"]["RegionScore"]


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["$defs"]["AtrophyScored"]["properties"].update(new={"type": "string"}),
        lambda s: s["$defs"].update(NewPart={"type": "object"}),
        lambda s: s.update(description="Said better."),
        lambda s: _score(s)["properties"]["severity"]["anyOf"][0]["enum"].append("other"),
        lambda s: _score(s)["properties"]["z"].update(description="Standard score."),
    ],
)
def test_what_only_adds_is_allowed(change: Callable[[Json], object]) -> None:
    assert _changed(change) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda s: _score(s)["properties"].pop("z"),
        lambda s: s["$defs"]["AtrophyScored"]["required"].append("overall_reason"),
        lambda s: s["$defs"]["AtrophyScored"]["required"].remove("regions"),
        lambda s: _score(s)["properties"].update(z={"type": "number"}),
        lambda s: _score(s)["properties"]["severity"]["anyOf"][0]["enum"].remove("mild"),
        lambda s: s["$defs"]["AtrophyScored"]["properties"]["scan_id"].update(maxLength=3),
        lambda s: s["$defs"].pop("Change"),
        lambda s: s["properties"]["id"].update(maxLength=100),
    ],
)
def test_what_takes_something_away_is_refused(change: Callable[[Json], object]) -> None:
    assert len(_changed(change)) >= 1


def test_a_breaking_change_is_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / artifacts.SCHEMAS / f"{ScanReceived.type}.json"
    place.parent.mkdir(parents=True)
    older = artifacts.json_schema(ScanReceived)
    older["$defs"]["ScanReceived"]["properties"]["gone"] = {"type": "string"}
    place.write_text(artifacts.as_text(older))
    assert artifacts.generate(tmp_path, check=False) == 1
    assert "gone vanished" in capsys.readouterr().out
    assert json.loads(place.read_text()) == older


def test_what_is_stale_is_named_and_then_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert artifacts.generate(tmp_path, check=True) == 1
    assert "stale docs/FLOW.md" in capsys.readouterr().out
    assert not (tmp_path / "docs").exists()
    assert artifacts.generate(tmp_path, check=False) == 0
    assert artifacts.generate(tmp_path, check=True) == 0
