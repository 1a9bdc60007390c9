# SPDX-License-Identifier: Apache-2.0
"""The verifier finds every tampering, and names the first bad entry as exactly as is provable."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from memoryguard.tlog.checkpoint import Checkpoint, sign_checkpoint
from memoryguard.tlog.entry import Number
from memoryguard.tlog.merkle import EMPTY_ROOT, Frontier, leaf_hash, node_hash
from memoryguard.tlog.note import Signer
from memoryguard.tlog.report import Finding, Report, Run
from memoryguard.tlog.verify import MAX_FINDINGS_PER_CODE, verify_runs

ORIGIN = "memoryguard.example/log"
SIGNER = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
IMPOSTOR = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))
KEY = SIGNER.verifier_key


@dataclass(frozen=True)
class Stored:
    """An entry as a store has it: its bytes, its stored hash, its producer's number."""

    sequence: int
    leaf: bytes
    hash: bytes | None
    number: Number | None

    def run(self) -> Run:
        return Run(self.sequence, [leaf_hash(self.leaf)], [self.hash], [self.number])


@dataclass
class Log:
    """What a store holds, and what somebody with all its rights can do to it."""

    entries: list[Stored] = field(default_factory=list[Stored])
    nodes: dict[tuple[int, int], bytes] = field(default_factory=dict[tuple[int, int], bytes])
    checkpoints: list[str] = field(default_factory=list[str])
    sizes: list[int] = field(default_factory=list[int])

    def verify(self, *, nodes: bool = True, witnessed: tuple[str, ...] = ()) -> Report:
        get = (lambda level, index: self.nodes.get((level, index))) if nodes else None
        runs = [each.run() for each in self.entries]
        return verify_runs(runs, self.checkpoints, KEY, witnessed=witnessed, nodes=get)

    def rewrite(self, at: int, body: bytes, levels: int = -1) -> None:
        """Replace an entry; `levels` >= 0 rewrites its hash and its nodes below that level."""
        known = leaf_hash(body) if levels >= 0 else self.entries[at].hash or b""
        self.entries[at] = stored(at, body, known)
        for level in range(max(levels, 0)):
            index = at >> level
            if (level, index) not in self.nodes:
                return
            left, right = (level - 1, index * 2), (level - 1, index * 2 + 1)
            value = known if level == 0 else node_hash(self.nodes[left], self.nodes[right])
            self.nodes[level, index] = value

    def renumber(self) -> None:
        self.entries = [replace(each, sequence=at) for at, each in enumerate(self.entries)]

    def rebuild_nodes(self) -> None:
        frontier = Frontier().append(each.hash or b"" for each in self.entries)
        self.nodes = {(level, at): value for level, at, value in frontier[1]}


def event(number: int, text: str = "") -> bytes:
    document = {
        "source": f"/memoryguard/{'ab'[number % 2]}",
        "producerepoch": "e1",
        "producercounter": number // 2 + 1,
        "data": text or f"entry {number}",
    }
    return json.dumps(document).encode()


def stored(sequence: int, body: bytes, value: bytes | None) -> Stored:
    return Stored(sequence, body, value, number_of(body))


def number_of(body: bytes) -> tuple[str, str, int] | None:
    try:
        document = json.loads(body)
        names = ("source", "producerepoch", "producercounter")
        source, epoch, counter = (document[name] for name in names)
        return source, epoch, counter
    except (ValueError, KeyError, TypeError):
        return None


def honest(size: int, sizes: list[int]) -> Log:
    log, frontier = Log(sizes=sizes), Frontier()
    if 0 in sizes:
        log.checkpoints.append(sign_checkpoint(Checkpoint(ORIGIN, 0, EMPTY_ROOT), SIGNER))
    for number in range(size):
        body = event(number)
        log.entries.append(stored(number, body, leaf_hash(body)))
        frontier, nodes = frontier.append([leaf_hash(body)])
        log.nodes.update({(level, at): value for level, at, value in nodes})
        if number + 1 in sizes:
            checkpoint = Checkpoint(ORIGIN, number + 1, frontier.root)
            log.checkpoints.append(sign_checkpoint(checkpoint, SIGNER))
    return log


def first_of(report: Report) -> Finding:
    assert report.first is not None
    assert not report.intact
    return report.first


