# SPDX-License-Identifier: Apache-2.0
"""What people see: read model, access grants, live status, and plain pages."""
