# SPDX-License-Identifier: Apache-2.0
"""Files are verified without the platform: exports, dumped logs, proofs; every change is found."""

from __future__ import annotations

import base64
import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from memoryguard.tlog import __main__ as command
from memoryguard.tlog.checkpoint import Checkpoint, sign_checkpoint
from memoryguard.tlog.dump import dump_entry, dump_header, dump_pruned
from memoryguard.tlog.entry import Entry, sealed
from memoryguard.tlog.exported import shown
from memoryguard.tlog.files import Refused, Verdict, verify_file
from memoryguard.tlog.merkle import Frontier, inclusion_proof
from memoryguard.tlog.note import Signer
from memoryguard.tlog.proof import EntryProof

SIGNER = Signer("memoryguard/test", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
IMPOSTOR = Signer("memoryguard/test", Ed25519PrivateKey.from_private_bytes(bytes(32)))
KEY = SIGNER.verifier_key
SIZE, MORE = 20, 3
SOURCES = Path(__file__).parents[3] / "libs" / "tlog" / "src"


def opening(number: int) -> bytes:
    return number.to_bytes(32, "big")


def entry(number: int) -> Entry:
    event = json.dumps({"id": f"e{number}", "data": {"value": number}}).encode()
    plain = Entry(
        action="=look" if number == 4 else "look",
        counter=number + 1,
        digest=f"{number:032x}",
        epoch="life",
        event_id=f"e{number}",
        form="plain",
        logged_us=1_700_000_000_000_000 + number,
        outcome="success",
        source="/memoryguard/api",
        subject_id="0" * 32,
        topic="memoryguard.access.v1",
        type="memoryguard.access.read.v1",
        payload=event,
    )
    if not number % 2:
        return plain
    return replace(plain, form="sealed", payload=sealed(opening(number), event))


ALL = [entry(n) for n in range(SIZE + MORE)]
FRONTIER, _nodes = Frontier().append(each.leaf_hash() for each in ALL[:SIZE])
NODES = {(level, index): value for level, index, value in _nodes}
NOTE = sign_checkpoint(Checkpoint(SIGNER.name, SIZE, FRONTIER.root), SIGNER)


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def proof(number: int) -> list[bytes]:
    return inclusion_proof(number, SIZE, lambda level, index: NODES[level, index])


def header(**changes: Any) -> dict[str, Any]:
    return {
        "memoryguard_export": 1, "checkpoint": NOTE, "key": str(KEY), "filters": {},
        "complete": True, "entries_unsigned": MORE,
    } | changes  # fmt: skip


def row(number: int) -> dict[str, Any]:
    opened = ALL[number].event(opening(number))
    return {
        **shown(number, ALL[number]),
        "entry": text(ALL[number].leaf()),
        "opening": text(opening(number)) if ALL[number].form == "sealed" else None,
        "proof": [text(each) for each in proof(number)],
        "event": json.loads(opened or b""),
    }


def as_jsonl(rows: list[dict[str, Any]], **changes: Any) -> str:
    return "".join(json.dumps(each) + "\n" for each in (header(**changes), *rows))


def as_csv(rows: list[dict[str, Any]], **changes: Any) -> str:
    out = io.StringIO(newline="")
    out.write(f"# {json.dumps(header(**changes))}\r\n")
    names = [name for name in rows[0] if name != "event"]
    writer = csv.writer(out)
    writer.writerow(names)
    for each in rows:
        fields = each | {"proof": " ".join(each["proof"])}
        said = ["" if fields[name] is None else str(fields[name]) for name in names]
        writer.writerow([f"'{value}" if value[:1] in "=+-@" and value else value for value in said])
    return out.getvalue()


WAYS = {"jsonl": as_jsonl, "csv": as_csv}


def verify(folder: Path, content: str, **more: Any) -> Verdict:
    path = folder / "file"
    path.write_text(content, encoding="utf-8", newline="")
    return verify_file(path, KEY, **more)


@pytest.mark.parametrize("way", WAYS)
def test_an_export_is_proved_line_by_line(tmp_path: Path, way: str) -> None:
    verdict = verify(tmp_path, WAYS[way]([row(n) for n in range(SIZE)]))
    assert verdict.state == "intact"
    assert verdict.document | {"findings": []} == {
        "intact": True, "entries": SIZE, "opened": SIZE, "size": SIZE, "filtered": False,
        "unsigned_entries": MORE, "findings": [], "omitted": 0,
    }  # fmt: skip
    assert verdict.note == NOTE


def test_an_excerpt_says_that_nothing_tells_what_was_left_out(tmp_path: Path) -> None:
    verdict = verify(tmp_path, as_jsonl([row(3), row(17)], filters={"actor": "x"}))
    assert verdict.state == "intact"
    assert any("nothing in an excerpt can tell" in line for line in verdict.lines)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [*row(5), *(["event"])])
