# SPDX-License-Identifier: Apache-2.0
"""The whole flow through all six services, with the measuring replaced by a stub part."""

from __future__ import annotations