def place(finding: Finding) -> tuple[str, int | None, int | None]:
    return finding.code, finding.first, finding.last


@pytest.mark.parametrize("size", [1, 2, 7, 64, 100])
@pytest.mark.parametrize("nodes", [True, False])
def test_an_honest_log_verifies(size: int, nodes: bool) -> None:
    for sizes in ([size], [0, 1, size], list(range(size + 1))):
        report = honest(size, sizes).verify(nodes=nodes)
        assert report.intact
        assert report.complete
        assert (report.size, report.signed_size, report.unsigned_entries) == (size, size, 0)
        assert report.checkpoints == len(set(sizes))


def test_entries_behind_the_newest_checkpoint_are_counted() -> None:
    report = honest(20, [5, 12]).verify()
    assert report.intact
    assert (report.signed_size, report.unsigned_entries, report.checkpoints) == (12, 8, 2)


def test_a_checkpoint_signed_twice_is_fine() -> None:
    log = honest(9, [4, 9])
    log.checkpoints.insert(1, log.checkpoints[0])
    assert log.verify().intact


def test_nothing_signed_is_nothing_proved() -> None:
    assert first_of(honest(3, []).verify()).code == "no_checkpoint"
    assert first_of(Log().verify()).code == "no_checkpoint"
    assert honest(0, [0]).verify().intact


@pytest.mark.parametrize("nodes", [True, False])
def test_one_changed_byte_is_named_exactly(nodes: bool) -> None:
    for at in range(30):
        log = honest(30, [11, 30])
        log.rewrite(at, event(at, "forged"))
        report = log.verify(nodes=nodes)
        size = 11 if at < 11 else 30
        assert [(f.code, f.first, f.last, f.checkpoint_size) for f in report.findings] == [
            ("altered_entry", at, at, size)
        ]
        assert report.signed_size == (0 if at < 11 else 11)


@pytest.mark.parametrize("levels", [0, 1, 2, 3, 4])
def test_a_rewritten_hash_is_narrowed_down_as_far_as_nodes_prove(levels: int) -> None:
    for at in range(16, 32):
        log = honest(40, [10, 35])
        log.rewrite(at, event(at, "forged"), levels)
        width = 1 << levels  # the lowest true node above the forged ones
        first = at // width * width
        assert place(first_of(log.verify())) == ("altered_entry", first, first + width - 1)
        assert place(first_of(log.verify(nodes=False))) == ("inconsistent_root", 10, 34)


def test_a_range_does_not_reach_back_behind_a_proved_checkpoint() -> None:
    log = honest(40, [18, 35])
    log.rewrite(20, event(20, "forged"), 4)
    assert place(first_of(log.verify())) == ("altered_entry", 18, 31)


def test_nodes_rewritten_to_the_top_leave_the_range_between_two_checkpoints() -> None:
    log = honest(40, [18, 35, 40])
    log.rewrite(20, event(20, "forged"), 10)
    report = log.verify()
    assert place(first_of(report)) == ("inconsistent_root", 18, 34)
    assert report.signed_size == 18


def test_several_changes_are_all_named() -> None:
    log = honest(64, [16, 32, 48, 64])
    for at in (3, 5, 20, 50):
        log.rewrite(at, event(at, "forged"), 0 if at == 5 else -1)
    found = [place(each) for each in log.verify().findings]
    assert found == [("altered_entry", at, at) for at in (3, 5, 20, 50)]


def test_a_stored_hash_alone_is_told_from_its_entry() -> None:
    log = honest(20, [20])
    log.entries[7] = replace(log.entries[7], hash=bytes(32))
    assert place(first_of(log.verify())) == ("altered_hash", 7, 7)
    log.rewrite(9, event(9, "forged"), 0)
    found = [place(each) for each in log.verify().findings]
    assert found == [("altered_hash", 7, 7), ("altered_entry", 9, 9)]


