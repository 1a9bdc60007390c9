# SPDX-License-Identifier: Apache-2.0
"""Which norm for which engine, version and region.

- `freesurfer`, version 5: Potvin 2016/2017 (FreeSurfer 5.3, 2,790 people, scanner terms).
- `freesurfer`, later: NOMIS (FreeSurfer 6) where it has the region, else Potvin.
- `freesurfer`, version not stated: the mean of both expectations, their disagreement counted as
  uncertainty. On 1,043 healthy people whose version is not stated the two err to opposite sides
  in the hippocampi, and their mean centres best (docs/BENCHMARKS.md).
- `synthseg`: the fit on IXI, the only norm of that program under terms that allow shipping.
- `headframe`, our own engine, follows FreeSurfer's protocol: the mean of both, after its offset
  to FreeSurfer (see `pack.Calibration`). Cerebral white matter has a norm only in the fit on IXI,
  which leans on SynthSeg's own intracranial volume (R² .95-.98): `score` withholds it.

A deployment's own pack comes first for the engines it names. `white_matter` and `grey_matter`
have no entry: the packs know cerebral white matter and cortex only, which is not the same tissue.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from memoryguard.atrophy.domain.measure import Engine
from memoryguard.atrophy.domain.pack import Pack

POTVIN = "potvin_2016_2017"
NOMIS = "nomis_fs6"
IXI = "ixi_synthseg_fit"
SHIPPED = (POTVIN, NOMIS, IXI)

# An offset between programs larger than the whole spread of healthy people leaves no z to speak of.
MAX_CALIBRATION_SD_Z = 1.0


@dataclass(frozen=True, slots=True)
class NormChoice:
    """The packs whose mean scores a region, and whether their software is the engine itself."""

    packs: tuple[str, ...]
    own_software: bool


_SUBCORTICAL = (
    "hippocampus_left",
    "hippocampus_right",
    "hippocampus_total",
    "lateral_ventricle_left",
    "lateral_ventricle_right",
    "lateral_ventricles",
    "third_ventricle",
)
_CORTEX = (
    "cortical_grey_left",
    "cortical_grey_right",
    "cortical_grey_matter",
    "cortex_left",
    "cortex_right",
    "cortex_mean",
)
_IXI_ONLY = (
    "hippocampus_left",
    "hippocampus_right",
    "hippocampus_total",
    "lateral_ventricles",
    "third_ventricle",
    "cortical_grey_matter",
    "cerebral_white_matter",
    "total_brain",
)
_BOTH = dict.fromkeys(_SUBCORTICAL, (POTVIN, NOMIS))
_ONE_ONLY = dict.fromkeys(_CORTEX, (POTVIN,)) | {"total_brain": (NOMIS,)}
_FREESURFER = {
    "unknown": _BOTH | _ONE_ONLY,
    "five": dict.fromkeys(_SUBCORTICAL, (POTVIN,)) | _ONE_ONLY,
    "later": dict.fromkeys(_SUBCORTICAL, (NOMIS,)) | _ONE_ONLY,
}
_HEADFRAME = _BOTH | _ONE_ONLY | {"cerebral_white_matter": (IXI,)}


def choices(engine: Engine, packs: Mapping[str, Pack]) -> dict[str, NormChoice]:
    """Norms of every region for an engine; empty where it has none."""
    return _shipped(engine) | {
        region: NormChoice((pack.name,), own_software=True)
        for pack in packs.values()
        if engine.name in pack.engines
        for region in pack.regions
    }


def _shipped(engine: Engine) -> dict[str, NormChoice]:
    if engine.name == "freesurfer":
        table = _FREESURFER[freesurfer_generation(engine.version)]
        return {region: NormChoice(names, own_software=True) for region, names in table.items()}
    if engine.name == "synthseg":
        return {region: NormChoice((IXI,), own_software=True) for region in _IXI_ONLY}
    if engine.name == "headframe":
        return {r: NormChoice(names, own_software=False) for r, names in _HEADFRAME.items()}
    return {}


def freesurfer_generation(version: str) -> str:
    """Tell FreeSurfer 5 from later ones by a version such as ``v6.0.0`` or ``5.3``."""
    found = re.search(r"(?:^|v)(\d+)(?:\.|$)", version.strip().lower())
    if found is None:
        return "unknown"
    return "five" if int(found[1]) <= 5 else "later"
