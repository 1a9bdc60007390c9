# SPDX-License-Identifier: Apache-2.0
"""A result as resources of FHIR R4 (4.0.1). Pure: from a scan and its analysis to JSON."""
