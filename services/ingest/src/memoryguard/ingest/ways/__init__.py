# SPDX-License-Identifier: Apache-2.0
"""The ways in: each takes files from its kind of sender, and hands them to a delivery."""
