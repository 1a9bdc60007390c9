# SPDX-License-Identifier: Apache-2.0
"""Reports are PDF/A-2a and PDF/UA-1, says veraPDF; and it does find what is not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import report_samples as sample

from memoryguard.api.report.document import make

REPOSITORY = Path(__file__).parents[2]
CHECK = "org.verapdf.apps.GreenfieldCliWrapper"
FLAVOURS = ("2a", "ua1")


@pytest.fixture(scope="session")
def validator() -> str:
    """veraPDF's jars, fetched with Maven. In CI they must be there."""
    fetched = subprocess.run(
        ["make", "-s", ".verapdf/libs"], cwd=REPOSITORY, capture_output=True, text=True
    )
    if fetched.returncode:
        why = f"PDF/A IS NOT CHECKED HERE: {(fetched.stdout + fetched.stderr).strip()}"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    return str(REPOSITORY / ".verapdf" / "libs" / "*")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reports, and each once more with the standards that it names taken away."""
    place = tmp_path_factory.mktemp("reports")
    for name, pdf in reports():
        (place / f"{name}.pdf").write_bytes(pdf)
        broken = pdf.replace(b"pdfaid:part>2", b"pdfaid:part>9")
        broken = broken.replace(b"pdfuaid:part>1", b"pdfuaid:part>9")
        (place / f"{name}-broken.pdf").write_bytes(broken)
    return place


def reports() -> Iterator[tuple[str, bytes]]:
    yield "clinician", make("clinician", sample.document(), sample.files())
    yield "plain", make("plain", sample.document(), {})
    yield "bare", make("clinician", sample.document(proved=False), {})
    odd = sample.document()
    odd["user_id"] = "\u7530\u4e2d \u202e\u0645 \u0416\u03a9\u0142"
    yield "odd", make("plain", odd, {})


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_validator_finds_nothing(validator: str, flavour: str, folder: Path) -> None:
    command = ["java", "-cp", validator, CHECK, "--format", "text", "-f", flavour, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    lines = [line.split() for line in done.stdout.splitlines() if line.endswith(f" {flavour}")]
    found = {Path(path).stem: verdict for verdict, path, _ in lines}
    assert len(found) == 8
    assert {name for name, verdict in found.items() if verdict == "FAIL"} == {
        name for name in found if name.endswith("-broken")
    }
