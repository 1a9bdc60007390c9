# SPDX-License-Identifier: Apache-2.0
"""Whose a scan is: accounts, patient numbers, the identity vault, health metrics, erasure."""
