# SPDX-License-Identifier: Apache-2.0
"""A plain sentence for what one input does to the similarity."""

from __future__ import annotations

import math

# Of a z: who it is about, and whether it is many.
BODIES = {
    "hippocampus_z": ("A hippocampus", False),
    "hippocampus_left_z": ("A left hippocampus", False),
    "hippocampus_right_z": ("A right hippocampus", False),
    "ventricles_z": ("Lateral ventricles", True),
    "third_ventricle_z": ("A third ventricle", False),
    "brain_z": ("A brain", False),
    "cortex_z": ("A cortex", False),
    "white_matter_z": ("White matter", False),
}
RATES = {
    "hippocampus_percent_per_year": "A hippocampus",
    "ventricles_percent_per_year": "Lateral ventricles",
    "brain_percent_per_year": "A brain",
}
PHRASES = {
    "age_years": "An age of {:.0f} years",
    "education_years": "Education of {:.0f} years",
    "moca": "{:.0f} of 30 points of MoCA",
    "mmse": "{:.0f} of 30 points of MMSE",
    "systolic_mmhg": "A systolic pressure of {:.0f} mmHg",
    "diastolic_mmhg": "A diastolic pressure of {:.0f} mmHg",
}
PLURAL = ("moca", "mmse", "apoe4_alleles", "ventricles_z", "ventricles_percent_per_year")
ALLELES = {0.0: "No ε4 alleles of APOE", 1.0: "One of two APOE alleles being ε4"}
LEAST_POINTS = 0.5


def sentence(name: str, value: float, contribution: float) -> str:
    """Say what an input does, e.g. "A hippocampus smaller than in 9 of 10 … raises …".

    Parameters
    ----------
    name
        Name of the feature.
    value
        Its value.
    contribution
        Its Shapley value, in probability.
    """
    points = round(abs(100.0 * contribution))
    many = name in PLURAL and not (name == "apoe4_alleles" and value == 1.0)
    if abs(100.0 * contribution) < LEAST_POINTS:
        return f"{subject(name, value)} hardly {'change' if many else 'changes'} the similarity."
    verb = ("raise" if contribution > 0 else "lower") + ("" if many else "s")
    unit = "point" if points == 1 else "points"
    return f"{subject(name, value)} {verb} the similarity by {points} {unit}."


def subject(name: str, value: float) -> str:
    """Say what the input is."""
    if name in BODIES:
        return f"{BODIES[name][0]} {size(value)}"
    if name in RATES:
        return f"{RATES[name]} {'losing' if value < 0 else 'gaining'} {abs(value):.1f} % a year"
    if name == "male":
        return "Male sex" if value == 1.0 else "Female sex"
    if name == "apoe4_alleles":
        return ALLELES.get(value, "Two ε4 alleles of APOE")
    if name in PHRASES:
        return PHRASES[name].format(value)
    return f"{name.replace('_', ' ').capitalize()} of {value:.3g}"


def size(z: float) -> str:
    """Say how a volume stands among healthy people, in whole tens or, far out, hundreds."""
    share = 0.5 * math.erfc(-abs(z) / math.sqrt(2.0))  # of people on the other side
    if share < 0.55:
        return "of about the usual size for that age"
    word = "smaller" if z < 0 else "larger"
    many = f"{round(10 * share)} of 10" if share < 0.95 else f"{min(99, round(100 * share))} of 100"
    return f"{word} than in {many} healthy people of that age"
