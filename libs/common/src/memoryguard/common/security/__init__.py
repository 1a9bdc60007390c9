# SPDX-License-Identifier: Apache-2.0
"""Keys, encryption, tokens and policy."""
