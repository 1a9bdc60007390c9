# SPDX-License-Identifier: Apache-2.0
"""What is written down from ``events.py`` and ``flow.py``: schemas, AsyncAPI document, pages.

``python -m memoryguard.common.contracts.artifacts`` writes them, run in the repository's root;
``--check`` only tells what is stale. A schema is never replaced by one that breaks its readers.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import create_model
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from memoryguard.common.contracts import pages
from memoryguard.common.contracts.event import Event, Fact
from memoryguard.common.contracts.flow import (
    AUDITED_TOPICS,
    EVERY_SERVICE,
    FACTS,
    SERVICES,
    STREAMS,
    Stream,
)
from memoryguard.common.contracts.meanings import MEANINGS

SCHEMAS = Path("libs/common/schemas")
EXAMPLES = Path("libs/common/examples")
DRAFT = "https://json-schema.org/draft/2020-12/schema"
ANNOTATIONS = {"description", "title", "default", "examples"}
KAFKA_BINDING = "0.5.0"
DESCRIPTION = (
    "Every event of the platform: CloudEvents 1.0 in structured JSON mode. The key of every"
    " message is the subject id, so everything about a person is in order. Delivery is at least"
    " once; an event is known by its source and id."
)

Json = dict[str, Any]


class Plain(GenerateJsonSchema):
    """Without a title for every field: its name says the same."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never."""
        return False


# --- JSON Schema ---------------------------------------------------------------------------


def envelope_of(fact: type[Fact]) -> type[Event]:
    """Make the envelope that carries one kind of fact: its type and data are fixed."""
    fields: dict[str, Any] = {"type": (Literal[fact.type], ...), "data": (fact, ...)}
    return create_model(f"{fact.__name__}Event", __base__=Event, __doc__=fact.__doc__, **fields)


def json_schema(fact: type[Fact]) -> Json:
    """Give the JSON Schema (draft 2020-12) of an event: envelope and fact."""
    schema = envelope_of(fact).model_json_schema(schema_generator=Plain)
    for part in (schema, *schema["$defs"].values()):
        if part.get("additionalProperties") is False:
            del part["additionalProperties"]  # readers pass over what a newer version adds
    named = {"$schema": DRAFT, "$id": f"urn:memoryguard:event:{fact.type}"}
    _describe(schema, *schema["$defs"].values())
    return named | schema


def _describe(*parts: Json) -> None:
    """Say what each field means where its declaration does not."""
    for part in parts:
        for name, field in part.get("properties", {}).items():
            field.setdefault("description", MEANINGS.get(name, ""))


def breaks(old: Json, new: Json, where: str = "") -> Iterator[str]:
    """Tell what a new schema takes from those who rely on the old one.

    Within v1 a field may be added when it can be left out, and an enumeration or a union may
    grow. Nothing vanishes, nothing becomes required, nothing changes its type.
    """
    names = where.endswith(("/properties", "/$defs"))  # of fields and parts, not keywords
    ignored = set[str]() if names else ANNOTATIONS
    yield from (f"{where}/{name} vanished" for name in sorted(old.keys() - new.keys() - ignored))
    if not names:
        yield from (f"{where}/{name} narrows" for name in sorted(new.keys() - old.keys() - ignored))
    for name in sorted(old.keys() & new.keys() - ignored):
        yield from _breaks_at(f"{where}/{name}", old[name], new[name])


def _breaks_at(where: str, old: Any, new: Any) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        yield from breaks(old, new, where)
    elif where.endswith("/required"):
        yield from (f"{where}: {name} changed" for name in sorted(set(old) ^ set(new)))
    elif where.endswith("/enum"):
        yield from (f"{where}: {member} vanished" for member in old if member not in new)
    elif where.endswith("/anyOf"):
        kept = [any(not [*breaks(member, other)] for other in new) for member in old]
        yield from (f"{where}: a member changed" for same in kept if not same)
    elif old != new:
        yield f"{where} changed"


def _envelope() -> Json:
    """Give the schema of the envelope around any fact."""
    schema = Event.model_json_schema(schema_generator=Plain)
    _describe(schema)
    return schema


# --- AsyncAPI ------------------------------------------------------------------------------