@pytest.mark.parametrize("value", [b"", b"x", bytes(33), bytes(32)])
def test_a_hash_or_node_of_any_length_is_survived(value: bytes) -> None:
    log = honest(20, [10, 20])
    log.entries[7] = replace(log.entries[7], hash=value)
    assert place(first_of(log.verify())) == ("altered_hash", 7, 7)
    log.rewrite(7, event(7, "forged"))
    log.entries[7] = replace(log.entries[7], hash=value)
    assert place(first_of(log.verify())) == ("altered_entry", 7, 7)
    log.nodes[0, 7] = value
    assert place(first_of(log.verify())) == ("altered_entry", 6, 7)
    log.nodes[3, 0] = value
    assert first_of(log.verify()).code == "altered_entry"


def test_a_byte_moved_between_two_stored_nodes_does_not_mislead() -> None:
    log = honest(8, [8])
    log.rewrite(5, event(5, "forged"), 0)
    left, right = log.nodes[0, 4], log.nodes[0, 5]
    log.nodes[0, 4], log.nodes[0, 5] = left + right[:1], right[1:]
    assert [place(each) for each in log.verify().findings] == [("altered_entry", 4, 5)]


def test_a_wrong_or_missing_stored_node_is_found() -> None:
    log = honest(20, [8, 20])
    log.nodes[2, 1] = bytes(32)
    assert place(first_of(log.verify())) == ("altered_node", 4, 7)
    del log.nodes[2, 1]
    assert place(first_of(log.verify())) == ("altered_node", 4, 7)
    assert log.verify(nodes=False).intact


def test_a_missing_entry_is_named_and_later_faults_are_still_found() -> None:
    log = honest(40, [10, 20, 30, 40])
    log.rewrite(33, event(33, "forged"), 0)
    del log.entries[12]
    report = log.verify()
    assert [place(each) for each in report.findings] == [
        ("missing_entry", 12, 12), ("altered_entry", 33, 33),
    ]  # fmt: skip
    assert [(gap.first_missing, gap.seen_at) for gap in report.gaps] == [(7, 14)]


@pytest.mark.parametrize("at", [18, 19, 20])
def test_an_entry_missing_beside_a_checkpoint(at: int) -> None:
    log = honest(40, [10, 20, 30, 40])
    log.rewrite(35, event(35, "forged"), 0)
    del log.entries[at]
    report = log.verify()
    assert [place(each) for each in report.findings] == [
        ("missing_entry", at, at), ("altered_entry", 35, 35),
    ]  # fmt: skip
    assert report.signed_size == (20 if at == 20 else 10)


def test_missing_at_the_front_and_in_a_row() -> None:
    log = honest(20, [20])
    del log.entries[0]
    assert place(first_of(log.verify())) == ("missing_entry", 0, 0)
    del log.entries[4:9]
    assert ("missing_entry", 5, 9) in [place(each) for each in log.verify().findings]


def test_a_wild_sequence_number_is_survived() -> None:
    log = honest(5, [5])
    log.entries[4] = replace(log.entries[4], sequence=10**18)
    assert place(first_of(log.verify())) == ("missing_entry", 4, 10**18 - 1)
    log.entries[4] = replace(log.entries[4], sequence=-1)
    assert {each.code for each in log.verify().findings} == {"duplicate_entry", "truncated"}


def test_a_duplicate_is_named() -> None:
    log = honest(20, [20])
    log.entries.insert(9, log.entries[8])
    assert place(first_of(log.verify())) == ("duplicate_entry", 8, 8)


def test_a_removed_and_renumbered_log_differs_from_there_on() -> None:
    log = honest(40, [10, 20, 40])
    del log.entries[13]
    log.renumber()
    report = log.verify()
    assert place(first_of(report)) == ("altered_entry", 13, 13)
    assert {each.code for each in report.findings} == {"altered_entry", "truncated"}
    assert report.gaps[0].first_missing == 7


def test_an_inserted_entry_is_where_the_log_begins_to_differ() -> None:
    log = honest(40, [10, 20, 40])
    log.entries.insert(13, stored(0, b"forged", leaf_hash(b"forged")))
    log.renumber()
    report = log.verify()
    assert place(first_of(report)) == ("altered_entry", 13, 13)
    assert (report.unsigned_entries, report.unnumbered_entries) == (1, 1)


def test_many_findings_are_counted_not_listed() -> None:
    log = honest(100, [100])
    for at in range(100):
        log.rewrite(at, event(at, "forged"))
    report = log.verify()
    assert (len(report.findings), report.omitted) == (MAX_FINDINGS_PER_CODE, 80)


