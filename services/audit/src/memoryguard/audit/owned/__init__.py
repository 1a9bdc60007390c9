# SPDX-License-Identifier: Apache-2.0
"""The schema ``log``, which the service may read and add to, and does not own."""
