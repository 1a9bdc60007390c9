# SPDX-License-Identifier: Apache-2.0
"""Set a report: the same inputs give the same bytes, a tagged PDF/A-2a that is PDF/UA-1, too.

The template gets data and no markup: whatever strangers named something, it is set as text.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from importlib.metadata import version as package_version
from importlib.resources import files as package_files
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from memoryguard.api.report import slices, solid
from memoryguard.api.report.centiles import colour_of
from memoryguard.api.report.facts import Document, Facts, facts_of
from memoryguard.api.report.files import surfaces_of, volume_of
from memoryguard.api.report.plain import plain_of

Audience: TypeAlias = Literal["clinician", "plain"]

PICTURES = ("brain.nii.gz", "labels.nii.gz", "structures.glb")
"""Files of a scan that the pictures are made of."""
SHELL = ("cortex_left", "cortex_right", "cerebellar_cortex", "brainstem")
REGIONS: Mapping[str, str] = {
    "hippocampus_left": "hippocampus_left",
    "hippocampus_right": "hippocampus_right",
    "lateral_ventricle_left": "lateral_ventricle_left",
    "lateral_ventricle_right": "lateral_ventricle_right",
    "inferior_lateral_ventricle_left": "lateral_ventricle_left",
    "inferior_lateral_ventricle_right": "lateral_ventricle_right",
    "third_ventricle": "third_ventricle",
}
"""Surfaces that are coloured, and the region by whose z; a norm's ventricle has its horn."""
AZIMUTH, ELEVATION = 52.0, 14.0
WIDTH: Mapping[Audience, int] = {"clinician": 460, "plain": 520}
STANDARDS: tuple[Literal["a-2a"], Literal["ua-1"]] = ("a-2a", "ua-1")
LONGEST = 300
# What typst's own fonts hold of what names are written in; a glyph that lacks is no PDF/A.
UNKNOWN = re.compile(
    "[^ -~\\u00a0-\\u00ac\\u00ae-\\u017f\\u0391-\\u03a1\\u03a3-\\u03a9\\u03b1-\\u03c9"
    "\\u0410-\\u044f\\u2013\\u2014\\u2018\\u2019\\u201c\\u201d\\u2026\\u2212\\u2264\\u2265\\u00d7]"
)


def make(audience: Audience, document: Document, files: Mapping[str, bytes]) -> bytes:
    """Make a report.

    Parameters
    ----------
    audience
        For whom.
    document
        The analysis with its proof (`analysis_document`, `proof_of`).
    files
        Of `PICTURES`, those that there are.

    Returns
    -------
    bytes
        The PDF.
    """
    facts = facts_of(document) if audience == "clinician" else plain_of(document)
    facts |= pictures(audience, document, files)
    return _set(audience, facts, datetime.fromisoformat(document["updated_at"]))


@cache
def version() -> str:
    """Give a digest of all that makes a report besides its data: this package and typst."""
    folder = package_files("memoryguard.api.report")
    parts = sorted((each for each in folder.iterdir() if each.is_file()), key=lambda p: p.name)
    digest = hashlib.sha256(package_version("typst").encode())
    for part in parts:
        digest.update(part.read_bytes())
    return digest.hexdigest()


def pictures(audience: Audience, document: Document, files: Mapping[str, bytes]) -> Facts:
    """Draw slices and the brain in three dimensions, as far as there are files; see `make`."""
    facts: Facts = {"slices": [], "legend": [], "solid": None}
    if "brain.nii.gz" in files and "labels.nii.gz" in files:
        brain, labels = volume_of(files["brain.nii.gz"]), volume_of(files["labels.nii.gz"])
        facts["slices"] = [
            {"name": each.name, "png": _png(each.rgb), "at": f"{each.at_mm:.0f}",
             "width": each.rgb.shape[1] * slices.PIXEL_MM,
             "height": each.rgb.shape[0] * slices.PIXEL_MM,
             "left": each.left, "right": each.right}
            for each in slices.draw(brain, labels)
        ]  # fmt: skip
        facts["legend"] = [
            {"name": name, "colour": "#{:02x}{:02x}{:02x}".format(*colour)}
            for name, (_, colour) in slices.STRUCTURES.items()
        ]
    if "structures.glb" in files:
        parts = solid.coloured(
            surfaces_of(files["structures.glb"]), dict(colours_of(document)), SHELL
        )
        if any(parts):
            view = solid.view_from(AZIMUTH, ELEVATION)
            facts["solid"] = _png(solid.draw(*parts, view, WIDTH[audience]))
    return facts


def colours_of(document: Document) -> Iterator[tuple[str, solid.Colour]]:
    """Colours of the surfaces whose region could be compared."""
    for surface, region in REGIONS.items():
        z = (document["atrophy"]["regions"].get(region) or {}).get("z")
        if z is not None:
            yield surface, colour_of(z)


def _png(rgb: NDArray[np.uint8]) -> list[int]:
    """Pack a picture, as the list of bytes that JSON carries to typst: no file is written."""
    from PIL import Image

    packed = io.BytesIO()
    Image.fromarray(rgb).save(packed, format="PNG", compress_level=3)
    return list(packed.getvalue())


def _set(audience: Audience, facts: Facts, made: datetime) -> bytes:
    import typst

    template = (package_files("memoryguard.api.report") / "report.typ").read_bytes()
    given = _legible({**facts, "audience": audience, "version": version()[:12]})
    when = made.replace(microsecond=0)
    compiler = typst.Compiler(
        template,
        font_paths=typst.Fonts(include_system_fonts=False),
        ignore_system_fonts=True,
        sys_inputs={"data": json.dumps(given)},
    )
    pdf = compiler.compile(format="pdf", pdf_standards=list(STANDARDS), timestamp=when)
    if not isinstance(pdf, bytes):
        raise TypeError("typst gave no PDF")
    return pdf


def _legible(value: Any) -> Any:
    """Replace characters that no font of ours has, and cut what is overlong."""
    if isinstance(value, str):
        if value.startswith("<svg"):  # our own QR code
            return value
        cut = value if len(value) <= LONGEST else f"{value[: LONGEST - 1]}…"
        return UNKNOWN.sub("\N{REPLACEMENT CHARACTER}", cut)
    if isinstance(value, dict):
        return {name: _legible(each) for name, each in value.items()}
    if isinstance(value, list) and value and not isinstance(value[0], int):
        return [_legible(each) for each in value]
    return value
