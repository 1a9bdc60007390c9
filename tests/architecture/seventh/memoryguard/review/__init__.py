# SPDX-License-Identifier: Apache-2.0
"""Review: asks a person to look at a scan whose word is not good."""
