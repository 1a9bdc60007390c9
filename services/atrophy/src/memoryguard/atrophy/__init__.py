# SPDX-License-Identifier: Apache-2.0
"""Atrophy: volumes beside healthy people, and beside the same person's earlier scans."""
