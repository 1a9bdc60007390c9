# SPDX-License-Identifier: Apache-2.0
"""Names that several services say: what is measured."""

from __future__ import annotations

VOLUMES = (
    "hippocampus_left",
    "hippocampus_right",
    "hippocampus_total",
    "lateral_ventricle_left",
    "lateral_ventricle_right",
    "lateral_ventricles",
    "third_ventricle",
    "cortical_grey_matter",
    "grey_matter",
    "white_matter",
    "total_brain",
    "intracranial",
)
"""Volumes in mm³ that a result always names: measured, or null with a reason."""

THICKNESS = ("cortex_mean",)
"""Thicknesses in mm that a result always names."""
