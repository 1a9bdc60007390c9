# SPDX-License-Identifier: Apache-2.0
"""What a crash left is swept; what a row names, or what is young, is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from memoryguard.common.runtime.platform import Platform
from memoryguard.ingest.sweeping import Sweeper

SUBJECT = "5e" * 16
NOW = timedelta(0)


async def paths(platform: Platform) -> list[str]:
    found = [m["path"] async for batch in platform.store.list() for m in batch]
    return sorted(path for path in found if not path.startswith("keys/"))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_only_what_is_old_and_named_by_no_row_goes(ingest: Platform) -> None:
    staged = await ingest.objects.put(f"staging/{SUBJECT}/named", SUBJECT, b"1")
    scan = await ingest.objects.put(f"scans/{SUBJECT}/20260101T000000Z-{'ab' * 8}", SUBJECT, b"2")
    await ingest.objects.put(f"staging/{SUBJECT}/orphan", SUBJECT, b"3")
    await ingest.objects.put(f"scans/{SUBJECT}/20260101T000000Z-{'cd' * 8}", SUBJECT, b"4")
    await ingest.objects.put(f"derived/{SUBJECT}/of-the-processor", SUBJECT, b"5")
    await ingest.pool.execute(
        "insert into series (series_key, study_key, subject_id, actor_id, confirms, ends)"
        " values ('s', 'st', $1, 'a', false, 'word')",
        SUBJECT,
    )
    await ingest.pool.execute(
        "insert into image (image_key, series_key, digest, header, object)"
        " values ('i', 's', '', '{}', $1)",
        staged.model_dump_json(),
    )
    # of a try that was cut off and forgotten: the next one came to the same scan, at another time
    await ingest.objects.put(f"scans/{SUBJECT}/20251231T000000Z-{'ab' * 8}", SUBJECT, b"2")
    await ingest.pool.execute(
        "insert into scan (scan_id, subject_id, sha256, received_at) values ('x', $1, $2, $3)",
        *(SUBJECT, "ab" * 32, datetime(2026, 1, 1, 0, 0, 0, 999_999, tzinfo=UTC)),
    )
    assert await Sweeper(ingest).sweep() == 0
    assert len(await paths(ingest)) == 6
    assert await Sweeper(ingest, NOW).sweep() == 3
    assert await paths(ingest) == sorted(
        [staged.uri, scan.uri, f"derived/{SUBJECT}/of-the-processor"]
    )


async def test_what_a_killed_writer_has_not_finished_goes_when_it_is_old(ingest: Platform) -> None:
    whole = await ingest.objects.put(f"derived/{SUBJECT}/whole", SUBJECT, b"1")
    folder = Path(ingest.settings.storage, "derived", SUBJECT)
    (folder / "half#1234567890").write_bytes(b"half of it")
    await Sweeper(ingest).sweep()
    assert names(folder) == ["half#1234567890", "whole"]
    assert await Sweeper(ingest, NOW).sweep() == 1
    assert names(folder) == ["whole"]
    assert await ingest.objects.get(whole, SUBJECT) == b"1"


async def test_old_answers_are_forgotten(ingest: Platform) -> None:
    await ingest.pool.execute(
        "insert into answer (answer_key, sealed, subject_id, given_at) values"
        " ('old', '{}', 'x', now() - interval '25 hours'), ('new', '{}', 'x', now())"
    )
    await Sweeper(ingest).sweep()
    assert await ingest.pool.fetchval("select string_agg(answer_key, ',') from answer") == "new"
