# SPDX-License-Identifier: Apache-2.0
"""Names, phrases and numbers as people read them.

One scan shows what is low or large for age, not loss over time; the model says how similar a
person is to diagnosed groups today. The phrases keep to that.
"""

from __future__ import annotations

from collections.abc import Sequence

NAMES = {
    "hippocampus_left": "Hippocampus, left",
    "hippocampus_right": "Hippocampus, right",
    "hippocampus_total": "Hippocampi, both",
    "lateral_ventricle_left": "Lateral ventricle, left",
    "lateral_ventricle_right": "Lateral ventricle, right",
    "lateral_ventricles": "Lateral ventricles, both",
    "inferior_lateral_ventricle_left": "Inferior lateral ventricle, left",
    "inferior_lateral_ventricle_right": "Inferior lateral ventricle, right",
    "third_ventricle": "Third ventricle",
    "fourth_ventricle": "Fourth ventricle",
    "amygdala_left": "Amygdala, left",
    "amygdala_right": "Amygdala, right",
    "thalamus_left": "Thalamus, left",
    "thalamus_right": "Thalamus, right",
    "caudate_left": "Caudate nucleus, left",
    "caudate_right": "Caudate nucleus, right",
    "putamen_left": "Putamen, left",
    "putamen_right": "Putamen, right",
    "pallidum_left": "Pallidum, left",
    "pallidum_right": "Pallidum, right",
    "accumbens_left": "Nucleus accumbens, left",
    "accumbens_right": "Nucleus accumbens, right",
    "cortical_grey_left": "Cortical grey matter, left",
    "cortical_grey_right": "Cortical grey matter, right",
    "cortical_grey_matter": "Cortical grey matter",
    "cerebral_white_left": "Cerebral white matter, left",
    "cerebral_white_right": "Cerebral white matter, right",
    "cerebral_white_matter": "Cerebral white matter",
    "cerebellum": "Cerebellum",
    "brain_stem": "Brain stem",
    "grey_matter": "Grey matter, all",
    "white_matter": "White matter, all",
    "total_brain": "Whole brain",
    "extraventricular_csf": "Fluid around the brain",
    "intracranial": "Inside of the skull",
    "cortex_left": "Cortex, mean thickness, left",
    "cortex_right": "Cortex, mean thickness, right",
    "cortex_mean": "Cortex, mean thickness",
    "hippocampus": "Hippocampus",
    "lateral_ventricle": "Lateral ventricle",
    "hippocampus_to_brain": "Hippocampi to whole brain",
    "ventricles_to_brain": "Lateral ventricles to whole brain",
    "grey_to_white": "Grey to white matter",
    "brain_to_intracranial": "Whole brain to inside of the skull",
    "CN": "Cognitively normal",
    "MCI": "Mild cognitive impairment",
    "Dementia": "Dementia",
    "dementia_similarity": "similarity to the dementia group",
    "age_years": "Age, years",
    "male": "Male sex (1) or female (0)",
    "hippocampus_z": "Hippocampi, both, z",
    "ventricles_z": "Lateral ventricles, both, z",
    "brain_z": "Whole brain, z",
    "hippocampus_percent_per_year": "Hippocampi, both, % a year",
    "hippocampus_total_mm3": "Hippocampi, both, mm³",
    "intracranial_mm3": "Inside of the skull, mm³",
    "education_years": "Education, years",
    "apoe4_count": "APOE ε4 alleles",
    "apoe4_alleles": "APOE ε4 alleles",
    "moca": "MoCA, points",
    "mmse": "MMSE, points",
    "systolic_mmhg": "Systolic pressure, mmHg",
    "diastolic_mmhg": "Diastolic pressure, mmHg",
}
DEGREES = {"mild": "mildly", "moderate": "moderately", "severe": "severely"}
VERDICTS = {
    "accepted": "The scan can be measured.",
    "warned": "The scan can be measured, with reservations.",
    "refused": "The scan cannot be measured.",
}
STATUSES = {
    "uploaded": "Uploaded",
    "processing": "Being worked on",
    "completed": "Completed",
    "failed": "No result",
}
MM3_PER_ML = 1000.0
NO_BREAK = "\N{NO-BREAK SPACE}"


def name(key: str) -> str:
    """Give the name of a region, group, feature or code."""
    return NAMES.get(key) or plain(key).capitalize()


def plain(code: str) -> str:
    """Write a code as words."""
    return code.replace("_", " ")


def severity(word: str | None, direction: str | None) -> str:
    """Say how a region compares with healthy people; a ventricle is judged when it is large."""
    if word == "none":
        return "within the usual range for age"
    if word == "uncertain":
        return "too uncertain to say"
    if word in DEGREES:
        return f"{DEGREES[word]} {'large' if direction == 'high' else 'low'} for age"
    return ""


def distance(word: str | None) -> str:
    """Say in a list how far the furthest region lies from what is usual."""
    if word in DEGREES:
        return f"{DEGREES[word]} outside"
    return {"none": "within", "uncertain": "too uncertain to say"}.get(word or "", "—")


def overall(word: str | None, region: str | None, direction: str | None, *, at_least: bool) -> str:
    """Say what the regions say together."""
    if word == "none":
        return "The regions that could be compared lie within the usual range for age."
    if word == "uncertain":
        return (
            "Whether the regions lie within the usual range for age is too uncertain to say from"
            " this scan."
        )
    if word is None:
        return "This scan could not be compared with healthy people."
    where = name(region) if region else "A region"
    worse = " A region beside it is uncertain and may lie further out." if at_least else ""
    return f"{where}: {severity(word, direction)}.{worse}"


def volume(value_mm3: float, error_sd_mm3: float | None = None) -> str:
    """Write a volume in mL, with as many decimals as are worth reading."""
    value_ml = value_mm3 / MM3_PER_ML
    decimals = 2 if abs(value_ml) < 20 else 1 if abs(value_ml) < 100 else 0
    spread = f" ± {error_sd_mm3 / MM3_PER_ML:,.{decimals}f}" if error_sd_mm3 is not None else ""
    return f"{value_ml:,.{decimals}f}{spread} mL".replace(" ", NO_BREAK)


def thickness(value_mm: float, error_sd_mm: float | None = None) -> str:
    """Write a thickness in mm."""
    spread = f" ± {error_sd_mm:.2f}" if error_sd_mm is not None else ""
    return f"{value_mm:.2f}{spread} mm".replace(" ", NO_BREAK)


def centile(percent: float, band: tuple[float, float] | None) -> str:
    """Write a centile with its 80 % band; the ends are not told apart finer than 1 %."""
    if band is None:
        return _edge(percent)
    return f"{_edge(percent)} ({_edge(band[0])} to {_edge(band[1])})"


def _edge(percent: float) -> str:
    if percent < 1:
        return "below 1"
    return "above 99" if percent > 99 else f"{percent:.0f}"


def interval(shares: Sequence[float] | None) -> str:
    """Write an interval of a share, in whole percent."""
    return f"{100 * shares[0]:.0f} to {100 * shares[1]:.0f} %" if shares else ""


def signed(value: float, unit: str, decimals: int = 1) -> str:
    """Write a number with its sign, a true minus and its unit."""
    return f"{value:+.{decimals}f}".replace("-", "−") + unit


def number(value: float) -> str:
    """Write a model's input: whole numbers as such, others with up to three decimals."""
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 1000 else f"{value:,.3g}"
