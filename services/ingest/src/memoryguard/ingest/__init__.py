# SPDX-License-Identifier: Apache-2.0
"""Ingest: what comes in is validated, de-identified, encrypted and stored, or refused."""
