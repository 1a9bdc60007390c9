# SPDX-License-Identifier: Apache-2.0
"""Score a table of people: columns, rows, results, and the command that joins them."""
