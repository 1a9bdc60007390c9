# SPDX-License-Identifier: Apache-2.0
"""What became of an upload, as a person reads it."""

from __future__ import annotations

from typing import Any

from memoryguard.cli.received import received

DAMAGED = {
    "state": "refused",
    "code": "truncated_file",
    "message": "the file is cut off",
    "hint": "send it again",
}
LEFT_OUT = {"state": "left_out", "code": "not_dicom", "message": "no DICOM file"}


def lines(answer: dict[str, Any]) -> list[str]:
    return [line.plain for line in received(answer)]


def test_scans_other_series_and_files_that_were_not_taken() -> None:
    names = ["b", "a\x1b[2J", *"cdefg"]
    answer = {
        "scans": [{"imaging_id": "s1", "instances": 24}, {"imaging_id": "s2", "instances": 30}],
        "series": [
            {"state": "announced", "images": 24},
            {
                "state": "left_out",
                "code": "localizer",
                "message": "to plan the others",
                "images": 3,
            },
        ],
        "counts": {"kept": 57, "left_out": 7, "refused": 1},
        "files": [
            {"name": "x", "state": "kept"},
            *({"name": name, **LEFT_OUT} for name in names),
            {"name": "y", **DAMAGED},
        ],
    }
    assert lines(answer) == [
        "taken in as s1 (24 images)",
        "taken in as s2 (30 images)",
        "a series of 3 images: left out: localizer: to plan the others",
        "files: 57 kept, 7 left out, 1 refused",
        "  b, a\ufffd[2J, c, d, e and 2 more: left out: not_dicom: no DICOM file",
        "  y: refused: truncated_file: the file is cut off (send it again)",
    ]


def test_a_refusal_names_no_scan() -> None:
    answer = {"series": [], "counts": {"refused": 1}, "files": [{"name": "y", **DAMAGED}]}
    assert lines(answer)[0] == "files: 1 refused"
    assert len(lines(answer)) == 2
