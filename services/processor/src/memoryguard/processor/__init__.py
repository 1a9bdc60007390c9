# SPDX-License-Identifier: Apache-2.0
"""Processor: from a stored series to volumes, a label map and a picture, or a reasoned refusal."""
