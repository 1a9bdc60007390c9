# SPDX-License-Identifier: Apache-2.0
"""Pure maths of the atrophy service: norms, severity, asymmetry, change."""
