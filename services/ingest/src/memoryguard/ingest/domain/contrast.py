# SPDX-License-Identifier: Apache-2.0
"""Says whether a series is T1-weighted, in the words of a closed vocabulary.

Names come first, since protocols are named by people who know; physics has a veto. The limits on
TR, TE and TI are those of any MR textbook (e.g. McRobbie et al., MRI from Picture to Proton):
T1 weighting needs a short echo time, and spin echo a short repetition time as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from memoryguard.ingest.domain import tags
from memoryguard.ingest.domain.elements import Dataset
from memoryguard.ingest.domain.values import item, number, word, words

UNSPECIFIED = "unspecified"
RANK = {
    "T1 MPRAGE": 0,
    "T1 SPGR": 0,
    "T1 TFE": 0,
    "T1 VIBE": 1,
    "T1 MP2RAGE": 2,
    "T1": 2,
    "T1 SE": 3,
    UNSPECIFIED: 9,
}
"""The vocabulary, and which is measured first when there are several."""

LONGEST_T1_ECHO_MS = 40.0
LONGEST_SPIN_ECHO_TR_MS = 1000.0
LONGEST_SPIN_ECHO_TE_MS = 30.0
LONGEST_GRADIENT_ECHO_TE_MS = 10.0
MPRAGE_INVERSION_MS = (500.0, 1500.0)
SPOILED_TR_MS = 50.0
SPOILED_FLIP_DEG = 8.0

_NAMES = (
    ("T1 MP2RAGE", r"MP2RAGE.*\bUNI|\bUNI.*MP2RAGE"),
    ("T1 MPRAGE", r"MP ?RAGE|\bTFL ?3D|TFL3D"),
    ("T1 SPGR", r"SPGR|\bBRAVO\b|\bFLASH\b|\bMEMPR"),
    ("T1 TFE", r"T1.*TFE|\b3D TFE|TURBO FIELD ECHO|\bT1.*FFE"),
    ("T1 VIBE", r"\bVIBE\b|\bLAVA\b|\bTHRIVE\b"),
    ("T1 SE", r"T1.*\b(SE|TSE|FSE)\b|\b(SE|TSE|FSE)\b.*T1"),
    ("T1", r"\bT1W?I?\b|\b3DT1|\bT1(?!\d)"),
)
_ANOTHER_KIND = re.compile(
    r"\bT2|\bPD|PROTON|STIR|CISS|FIESTA|\bINV ?[12]\b|SWI\b|\bPHASE|SUBTR"
    r"|DWI|DTI|\bDIFF|\bADC\b|TRACE|\bFA\b|\bB0\b|\bEPI?\b|EP2D|BOLD|FMRI|\bREST(ING)?\b"
    r"|\bTOF\b|\bMR[AV]\b|\bANGIO|\bASL\b|PCASL|PERF|SPECTR|\bMRS\b"
    r"|\bMIP\b|\bMAP|T1MAP|T1 IMAGES|FIELD ?MAP"
    r"|LOCALI[SZ]ER|SCOUT|SURVEY|CALIB|\bASSET|\bREF\b"
)
_NOT_A_WEIGHTING = frozenset({"UNKNOWN", "T1", "MIXED", "NONE", ""})
_DERIVED_OTHERWISE = frozenset(
    {
        "PROJECTION IMAGE",
        "MIP",
        "MINIP",
        "SUBTRACTION",
        "ADC",
        "PHASE",
        "P",
        "PHASE MAP",
        "IMAGINARY",
    }
    | {"REAL", "T1 MAP", "T2 MAP", "DIFFUSION", "FA", "R", "I", "FIELD_MAP"}
)


@dataclass(frozen=True, slots=True)
class Contrast:
    """What a file says of how its image was weighted. Times in ms, angle in degrees."""

    names: tuple[str, ...] = ()
    stated: str = ""
    image_type: tuple[str, ...] = ()
    scanning_sequence: frozenset[str] = frozenset()
    three_d: bool = False
    repetition_ms: float | None = None
    echo_ms: float | None = None
    inversion_ms: float | None = None
    flip_deg: float | None = None
    agent: bool = False


def contrast_of(dataset: Dataset) -> Contrast:
    """Collect it from a classic or an enhanced object."""
    shared = item(dataset, tags.SHARED)
    first = item(dataset, tags.PER_FRAME)
    timing = item(shared, tags.TIMING) or item(first, tags.TIMING) or dataset
    echo = item(shared, tags.ECHO) or item(first, tags.ECHO)
    modifier = item(shared, tags.MODIFIER) or item(first, tags.MODIFIER)
    named = (tags.SERIES_DESCRIPTION, tags.PROTOCOL, tags.SEQUENCE_NAME)
    return Contrast(
        names=tuple(word(dataset, tag) for tag in named),
        stated=word(dataset, tags.ACQUISITION_CONTRAST),
        image_type=words(dataset, tags.IMAGE_TYPE),
        scanning_sequence=frozenset(words(dataset, tags.SCANNING_SEQUENCE)),
        three_d=word(dataset, tags.ACQUISITION_TYPE) == "3D",
        repetition_ms=number(timing, tags.REPETITION_TIME),
        echo_ms=number(echo, tags.EFFECTIVE_ECHO_TIME) or number(dataset, tags.ECHO_TIME),
        inversion_ms=number(modifier, tags.INVERSION_TIMES) or number(dataset, tags.INVERSION_TIME),
        flip_deg=number(timing, tags.FLIP_ANGLE),
        agent=bool(word(dataset, tags.CONTRAST_AGENT)),
    )


@lru_cache(maxsize=16)  # all images of a series ask the same
def t1_word(contrast: Contrast) -> str | None:
    """Name the T1 weighting of a series.

    Returns
    -------
    str or None
        A word of `RANK`; ``unspecified`` when the file does not tell; None when it is not T1.
    """
    if _vetoed(contrast):
        return None
    for name in contrast.names:
        spaced = re.sub(r"[^A-Z0-9+]+", " ", name.upper()).strip()
        found = next((known for known, pattern in _NAMES if re.search(pattern, spaced)), None)
        if _ANOTHER_KIND.search(spaced) or ("FLAIR" in spaced and "T1" not in spaced):
            return None
        if found:
            return found
    return "T1" if contrast.stated == "T1" else _by_physics(contrast)


def _vetoed(contrast: Contrast) -> bool:
    long_echo = contrast.echo_ms is not None and contrast.echo_ms > LONGEST_T1_ECHO_MS
    return (
        long_echo
        or "EP" in contrast.scanning_sequence
        or contrast.stated not in _NOT_A_WEIGHTING
        or not _DERIVED_OTHERWISE.isdisjoint(contrast.image_type)
    )


def _by_physics(contrast: Contrast) -> str | None:
    """Tell by the timing; what is clearly weighted otherwise is None."""
    tr, te = contrast.repetition_ms, contrast.echo_ms
    if tr is None or te is None:
        return UNSPECIFIED
    kinds = contrast.scanning_sequence
    if "GR" in kinds and te <= LONGEST_GRADIENT_ECHO_TE_MS and contrast.three_d:
        shortest, longest = MPRAGE_INVERSION_MS
        if contrast.inversion_ms and shortest <= contrast.inversion_ms <= longest:
            return "T1 MPRAGE"
        if tr <= SPOILED_TR_MS and (contrast.flip_deg or 0.0) >= SPOILED_FLIP_DEG:
            return "T1 SPGR"
    if kinds == frozenset({"SE"}):
        short = tr <= LONGEST_SPIN_ECHO_TR_MS and te <= LONGEST_SPIN_ECHO_TE_MS
        return "T1 SE" if short else None
    return UNSPECIFIED
