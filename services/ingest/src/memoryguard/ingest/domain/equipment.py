# SPDX-License-Identifier: Apache-2.0
"""Reduces maker and model of a scanner to words of a closed list.

Both are free text in a file, hence could hold anything. What is not in the list is not kept.
"""

from __future__ import annotations

import re

MANUFACTURERS = {
    "SIEMENS": "Siemens",
    "GE": "GE",
    "PHILIPS": "Philips",
    "TOSHIBA": "Canon",
    "CANON": "Canon",
    "HITACHI": "Hitachi",
    "FUJIFILM": "Fujifilm",
    "UIH": "United Imaging",
    "UNITED": "United Imaging",
    "BRUKER": "Bruker",
    "HYPERFINE": "Hyperfine",
    "MEMORYGUARD": "MemoryGuard",
}
_MODELS = (
    "Prisma Skyra TrioTim Trio Verio Avanto Aera Vida Sola Lumina Allegra Symphony Sonata Espree"
    " Terra Cima Altea Free.Max Amira Essenza Biograph Premier Architect Artist Pioneer Hero"
    " MR750w MR750 MR450w MR450 Optima Discovery Explorer Voyager Signa Ingenia Achieva Intera"
    " Ambition Elition Gyroscan Panorama Titan Galan Orian Vantage Echelon Oasis Airis uMR Swoop"
    " MNI152 Synthetic"
)
MODELS = tuple(_MODELS.split())
"""Model families, the more specific first."""


def manufacturer(text: str) -> str | None:
    """Give the maker's name in the closed list, or None."""
    found = re.findall(r"[A-Z]+", text.upper())
    return next((MANUFACTURERS[word] for word in found if word in MANUFACTURERS), None)


def model(text: str) -> str | None:
    """Give the model's family in the closed list, or None."""
    upper = text.upper()
    return next(
        (name for name in MODELS if re.search(rf"(?<![A-Z]){re.escape(name.upper())}", upper)), None
    )
