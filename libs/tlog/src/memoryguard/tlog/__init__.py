# SPDX-License-Identifier: Apache-2.0
"""A transparency log's mathematics and formats, pure: it imports nothing else of the platform."""