def asyncapi() -> Json:
    """Give the AsyncAPI 3.0.0 document of the platform: one channel a topic."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "MemoryGuard Imaging",
            "version": "1.0.0",
            "description": DESCRIPTION,
            "license": {
                "name": "Apache-2.0",
                "url": "https://www.apache.org/licenses/LICENSE-2.0",
            },
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {stream.topic: _channel(stream) for stream in STREAMS},
        "operations": dict(_operations()),
        "components": {
            "messages": {fact.__name__: _message(fact) for fact in FACTS.values()},
            "schemas": _component_schemas(),
        },
    }


def _channel(stream: Stream) -> Json:
    return {
        "address": stream.topic,
        "messages": {
            fact.__name__: {"$ref": f"#/components/messages/{fact.__name__}"}
            for fact in stream.heard_by
        },
        "bindings": {
            "kafka": {
                "topic": stream.topic,
                "partitions": stream.partitions,
                "topicConfiguration": {
                    "cleanup.policy": ["delete"],
                    "retention.ms": stream.retention_ms,
                },
                "bindingVersion": KAFKA_BINDING,
            }
        },
    }


def _message(fact: type[Fact]) -> Json:
    return {
        "name": fact.type,
        "title": pages.short(fact.type),
        "summary": pages.first_line(fact.__doc__),
        "payload": {"$ref": f"#/components/schemas/{fact.__name__}Event"},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": "The subject id."},
                "bindingVersion": KAFKA_BINDING,
            }
        },
    }


def _operations() -> Iterator[tuple[str, Json]]:
    for stream in STREAMS:
        noun = stream.topic.split(".")[1]
        producers = SERVICES if stream.producer == EVERY_SERVICE else (stream.producer,)
        for producer in producers:
            yield f"{producer}.sends.{noun}", _operation("send", stream, tuple(stream.heard_by))
        for service in SERVICES:
            heard = tuple(f for f, names in stream.heard_by.items() if service in names.split())
            if service == "audit" and re.match(AUDITED_TOPICS, stream.topic):
                heard = tuple(stream.heard_by)
            if heard:
                yield f"{service}.receives.{noun}", _operation("receive", stream, heard)


def _operation(action: str, stream: Stream, facts: Sequence[type[Fact]]) -> Json:
    channel = f"#/channels/{stream.topic}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{fact.__name__}"} for fact in facts],
    }


def _component_schemas() -> Json:
    _, document = models_json_schema(
        [(envelope_of(fact), "validation") for fact in FACTS.values()],
        ref_template="#/components/schemas/{model}",
        schema_generator=Plain,
    )
    _describe(*document["$defs"].values())
    return _draft_07(document["$defs"])


def _draft_07(schema: Any) -> Any:
    """Say tuples the older way: AsyncAPI's own schemas are a superset of draft 07."""
    if isinstance(schema, dict):
        return {
            "items" if key == "prefixItems" else key: _draft_07(value)
            for key, value in schema.items()
        }
    return [_draft_07(item) for item in schema] if isinstance(schema, list) else schema


# --- files ---------------------------------------------------------------------------------


def render(root: Path) -> dict[Path, str]:
    """Give every generated file of the contracts: path below the root, and its text."""
    examples = {
        fact: (root / EXAMPLES / f"{fact}.json").read_text(encoding="utf-8")
        for fact in FACTS
        if (root / EXAMPLES / f"{fact}.json").exists()
    }
    schemas = {name: json_schema(fact) for name, fact in FACTS.items()}
    return {
        **{SCHEMAS / f"{name}.json": as_text(schema) for name, schema in schemas.items()},
        Path("docs/FLOW.md"): pages.flow_page(),
        Path("docs/EVENTS.md"): pages.events_page(_envelope(), schemas, examples),
        Path("docs/asyncapi.json"): as_text(asyncapi()),
    }


def as_text(document: Mapping[str, Any]) -> str:
    """Write JSON for people."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def stale(root: Path, rendered: Mapping[Path, str]) -> list[Path]:
    """List the files whose text is not what it should be."""
    return [
        path
        for path, text in rendered.items()
        if not (root / path).exists() or (root / path).read_text(encoding="utf-8") != text
    ]


def broken(root: Path) -> list[str]:
    """Tell what today's events take from readers of the committed schemas."""
    return [
        f"{name}: {what}"
        for name, fact in FACTS.items()
        if (root / SCHEMAS / f"{name}.json").exists()
        for what in breaks(
            json.loads((root / SCHEMAS / f"{name}.json").read_text(encoding="utf-8")),
            json.loads(as_text(json_schema(fact))),
        )
    ]


def settle(root: Path, rendered: Mapping[Path, str], *, check: bool) -> int:
    """Write what is stale, or only name it; the exit status."""
    found = stale(root, rendered)
    for path in found:
        print(f"{'stale' if check else 'wrote'} {path}")
        if not check:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(rendered[path], encoding="utf-8")
    return 1 if check and found else 0


def generate(root: Path, *, check: bool) -> int:
    """Write or check every file of the contracts; the exit status."""
    if problems := broken(root):
        print("events changed in a way that breaks their readers; make a v2 (only before a first")
        print("release: delete the committed schema):")
        print("\n".join(problems))
        return 1
    return settle(root, render(root), check=check)


if __name__ == "__main__":
    raise SystemExit(generate(Path.cwd(), check="--check" in sys.argv[1:]))
