# SPDX-License-Identifier: Apache-2.0
"""What a DICOM file is, and which of them are a scan: pure checks on bytes."""