def test_a_cut_tail_is_named() -> None:
    log = honest(40, [10, 20, 40])
    del log.entries[25:]
    report = log.verify()
    assert place(first_of(report)) == ("truncated", 25, 39)
    assert report.signed_size == 20
    log.entries.clear()
    assert place(first_of(log.verify())) == ("truncated", 0, 39)


def test_a_change_before_a_cut_is_named_where_nodes_are_left() -> None:
    log = honest(40, [10, 20, 40])
    log.rewrite(22, event(22, "forged"), 0)
    del log.entries[25:]
    assert [place(each) for each in log.verify().findings] == [
        ("altered_entry", 22, 22), ("truncated", 25, 39),
    ]  # fmt: skip
    assert [place(each) for each in log.verify(nodes=False).findings] == [("truncated", 25, 39)]


def test_a_tail_cut_with_its_checkpoints_needs_one_kept_elsewhere() -> None:
    log = honest(40, [10, 20, 40])
    newest = log.checkpoints.pop()
    del log.entries[20:]
    assert log.verify().intact  # nothing inside the log can tell
    report = log.verify(witnessed=(newest,))
    assert place(first_of(report)) == ("truncated", 20, 39)
    assert "rollback" in {each.code for each in report.findings}


def test_a_fork_signed_by_the_log_itself_is_found() -> None:
    log = honest(40, [10, 40])
    forged = sign_checkpoint(Checkpoint(ORIGIN, 10, leaf_hash(b"other root")), SIGNER)
    report = log.verify(witnessed=(forged,))
    assert [(each.code, each.checkpoint_size) for each in report.findings] == [("fork", 10)]
    assert report.signed_size == 40


def test_a_rewritten_and_signed_again_log_contradicts_the_witness() -> None:
    log = honest(40, [10, 20, 40])
    kept = log.checkpoints[1]
    for at in range(15, 40):
        log.rewrite(at, event(at, "forged"), 0)
    log.rebuild_nodes()
    frontier = Frontier().append(each.hash for each in log.entries)[0]
    newest = sign_checkpoint(Checkpoint(ORIGIN, 40, frontier.root), SIGNER)
    log.checkpoints = [log.checkpoints[0], newest]
    assert log.verify().intact  # the key's owner can do this, so checkpoints must leave the box
    assert place(first_of(log.verify(witnessed=(kept,)))) == ("inconsistent_root", 10, 19)


def test_checkpoints_out_of_order_are_a_rollback() -> None:
    log = honest(40, [10, 20, 40])
    log.checkpoints[1:] = log.checkpoints[:0:-1]
    assert [each.code for each in log.verify().findings] == ["rollback"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda note: sign_checkpoint(Checkpoint(ORIGIN, 20, bytes(32)), IMPOSTOR), "unknown_key"),
        (lambda note: note.replace("\n20\n", "\n21\n"), "bad_signature"),
        (lambda note: note[:-2] + note[-1], "malformed_note"),
        (lambda note: "", "malformed_note"),
    ],
)  # fmt: skip
def test_a_bad_checkpoint_is_named(change: Callable[[str], str], code: str) -> None:
    log = honest(40, [10, 20, 40])
    log.checkpoints[1] = change(log.checkpoints[1])
    report = log.verify()
    assert [each.code for each in report.findings] == [code]
    assert report.findings[0].message.startswith("checkpoint 2: ")
    assert (report.checkpoints, report.signed_size) == (2, 40)


def test_a_change_behind_the_newest_checkpoint_is_found_while_its_hash_remains() -> None:
    log = honest(40, [20])
    log.rewrite(30, event(30, "forged"))
    assert place(first_of(log.verify(nodes=False))) == ("altered_entry", 30, 30)
    log.rewrite(30, event(30, "forged"), 0)
    assert log.verify(nodes=False).intact
    assert place(first_of(log.verify())) == ("altered_node", 30, 30)


