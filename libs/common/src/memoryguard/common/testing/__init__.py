# SPDX-License-Identifier: Apache-2.0
"""Real parts for tests: databases, settings in a folder, and a look at what was published."""
