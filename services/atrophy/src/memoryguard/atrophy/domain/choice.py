# SPDX-License-Identifier: Apache-2.0
"""Which norm for which engine and region.

`headframe` learned from label maps in FreeSurfer's numbering and protocol; how far it is from
FreeSurfer on real heads stands in docs/BENCHMARKS.md. Two packs come into question:

- Hippocampi and ventricles: Potvin 2016 (FreeSurfer 5.3, 2,790 people, ages 18-94, scanner
  terms). Its z stays within half an SD when healthy people aged 50 and over are measured with
  FreeSurfer 6 or with SynthSeg instead, so it carries over between engines; the fit on IXI
  covers 50-86 only, has one cohort behind it, and its left hippocampus is larger than the right
  where every other source has the reverse.
- Whole brain, cortex and cerebral white matter: only the fit on IXI has them under terms that
  allow shipping. It leans so hard on SynthSeg's own intracranial volume (R² .95-.98) that
  healthy people measured with FreeSurfer fall several SDs off: the pack carries that evidence,
  and `score` withholds the z (`norm_not_transferable`) until an engine is calibrated to it.

`white_matter` and `grey_matter` have no entry: the packs know cerebral white matter and cortex
only, which is not the same tissue.
"""

from __future__ import annotations

from dataclasses import dataclass

POTVIN = "potvin_2016_2017"
IXI = "ixi_synthseg_fit"

# An offset between programs larger than the whole spread of healthy people leaves no z to speak of.
MAX_CALIBRATION_SD_Z = 1.0


@dataclass(frozen=True, slots=True)
class NormChoice:
    """The pack that scores one region, and whether its software is the engine itself."""

    pack: str
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
_TISSUE = ("cortical_grey_matter", "cerebral_white_matter", "total_brain")
_POTVIN_ONLY = (*_SUBCORTICAL, "cortical_grey_left", "cortical_grey_right")
_IXI_ONLY = (
    "hippocampus_left",
    "hippocampus_right",
    "hippocampus_total",
    "lateral_ventricles",
    "third_ventricle",
    *_TISSUE,
)


def _uncalibrated() -> dict[str, NormChoice]:
    chosen = {region: NormChoice(POTVIN, own_software=False) for region in _SUBCORTICAL}
    return chosen | {region: NormChoice(IXI, own_software=False) for region in _TISSUE}


CHOICES: dict[str, dict[str, NormChoice]] = {
    "headframe": _uncalibrated(),
    "freesurfer": {region: NormChoice(POTVIN, own_software=True) for region in _POTVIN_ONLY},
    "synthseg": {region: NormChoice(IXI, own_software=True) for region in _IXI_ONLY},
}
