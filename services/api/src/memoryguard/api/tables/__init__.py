# SPDX-License-Identifier: Apache-2.0
"""Results as tables for research (docs/CSV.md). Pure: from what is known of a scan to CSV."""
