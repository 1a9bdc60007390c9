# SPDX-License-Identifier: Apache-2.0
"""Names that several services say: what is measured."""

from __future__ import annotations

VOLUMES = (
    "hippocampus_left",
    "hippocampus_right",
    "hippocampus_total",
    "amygdala_left",
    "amygdala_right",
    "thalamus_left",
    "thalamus_right",
    "caudate_left",
    "caudate_right",
    "putamen_left",
    "putamen_right",
    "pallidum_left",
    "pallidum_right",
    "accumbens_left",
    "accumbens_right",
    "lateral_ventricle_left",
    "lateral_ventricle_right",
    "lateral_ventricles",
    "inferior_lateral_ventricle_left",
    "inferior_lateral_ventricle_right",
    "third_ventricle",
    "fourth_ventricle",
    "cortical_grey_left",
    "cortical_grey_right",
    "cortical_grey_matter",
    "cerebral_white_left",
    "cerebral_white_right",
    "cerebral_white_matter",
    "cerebellum",
    "brain_stem",
    "grey_matter",
    "white_matter",
    "total_brain",
    "extraventricular_csf",
    "intracranial",
)
"""Volumes in mm³ that a result always names: measured, or null with a reason."""

THICKNESS = ("cortex_left", "cortex_right", "cortex_mean")
"""Thicknesses in mm that a result always names."""