def test_producers_numbers_may_come_in_any_order_but_not_be_missing() -> None:
    log, order = Log(), [4, 0, 3, 1, 7, 5]
    frontier = Frontier()
    for sequence, number in enumerate(order):
        body = event(number)
        log.entries.append(stored(sequence, body, leaf_hash(body)))
        frontier, _ = frontier.append([leaf_hash(body)])
    log.checkpoints.append(sign_checkpoint(Checkpoint(ORIGIN, 6, frontier.root), SIGNER))
    report = log.verify(nodes=False)
    assert report.intact
    assert not report.complete
    (gap,) = report.gaps
    assert (gap.source, gap.epoch, gap.first_missing, gap.last_missing) == (
        "/memoryguard/a", "e1", 2, 2,
    )  # fmt: skip
    assert (gap.seen_at, gap.missing) == (0, 1)


def test_entries_without_a_producers_number_are_counted() -> None:
    log = Log([stored(0, b"", leaf_hash(b""))])
    log.checkpoints.append(sign_checkpoint(Checkpoint(ORIGIN, 1, leaf_hash(b"")), SIGNER))
    report = log.verify(nodes=False)
    assert report.intact
    assert report.complete
    assert report.unnumbered_entries == 1


def test_a_number_used_twice_is_named() -> None:
    log = honest(8, [])
    log.entries.append(stored(8, event(2, "again"), leaf_hash(event(2, "again"))))
    report = log.verify(nodes=False)
    assert [(each.counter, each.sequence) for each in report.repeats] == [(2, 8)]
    assert not report.complete


def edit(log: Log, at: int, draw: random.Random) -> None:
    body = bytearray(log.entries[at].leaf)
    body[draw.randrange(len(body))] ^= 1 << draw.randrange(8)
    log.rewrite(at, bytes(body), draw.choice([-1, 0, 1, 2, 3, 20]))


def delete(log: Log, at: int, draw: random.Random) -> None:
    del log.entries[at : at + draw.randint(1, 3)]
    if draw.random() < 0.5:
        log.renumber()
    if draw.random() < 0.5:
        log.rebuild_nodes()


def insert(log: Log, at: int, draw: random.Random) -> None:
    body = event(draw.randrange(1000), "forged")
    log.entries.insert(at, stored(at, body, leaf_hash(body)))
    log.renumber()
    if draw.random() < 0.5:
        log.rebuild_nodes()


def reorder(log: Log, at: int, draw: random.Random) -> None:
    other = draw.randrange(at + 1, len(log.entries))
    log.entries[at], log.entries[other] = log.entries[other], log.entries[at]
    if draw.random() < 0.7:
        log.renumber()
    if draw.random() < 0.5:
        log.rebuild_nodes()


def truncate(log: Log, at: int, draw: random.Random) -> None:
    del log.entries[at:]
    if draw.random() < 0.5:
        log.rebuild_nodes()


def fork(log: Log, at: int, draw: random.Random) -> None:
    for number in range(at, len(log.entries)):
        log.rewrite(number, event(number, "fork"), 0)
    log.rebuild_nodes()
    if draw.random() < 0.5:  # signed again, by somebody without the key
        frontier = Frontier().append(each.hash for each in log.entries)[0]
        checkpoint = Checkpoint(ORIGIN, frontier.size, frontier.root)
        log.checkpoints.append(sign_checkpoint(checkpoint, IMPOSTOR))


@pytest.mark.parametrize("seed", range(300))
def test_random_tampering_is_found_where_it_is(seed: int) -> None:
    draw = random.Random(seed)
    size = draw.randint(3, 120)
    sizes = sorted({*(draw.randint(1, size) for _ in range(draw.randint(0, 8))), size})
    log, at = honest(size, sizes), draw.randrange(size - 1)
    assert log.verify().intact
    tamper = (edit, delete, insert, reorder, truncate, fork)[seed % 6]
    tamper(log, at, draw)
    for nodes in (True, False):
        report = log.verify(nodes=nodes)
        finding = first_of(report)
        assert report.signed_size <= at  # nothing wrong is ever said to be as it was signed
        assert finding.first is not None
        assert finding.last is not None
        if finding.code == "truncated":
            assert finding.first == len(log.entries)
            continue
        proved = max((each for each in sizes if each <= at), default=0)
        bound = min(each for each in sizes if each > at)
        assert proved <= finding.first <= at <= finding.last
        assert finding.last < bound or finding.code == "missing_entry"
