# SPDX-License-Identifier: Apache-2.0
"""Audit: every event, once, in a log that nobody can alter unnoticed."""
