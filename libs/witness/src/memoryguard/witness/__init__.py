# SPDX-License-Identifier: Apache-2.0
"""A witness: cosigns the growth of logs. Run it where nobody who runs the log can reach it."""