def test_every_changed_field_of_an_export_is_found(tmp_path: Path, way: str, name: str) -> None:
    if way == "csv" and name == "event":
        return
    changed: dict[str, Any] = {
        "entry": text(ALL[5].leaf()[:-1] + b"x"),
        "opening": text(bytes(32)),
        "proof": row(5)["proof"][::-1],
        "event": {"id": "e5", "data": {"value": 6}},
        "sequence": 6,
        "counter": 7,
    }
    rows = [row(n) for n in range(SIZE)]
    rows[5] = row(5) | {name: changed.get(name, "forged")}
    verdict = verify(tmp_path, WAYS[way](rows))
    assert verdict.state == "not_intact"
    assert [each["first"] for each in verdict.document["findings"]] == [
        changed["sequence"] if name == "sequence" else 5
    ]


@pytest.mark.parametrize("way", WAYS)
def test_a_line_that_is_gone_from_the_whole_log_or_there_twice_is_named(
    tmp_path: Path, way: str
) -> None:
    rows = [row(n) for n in range(SIZE)]
    (missing,) = verify(tmp_path, WAYS[way](rows[:7] + rows[8:])).document["findings"]
    assert (missing["code"], missing["first"]) == ("missing_entry", 7)
    (double,) = verify(tmp_path, WAYS[way]([*rows, rows[7]])).document["findings"]
    assert (double["code"], double["first"]) == ("duplicate_entry", 7)


def test_an_event_shown_beside_a_sealed_entry_needs_its_key(tmp_path: Path) -> None:
    rows = [row(n) | {"opening": None} for n in range(SIZE)]
    found = verify(tmp_path, as_jsonl(rows)).document["findings"]
    assert [each["first"] for each in found] == list(range(1, SIZE, 2))


