# SPDX-License-Identifier: Apache-2.0
"""One HTTP surface for all services: routes with policies, problem answers, access events."""
