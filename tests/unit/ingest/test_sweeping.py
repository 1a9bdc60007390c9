# SPDX-License-Identifier: Apache-2.0
"""What a crash left is swept; what a row names, or what is young, is not."""

from __future__ import annotations

from datetime import timedelta

from memoryguard.common.runtime.platform import Platform
from memoryguard.ingest.sweeping import Sweeper

SUBJECT = "5e" * 16
NOW = timedelta(0)


async def paths(platform: Platform) -> list[str]:
    found = [m["path"] async for batch in platform.store.list() for m in batch]
    return sorted(path for path in found if not path.startswith("keys/"))


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
    await ingest.pool.execute(
        "insert into scan (scan_id, subject_id, sha256) values ('x', $1, $2)", SUBJECT, "ab" * 32
    )
    assert await Sweeper(ingest).sweep() == 0
    assert len(await paths(ingest)) == 5
    assert await Sweeper(ingest, NOW).sweep() == 2
    assert await paths(ingest) == sorted(
        [staged.uri, scan.uri, f"derived/{SUBJECT}/of-the-processor"]
    )


async def test_old_answers_are_forgotten(ingest: Platform) -> None:
    await ingest.pool.execute(
        "insert into answer (answer_key, sealed, subject_id, given_at) values"
        " ('old', '{}', 'x', now() - interval '25 hours'), ('new', '{}', 'x', now())"
    )
    await Sweeper(ingest).sweep()
    assert await ingest.pool.fetchval("select string_agg(answer_key, ',') from answer") == "new"
