# SPDX-License-Identifier: Apache-2.0
"""Ml: how similar a person is to diagnosed groups today, explained, or withheld with reasons."""
