# SPDX-License-Identifier: Apache-2.0
"""What every service shares: contracts, runtime, security, HTTP and test support."""
