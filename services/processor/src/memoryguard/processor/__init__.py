# SPDX-License-Identifier: Apache-2.0
"""Processor: from a stored series to volumes and what shows them, or a reasoned refusal."""
