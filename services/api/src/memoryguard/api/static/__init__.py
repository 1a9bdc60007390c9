# SPDX-License-Identifier: Apache-2.0
"""Style and script of the pages."""
