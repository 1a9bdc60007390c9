# SPDX-License-Identifier: Apache-2.0
"""The shipped norm packs: JSON files beside this module, read into `Pack`.

The files are written by ``training/risk/norms/make_packs.py``, which copies every coefficient
from the sourced facts; nothing in them is typed by hand.
"""

from __future__ import annotations

import json
import math
from functools import cache
from importlib.resources import files
from typing import Any

from memoryguard.atrophy.domain.pack import Composite, Evidence, Pack, RegionNorm, Term

NAMES = ("potvin_2016_2017", "ixi_synthseg_fit")


@cache
def load_pack(name: str) -> Pack:
    """Read one shipped pack.

    Parameters
    ----------
    name
        One of `NAMES`.
    """
    text = (files(__name__) / f"{name}.json").read_text(encoding="utf-8")
    return parse_pack(json.loads(text))


def load_packs() -> dict[str, Pack]:
    """Read all shipped packs, by name."""
    return {name: load_pack(name) for name in NAMES}


def parse_pack(document: dict[str, Any]) -> Pack:
    """Turn a pack's JSON document into the domain's frozen form."""
    regions: dict[str, RegionNorm | Composite] = {
        name: _region(region) for name, region in document["regions"].items()
    }
    for name, total in document["totals"].items():
        regions[name] = _total(total, regions)
    low, high = document["valid_age_years"]
    return Pack(
        name=document["name"],
        version=document["version"],
        citation=tuple(document["citation"]),
        address=document["address"],
        licence=document["licence"],
        exactness=document["exactness"],
        software=document["software"],
        population=document["population"],
        valid_age_years=(float(low), float(high)),
        field_strengths_t=tuple(document["field_strengths_t"]),
        new_site_sd_factor=document["new_site_sd_factor"],
        regions=regions,
        evidence={
            name: tuple(Evidence(**row) for row in rows)
            for name, rows in document["evidence"].items()
        },
    )


def _region(region: dict[str, Any]) -> RegionNorm:
    return RegionNorm(
        response=region["response"],
        center_age_years=region["center_age_years"],
        center_icv_mm3=region["center_icv_mm3"],
        terms=tuple(Term(value, _powers(key)) for key, value in region["coefficients"].items()),
        resid_sd=region["resid_sd"],
        fit_n=region["fit_n"],
    )


def _powers(key: str) -> tuple[tuple[str, int], ...]:
    """Read a term's name: '1', 'A', 'A^2', 'V*F' …"""
    if key == "1":
        return ()
    factors = (factor.partition("^") for factor in key.split("*"))
    return tuple((letter, int(power or "1")) for letter, _, power in factors)


def _total(total: dict[str, Any], regions: dict[str, RegionNorm | Composite]) -> Composite:
    parts = tuple(total["parts"])
    if "resid_sd" in total:
        return Composite(total["rule"], parts, total["resid_sd"])
    # Two correlated parts: sqrt(sL² + sR² + 2·rho·sL·sR), rho measured between the residuals.
    left, right = (regions[part].resid_sd for part in parts)
    sd = math.sqrt(left**2 + right**2 + 2.0 * total["rho"] * left * right)
    return Composite(total["rule"], parts, sd)
