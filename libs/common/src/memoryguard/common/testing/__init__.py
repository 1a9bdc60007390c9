# SPDX-License-Identifier: Apache-2.0
"""Real parts for tests: a PostgreSQL, a platform in a folder, recorded effects."""
