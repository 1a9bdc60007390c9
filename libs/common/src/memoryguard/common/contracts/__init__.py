# SPDX-License-Identifier: Apache-2.0
"""The events, who says and hears them, and how they are written down."""
