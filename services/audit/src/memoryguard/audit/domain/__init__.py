# SPDX-License-Identifier: Apache-2.0
"""How entries are shown and what a review finds in them; no input, no output."""
