# SPDX-License-Identifier: Apache-2.0
"""The report of a scan as a PDF: for clinicians, and in plain words.

`facts` says what stands in it, `slices` and `solid` draw its pictures from the files that the
processor made, `proof` writes its QR code, and `document` sets it all with ``report.typ``.
"""
