# SPDX-License-Identifier: Apache-2.0
"""What a score says: regions against their norms, the overall word, and the error of each z."""

from __future__ import annotations

import math
from dataclasses import dataclass

from memoryguard.atrophy.domain.curve import Curve
from memoryguard.atrophy.domain.measure import Quantity
from memoryguard.atrophy.domain.severity import Direction, Severity
from memoryguard.atrophy.domain.site import Site, SiteOffset


@dataclass(frozen=True, slots=True)
class SdParts:
    """What makes a z uncertain, each part as a standard deviation in z units.

    Parameters
    ----------
    pack
        Expected value of the norm, from its finite sample.
    site
        A site that the pack has not seen, beyond what its scanner explains.
    scanner
        Scanner unknown or of a maker the pack does not know.
    version
        Norms of two versions of the software disagree, and the version is not stated.
    calibration
        Offset between the engine and the pack's software, in the region and in the head size; 0
        where the engine is that software.
    retest
        Error of the measurement itself: the engine's, else a published one (see `retest`); None
        where neither is known.
    intracranial
        Error of the intracranial volume by which the norm adjusts; None where not given.
    """

    pack: float
    site: float
    scanner: float
    version: float
    calibration: float
    retest: float | None
    intracranial: float | None

    @property
    def total(self) -> float | None:
        """Root sum of squares of all parts; None where a part is unknown."""
        if self.retest is None or self.intracranial is None:
            return None
        parts = (self.pack, self.site, self.scanner, self.version, self.calibration)
        return math.hypot(*parts, self.retest, self.intracranial)


@dataclass(frozen=True, slots=True)
class Calibrated:
    """By what the engine's value was divided before it was compared.

    `sd_z` is the part of z's SD that the offset leaves, `n` how many heads were measured with
    both programs: 0 where only the spread of other programs is known.
    """

    ratio: float
    sd_z: float
    n: int
    data: str


@dataclass(frozen=True, slots=True)
class RegionScore:
    """One region against its norm.

    `measured` and `expected` are volumes in mm³, or thicknesses in mm. `z` counts residual SDs
    of the norm (`residual_sd`, on `scale`); `z_sd` is how uncertain that z is, from `sd_parts`.
    `expected` is the norm's prediction (for ventricles the median, since their logarithm is
    normal), on the scale of the norm's software; `median` is the same on the scale of `measured`:
    the curve at this person's age. `pack` joins the names with a plus where two norms are averaged;
    `site` is what healthy controls of that scanner are off, which is taken out of z. `centile` is
    in percent, `centile_band` its 80 % band. `reason` says why `z` is None, `severity_reason` why
    the word is "uncertain". `curve` is the norm over age.
    """

    measured: Quantity
    direction: Direction
    pack: str | None = None
    expected: float | None = None
    median: float | None = None
    scale: str | None = None
    residual_sd: float | None = None
    z: float | None = None
    z_sd: float | None = None
    sd_parts: SdParts | None = None
    calibration: Calibrated | None = None
    site: SiteOffset | None = None
    centile: float | None = None
    centile_band: tuple[float, float] | None = None
    severity: Severity | None = None
    severity_probabilities: dict[str, float] | None = None
    severity_reason: str | None = None
    curve: Curve | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Overall:
    """The worst certain severity of `score.OVERALL_REGIONS`.

    `severity` is "uncertain" where nothing worse than "none" is certain and some region is
    uncertain; None, with the reason, where no region could be scored. `region` names where the
    word comes from. `at_least` is True where a region beside it is uncertain, so that the truth
    may be worse than the word. `considered` names the regions that could be scored: what is not
    among them is not spoken for.
    """

    severity: Severity | None
    region: str | None
    at_least: bool
    considered: tuple[str, ...]
    reason: str | None


@dataclass(frozen=True, slots=True)
class Summary:
    """One of the four things a reader asks for, in a word and in a sentence.

    `region` names where it comes from; None, with the reason, where nothing could be scored.
    """

    region: str | None
    severity: Severity | None
    sentence: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """All that one scan says against the norms."""

    regions: dict[str, RegionScore]
    thickness: dict[str, RegionScore]
    summaries: dict[str, Summary]
    overall: Overall
    asymmetry_percent: dict[str, Quantity]
    ratios: dict[str, Quantity]
    packs: dict[str, str]
    flags: tuple[str, ...]
    site: Site | None = None
