# SPDX-License-Identifier: Apache-2.0
"""The command line: the one package that may import every service."""
