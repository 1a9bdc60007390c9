# SPDX-License-Identifier: Apache-2.0
"""The norm packs: signed JSON files, read into `Pack`.

Those beside this module are written by ``training/risk/norms/make_packs.py``, which copies every
coefficient from the sourced facts; nothing in them is typed by hand. A deployment may add a
folder of its own, with offsets of its own scanners, too. Nothing is read from a file whose
signature does not hold (see `signature`).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from memoryguard.atrophy.domain.choice import SHIPPED
from memoryguard.atrophy.domain.measure import Engine
from memoryguard.atrophy.domain.pack import (
    Calibration,
    Composite,
    Evidence,
    Offset,
    Pack,
    RegionNorm,
    SiteSpread,
    Term,
)
from memoryguard.atrophy.domain.site import Site, SiteOffset
from memoryguard.atrophy.packs.signature import Keys, release_keys, verify
from memoryguard.common.errors import Misconfigured

NAMES = SHIPPED
SITE_SUFFIX = ".site.json"
FOLDER = Path(__file__).parent
Read = TypeVar("Read")


@cache
def load_pack(name: str) -> Pack:
    """Read one shipped pack.

    Parameters
    ----------
    name
        One of `NAMES`.
    """
    return read_pack(FOLDER / f"{name}.json", release_keys())


@dataclass(frozen=True, slots=True)
class Norms:
    """Everything that scans are compared with: packs by name, and sites with controls."""

    packs: Mapping[str, Pack]
    sites: tuple[Site, ...]


def load_norms(folder: Path | None = None, keys: Keys | None = None) -> Norms:
    """Read the shipped packs, and the packs and sites of a deployment's folder.

    Parameters
    ----------
    folder
        Folder of ``NAME.json`` (packs) and ``NAME.site.json`` (see `controls`), each with its
        signature beside it.
    keys
        Public keys that the deployment trusts beside the release's.

    Raises
    ------
    Misconfigured
        When a signature does not hold, or a pack cannot be read or contradicts another.
    """
    packs, sites = load_packs(), list[Site]()
    for path in sorted(folder.glob("*.json")) if folder else ():
        if path.name.endswith(SITE_SUFFIX):
            sites.append(read_site(path, keys or {}))
        else:
            pack = read_pack(path, keys or {})
            _refuse_overlap(pack, packs)
            packs[pack.name] = pack
    return Norms(packs, tuple(sites))


def load_packs() -> dict[str, Pack]:
    """Read the shipped packs, by name."""
    return {name: load_pack(name) for name in NAMES}


def _refuse_overlap(pack: Pack, packs: Mapping[str, Pack]) -> None:
    """Two norms for the same region of the same engine leave no choice; say so at the start."""
    own = [other for other in packs.values() if set(other.engines) & set(pack.engines)]
    if pack.name in packs or any(set(other.regions) & set(pack.regions) for other in own):
        raise Misconfigured(
            "norm_packs_overlap",
            "two norm packs have one name, or score the same region for the same engine",
            "take one of them out of the folder",
        )


def read_pack(path: Path, keys: Keys) -> Pack:
    """Read one pack whose signature holds under one of the keys."""
    return _read(path, keys, parse_pack)


def read_site(path: Path, keys: Keys) -> Site:
    """Read one site whose signature holds under one of the keys."""
    return _read(path, keys, parse_site)


def _read(path: Path, keys: Keys, parse: Callable[[dict[str, Any]], Read]) -> Read:
    try:
        content = path.read_bytes()
        signed_by = verify(path, content, keys)
        document = json.loads(content)
        document |= {"sha256": hashlib.sha256(content).hexdigest(), "signed_by": signed_by}
        return parse(document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise Misconfigured(
            "norm_pack_unreadable",
            "a file of norms cannot be read",
            "docs/MEASUREMENT.md shows one",
        ) from None


def parse_site(document: dict[str, Any]) -> Site:
    """Turn a site's JSON document into the domain's frozen form."""
    return Site(
        name=document["name"],
        engine=Engine(document["engine"], document["version"]),
        manufacturer=document["manufacturer"],
        field_strength_t=float(document["field_strength_t"]),
        regions={name: SiteOffset(**row) for name, row in document["regions"].items()},
        sha256=document["sha256"],
        signed_by=document["signed_by"],
    )


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
        sites={name: _site(row) for name, row in document.get("sites", {}).items()},
        population_sd=document.get("population_sd", {}),
        calibrations=tuple(_calibration(row) for row in document.get("calibrations", [])),
        intracranial_ln_sd=document.get("intracranial_ln_sd", 0.0),
        engines=tuple(document.get("engines", ())),
        sha256=document.get("sha256", ""),
        signed_by=document.get("signed_by", ""),
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
    # A mean halves it; so does, for sides of nearly one size, the logarithm of their sum.
    return Composite(total["rule"], parts, sd if total["rule"] == "sum" else sd / 2.0)


def _site(row: dict[str, Any]) -> SiteSpread:
    low, high = row["ci95"]
    return SiteSpread(row["sd_z"], (low, high), row["n_sites"], row["n_people"], row["sample"])


def _calibration(row: dict[str, Any]) -> Calibration:
    return Calibration(
        row["engine"],
        row["version"],
        {
            name: Offset(each["ratio"], each["ln_sd"], row["n"], row["data"])
            for name, each in row["regions"].items()
        },
    )
