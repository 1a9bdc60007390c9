# SPDX-License-Identifier: Apache-2.0
"""Results, stored back where the hospital keeps its images, as it knows the person."""