@pytest.mark.parametrize(
    ("note", "code"),
    [
        (sign_checkpoint(Checkpoint(SIGNER.name, SIZE, FRONTIER.root), IMPOSTOR), "unknown_key"),
        (NOTE.replace("\n20\n", "\n21\n"), "bad_signature"),
        ("", "malformed_note"),
    ],
)
def test_an_export_under_another_checkpoint_proves_nothing(
    tmp_path: Path, note: str, code: str
) -> None:
    verdict = verify(tmp_path, as_jsonl([row(3)], checkpoint=note))
    assert [each["code"] for each in verdict.document["findings"]] == [code]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "unknown_file"),
        ("{}", "no_proof"),
        ("[1]", "malformed_result"),
        ('{"memoryguard_export": 2}\n', "malformed_export"),
        (as_jsonl([row(1)]) + "nonsense\n", "malformed_export"),
        (as_jsonl([row(1)]) + "[]\n", "malformed_export"),
        (as_csv([row(1)]) + "1,2\r\n", "malformed_export"),
        ('{"memoryguard_log": 7}\n', "malformed_dump"),
        (dump_header([NOTE]) + '{"sequence": 0}\n', "malformed_dump"),
        ("c2sp.org/tlog-proof@v1\nnonsense", "malformed_proof"),
        (str(EntryProof(5, (), NOTE)), "no_entry"),
        (str(EntryProof(5, (), NOTE, extra=b"short")), "no_entry"),
    ],
)
def test_a_file_that_proves_nothing_is_refused(tmp_path: Path, content: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        verify(tmp_path, content)
    assert refused.value.code == code


def dumped(entries: list[Entry], notes: list[str], pruned: int = 0) -> str:
    lines = [dump_header(notes)]
    if pruned:
        lines.append(dump_pruned(0, b"".join(each.leaf_hash() for each in ALL[:pruned])))
    lines += [dump_entry(n, each.leaf()) for n, each in enumerate(entries, pruned)]
    return "".join(lines)


def test_a_dumped_log_is_verified_with_what_was_kept(tmp_path: Path) -> None:
    verdict = verify(tmp_path, dumped(ALL, [NOTE]), kept=[NOTE])
    assert verdict.state == "intact"
    said = ("entries", "signed_entries", "anchored_entries", "unsigned_entries")
    assert [verdict.document[name] for name in said] == [SIZE + MORE, SIZE, SIZE, MORE]
    pruned = verify(tmp_path, dumped(ALL[8:], [NOTE], pruned=8))
    assert (pruned.state, pruned.document["pruned_entries"]) == ("intact", 8)


@pytest.mark.parametrize(
    ("change", "code", "first"),
    [
        (lambda kept: [*kept[:5], replace(kept[5], actor="x"), *kept[6:]], "inconsistent_root", 0),
        (lambda kept: kept[:12], "truncated", 12),
        (lambda kept: [*kept[:3], *kept[4:]], "inconsistent_root", 0),
    ],
)
def test_a_changed_dump_is_found(
    tmp_path: Path, change: Callable[[list[Entry]], list[Entry]], code: str, first: int
) -> None:
    verdict = verify(tmp_path, dumped(change(ALL), [NOTE]))
    assert verdict.state == "not_intact"
    found = verdict.document["findings"][0]
    assert (found["code"], found["first"]) == (code, first)


def test_a_producers_gap_in_a_dump_is_named(tmp_path: Path) -> None:
    entries = ALL[:3] + ALL[5:]
    frontier, _ = Frontier().append(each.leaf_hash() for each in entries)
    note = sign_checkpoint(Checkpoint(SIGNER.name, len(entries), frontier.root), SIGNER)
    verdict = verify(tmp_path, dumped(entries, [note]))
    assert verdict.state == "not_intact"
    (gap,) = verdict.document["gaps"]
    assert (gap["first_missing"], gap["missing"], gap["seen_at"]) == (4, 2, 3)


def test_one_entrys_proof(tmp_path: Path) -> None:
    place = tmp_path / "entry"
    place.write_bytes(ALL[5].leaf())
    file = str(EntryProof(5, tuple(proof(5)), NOTE))
    assert verify(tmp_path, file, entry=place).document["index"] == 5
    place.write_bytes(ALL[6].leaf())
    assert verify(tmp_path, file, entry=place).state == "not_intact"
    with pytest.raises(Refused, match="no_such_file"):
        verify(tmp_path, file, entry=tmp_path / "nothing")


def test_a_printed_proof_needs_no_entry_beside_it(tmp_path: Path) -> None:
    hashes, leaf = tuple(proof(5)), ALL[5].leaf_hash()
    verdict = verify(tmp_path, str(EntryProof(5, hashes, NOTE, extra=leaf)))
    assert verdict.state == "intact"
    assert (verdict.document["index"], verdict.document["leaf"]) == (5, leaf.hex())
    other = str(EntryProof(5, hashes, NOTE, extra=ALL[6].leaf_hash()))
    assert verify(tmp_path, other).state == "not_intact"


ALONE = """
import sys
allowed = {"memoryguard", "cryptography", "cffi", "_cffi_backend", *sys.stdlib_module_names}
class Guard:
    def find_spec(self, name, path=None, target=None):
        top, _, rest = name.partition(".")
        if top not in allowed or (top == "memoryguard" and rest and rest.split(".")[0] != "tlog"):
            raise ImportError(f"{name} is not part of the verifier")
sys.path[:] = [each for each in sys.path if "/src" not in each] + [sys.argv.pop(1)]
sys.meta_path.insert(0, Guard())
import runpy
runpy.run_module("memoryguard.tlog", run_name="__main__", alter_sys=True)
"""


def alone(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the verifier where nothing else of the platform can be imported."""
    command = [sys.executable, "-I", "-c", ALONE, str(SOURCES), "verify", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_verifier_stands_alone(tmp_path: Path) -> None:
    good, bad, other = (tmp_path / name for name in ("good", "bad", "other"))
    good.write_text(as_jsonl([row(n) for n in range(SIZE)]))
    bad.write_text(as_jsonl([row(2) | {"actor": "somebody"}]))
    other.write_text("{}")
    ended = alone(str(good), "--key", str(KEY))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"intact: {SIZE} entries are proved")
    ended = alone(str(good), str(other), str(bad), "--key", str(KEY), "--json")
    assert ended.returncode == 4
    assert [json.loads(line)["intact"] for line in ended.stdout.splitlines()] == [True, False]
    assert "no_proof" in ended.stderr


def test_exit_statuses_and_keys_in_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, key, kept = (tmp_path / name for name in ("log", "key", "kept"))
    path.write_text(dumped(ALL, [NOTE]))
    key.write_text(f"{KEY}\n")
    kept.write_text(NOTE)
    assert command.main(["verify", str(path), "--key", str(key), "--kept", str(kept)]) == 0
    assert command.main(["verify", str(path), "--key", str(tmp_path / "nothing")]) == 3
    assert command.main(["verify", str(tmp_path / "nothing"), "--key", str(KEY)]) == 3
    kept.write_text(sign_checkpoint(Checkpoint(SIGNER.name, SIZE, bytes(32)), SIGNER))
    assert command.main(["verify", str(path), "--key", str(KEY), "--kept", str(kept)]) == 4
    assert "fork" in capsys.readouterr().out
